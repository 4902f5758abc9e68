"""The mark that every process of a stack carries in its environment, and hands on to whatever it starts.

It is there before the process is: whoever is killed, at whatever moment, its processes are found by it.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil

from dropml.common.family import started
from dropml.common.processes import MARK, Child


def mark(home: Path) -> dict[str, str]:
    """For the environment of a process that belongs to the stack under `home`."""
    return {MARK: str(home)}


def marked(home: Path) -> list[Child]:
    """Live processes of the stack under `home`, without this one and those that it came from."""
    kin = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        # Of another user's process, or one that has just ended, nothing can be read: it isn't ours.
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid not in kin and process.environ().get(MARK) == str(home):
                found.append(Child(process.pid, started(process)))
    return [child for child in found if child.alive()]


def command_of(child: Child) -> str:
    """What a person recognises a process by; its start alone, for it may be long."""
    try:
        words = psutil.Process(child.pid).cmdline()
    except psutil.Error:
        return "?"
    module = words[words.index("-m") + 1] if "-m" in words[:-1] else " ".join(words)
    return module[:80]
