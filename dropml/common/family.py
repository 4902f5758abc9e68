"""The relatives of a process: its descendants, and the group that it leads."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

import psutil

#: A time of start above it is in unix seconds, as other systems than Linux and earlier releases have it.
_EPOCH = 1e9


def started(process: psutil.Process) -> float:
    """When the process was started: on Linux in seconds since the machine's start, which no set clock changes.

    proc_pid_stat(5), field 22. `create_time` is in unix seconds, which move with the clock.
    """
    if sys.platform != "linux":
        return float(process.create_time())
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError as error:
        raise psutil.NoSuchProcess(process.pid) from error
    return float(fields[19]) / os.sysconf("SC_CLK_TCK")


def age(start: float) -> float:
    """Seconds since a start, as `started` tells it; a sleep of the machine counts."""
    now = time.time() if start > _EPOCH else time.clock_gettime(time.CLOCK_BOOTTIME)
    return max(0.0, now - start)


def is_same(process: psutil.Process, start: float) -> bool:
    """Whether it is the process that was started then, and none that has got its pid since. Raises psutil.Error."""
    now = process.create_time() if start > _EPOCH else started(process)
    return bool(abs(now - start) < 1)


def runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def send(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.Error:
        return


def resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def descendants(pid: int) -> list[psutil.Process]:
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.Error:
        return []


def group(pid: int, start: float) -> list[psutil.Process]:
    """The members of the group that the process led; none if the pid is another's by now."""
    with contextlib.suppress(psutil.Error):
        if not is_same(psutil.Process(pid), start):
            return []
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == pid and process.pid != os.getpid():
                found.append(process)
        except (ProcessLookupError, PermissionError, psutil.Error):
            continue
    return found
