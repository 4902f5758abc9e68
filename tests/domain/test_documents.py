"""Documents survive the way to storage and back, open with fields missing or unknown, and say where they are wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field

import pytest

from benchmarks.scale_state import run_of
from shared.domain.documents import InvalidDocument, from_json, to_json


@dataclass(frozen=True)
class Part:
    share: float
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Whole:
    part: Part
    parts: dict[str, Part] = field(default_factory=dict)
    note: str | None = None


def test_there_and_back_again() -> None:
    whole = Whole(Part(0.5, ("a", "b")), {"x": Part(1.0)}, "n")
    assert from_json(to_json(whole), Whole) == whole


def test_older_and_newer_documents_open() -> None:
    assert from_json({"part": {"share": 1}, "unknown": 3}, Whole) == Whole(Part(1.0))


def test_what_does_not_fit_is_named_with_its_place() -> None:
    with pytest.raises(InvalidDocument, match=r"Whole can't be read.*\$\.part\.share"):
        from_json({"part": {"share": "much"}}, Whole)


_FIRST_USES = """
import json, sys, threading
from shared.domain.documents import from_json
from shared.domain.run.documents import Run
sys.setswitchinterval(1e-6)
document = json.loads(sys.stdin.read())
together, read = threading.Barrier(8), []
def use():
    together.wait()
    read.append(from_json(document, Run).run_id)
threads = [threading.Thread(target=use) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert read == [document["run_id"]] * 8, read
"""


def test_many_threads_may_be_the_first_to_open_a_kind_of_document() -> None:
    document = json.dumps(to_json(run_of("bank", 1, 0.0)))
    for _ in range(6):
        done = subprocess.run(
            [sys.executable, "-c", _FIRST_USES], input=document, text=True, capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
