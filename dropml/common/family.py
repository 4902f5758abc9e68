"""The relatives of a process: its descendants, and the group that it leads."""

from __future__ import annotations

import contextlib
import os

import psutil


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


def group(pid: int, started: float) -> list[psutil.Process]:
    """The members of the group that the process led; none if the pid is another's by now."""
    with contextlib.suppress(psutil.Error):
        if abs(psutil.Process(pid).create_time() - started) >= 1:
            return []
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == pid and process.pid != os.getpid():
                found.append(process)
        except (ProcessLookupError, PermissionError, psutil.Error):
            continue
    return found
