"""Memory, handles and disk of a stack by the minute, and how much they grew where nothing was killed."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

import psutil

from dropml.stack import PARTS
from tests.support.live_stack import LiveStack
from tests.support.watching import MIB


@dataclass(frozen=True)
class Sample:
    """Of one part of the stack. A part that was started again is another process, whose growth is counted anew."""

    part: str
    pid: int
    memory_mib: float
    handles: int


class Growth:
    def __init__(self, live: LiveStack) -> None:
        self._live = live
        self.samples: list[Sample] = []
        self.disk: list[float] = []

    def look(self) -> None:
        for part in PARTS:
            pid = self._live.part(part).pid
            process = psutil.Process(pid)
            self.samples.append(Sample(part, pid, process.memory_info().rss / MIB, process.num_fds()))
        self.disk.append(folder_mib(self._live.running.home))

    def memory_mib(self, part: str) -> float:
        return grown([sample.memory_mib for sample in self._longest(part)])

    def handles(self, part: str) -> float:
        return grown([sample.handles for sample in self._longest(part)])

    def disk_mib(self) -> float:
        return self.disk[-1] - self.disk[0] if self.disk else 0.0

    def _longest(self, part: str) -> list[Sample]:
        """The samples of the process that lived longest."""
        lives: dict[int, list[Sample]] = {}
        for sample in self.samples:
            if sample.part == part:
                lives.setdefault(sample.pid, []).append(sample)
        return max(lives.values(), key=len, default=[])


def grown(values: list[float] | list[int]) -> float:
    """The median of the last third less that of the second third: a process that has warmed up is flat."""
    third = len(values) // 3
    if not third:
        return 0.0
    return statistics.median(values[-third:]) - statistics.median(values[-2 * third : -third])


def folder_mib(folder: Path) -> float:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue  # gone in between
    return total / MIB
