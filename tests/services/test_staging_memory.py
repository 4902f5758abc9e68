"""Files of any size and shape are staged in bounded memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shared.domain.table import mltable
from tests.support import sweeps

# Runs in a process of its own: its peak memory is what is measured. Prints verdict, bytes read, growth in MiB.
SCRIPT = """
import contextlib, resource, sys
from shared.domain.config import DatasetConfig
from shared.domain.errors import InvalidTable
from shared.domain.table.holdout import HoldoutRule
from shared.services.intake.staging import stage

shape, megabytes, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]

class Folder:
    @contextlib.contextmanager
    def writer(self, name):
        with open(f"{folder}/{name.replace('/', '-')}", "wb") as out:
            yield out
    def reader(self, name):
        with open(f"{folder}/{name.replace('/', '-')}", "rb") as data:
            while piece := data.read(1 << 22):
                yield piece
    def delete(self, name):
        pass

def rows(row, head=b"a,b,c,y\\n"):
    yield head
    many = row * ((1 << 20) // len(row))
    for _ in range(megabytes):
        yield many

WIDE = 4000
source = {
    "table": lambda: rows(b"1,2.5," + b"some text " * 20 + b",yes\\n3,4.5,NA,no\\n"),
    "quoted": lambda: rows(b'1,2.5,"' + b"some, text " * 20 + b'",yes\\n3,4.5,"",no\\n'),
    "wide": lambda: rows(b"1," * WIDE + b"yes\\n" + b"2," * WIDE + b"no\\n",
                         ",".join([*(f"c{i}" for i in range(WIDE)), "y"]).encode() + b"\\n"),
    "distinct": lambda: (line for i in range(megabytes)
                         for line in [b"a,y\\n"] * (i == 0) + ["".join(
                             f"{i}-{j}-{'x' * 40},{j % 2}\\n" for j in range(20_000)).encode()]),
    "wide distinct": lambda: (line for i in range(megabytes)
                         for line in [",".join([*(f"c{j}" for j in range(WIDE)), "y"]).encode() + b"\\n"] * (i == 0) + [
                             b"".join(b",".join([b"%d.%d" % (j, i * 20 + k) for j in range(WIDE)]) + b",%d\\n" % (k % 2)
                                      for k in range(20))]),
    "open quote": lambda: rows(b"x,y\\n", b'a,y\\n1,"'),
    "long row": lambda: rows(b'"' + b"x\\n" * 5_000 + b'",', b"a,y\\n"),
    "no newline": lambda: rows(b"x", b"a,y\\n"),
}[shape]()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    done = stage(source, Folder(), DatasetConfig(), HoldoutRule("s"), "d")
    verdict, size = "taken", done.size
except InvalidTable as error:
    verdict, size = error.error_code, -1
print(verdict, size, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
REPOSITORY = Path(__file__).resolve().parents[2]


def grown(shape: str, megabytes: int, folder: Path) -> tuple[str, int]:
    """The verdict on such a file, and by how many MiB the process grew."""
    command = [sys.executable, "-c", SCRIPT, shape, str(megabytes), str(folder)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    *verdict, _size, mebibytes = done.stdout.split()
    return " ".join(verdict), int(mebibytes)


@pytest.mark.parametrize(
    ("shape", "verdict"),
    sweeps.part(
        [
            ("table", "taken"),
            ("quoted", "taken"),
            ("wide", "taken"),
            ("distinct", "taken"),
            ("open quote", "unterminated-quote"),
            ("long row", "row-too-long"),
            ("no newline", "line-too-long"),
        ]
    ),
)
def test_memory_does_not_grow_with_the_file(shape: str, verdict: str, tmp_path: Path) -> None:
    found, mebibytes = grown(shape, 6 if shape == "wide" else 16, tmp_path)
    assert found == verdict
    assert mebibytes < 110


@pytest.mark.slow
def test_a_gigabyte_stays_under_512_mib(tmp_path: Path) -> None:
    found, mebibytes = grown("table", 1024, tmp_path)
    assert found == "taken"
    assert mebibytes < 150


def test_weights_are_filled_in_a_little_at_a_time_however_much_of_a_file_comes_at_once() -> None:
    row = f"some text,yes{mltable.mark(0)}\n".encode()
    pieces = list(mltable.fill_marks([row * 100_000, row[:5], row[5:]], [1.5]))
    assert b"".join(pieces) == b"some text,yes,1.5\n" * 100_001
    assert max(map(len, pieces)) < 500_000
