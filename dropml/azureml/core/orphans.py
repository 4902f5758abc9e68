"""What an emulator that was killed has left behind.

Whatever it starts carries the emulator's folder in its environment, from before its first moment, and hands that on to
whatever it starts itself. An endpoint or a job that the state still knows lives on; all else is ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

import psutil

from dropml.common.family import started
from dropml.common.processes import Child

log = logging.getLogger(__name__)
MARK = "DROPML_EMULATOR_DATA"


def mark(data: Path) -> dict[str, str]:
    """For the environment of everything that the emulator starts."""
    return {MARK: str(data)}


def marked(data: Path) -> dict[int, psutil.Process]:
    """Live processes that this folder's emulators have started, and theirs, by pid."""
    found = {}
    for process in psutil.process_iter():
        # Another user's process, or one that has just ended, tells nothing: it isn't ours.
        with contextlib.suppress(psutil.Error, OSError):
            ours = process.pid != os.getpid() and process.environ().get(MARK) == str(data)
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found[process.pid] = process
    return found


def orphans(data: Path, known: Callable[[Path], bool]) -> list[Child]:
    """Those that belong to no endpoint or job that is `known` by its folder."""
    found = marked(data)
    keep = {pid for pid, process in found.items() if any(known(path) for path in _folders(process, data))}
    left = []
    for pid, process in found.items():
        with contextlib.suppress(psutil.Error, OSError):
            kin = {pid, os.getpgid(pid), *(parent.pid for parent in process.parents())}
            if not kin & keep:
                left.append(Child(pid, started(process)))
    return left


def _folders(process: psutil.Process, data: Path) -> list[Path]:
    """The emulator's folders that the command line names."""
    try:
        words = process.cmdline()
    except psutil.Error:
        return []
    return [Path(word) for word in words if word.startswith(f"{data}{os.sep}")]


async def end(data: Path, known: Callable[[Path], bool]) -> None:
    """End them all."""
    for child in await asyncio.to_thread(orphans, data, known):
        log.warning("process %d was left behind by an earlier emulator: ended", child.pid)
        await child.stop(2)
