"""The emulator starts where the system has no processor affinity, as macOS."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dropml.azureml.core.config import Settings
from dropml.common import processors
from dropml.common.processes import Caps

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def no_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)


def test_every_processor_of_the_machine_counts_where_none_can_be_chosen(
    no_affinity: None, tmp_path: Path
) -> None:
    assert processors.available() == list(range(os.cpu_count() or 1))
    processors.confine(os.getpid(), [0])
    assert Settings(port=1, data=tmp_path).max_nodes == max(1, (os.cpu_count() or 1) // 2)
    Caps(cores=1, memory_mb=512).affinity()


def test_processors_are_counted_in_one_place() -> None:
    """Whoever asks the system directly does not start on macOS."""
    elsewhere = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "dropml").rglob("*.py")
        if "os.sched_" in path.read_text() and path.name != "processors.py"
    ]
    assert elsewhere == []
