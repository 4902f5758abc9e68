"""The processors that this process may use, on every system."""

from __future__ import annotations

import os


def available() -> list[int]:
    """Their numbers. macOS has no affinity: every processor of the machine counts there."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def count() -> int:
    return len(available())


def confine(pid: int, numbers: list[int]) -> None:
    """Keep a process on these processors, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(pid, numbers)
