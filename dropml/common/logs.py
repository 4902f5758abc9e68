"""Log files of child processes: each start has its own, and the last few are kept, bounded in size."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import threading
import time
from pathlib import Path
from typing import TextIO

KEPT = 5  # starts before this one
KEPT_BYTES = 16 * 2**20  # of each; the end is what tells why a process is gone
LIVE_BYTES = 32 * 2**20  # of one that is being written
_LOOK_S = 10.0
_TAIL_BYTES = 262_144


def rotate(log: Path) -> None:
    """Make way for a new start's log: `x.log` becomes `x.log.1`, that one `x.log.2`, the oldest goes."""
    if not log.is_file() or log.stat().st_size == 0:
        return
    for number in range(KEPT, 0, -1):
        older = _numbered(log, number)
        if older.is_file():
            older.replace(_numbered(log, number + 1))
    _numbered(log, KEPT + 1).unlink(missing_ok=True)
    _shorten(log, KEPT_BYTES)
    log.replace(_numbered(log, 1))


def bound(log: Path, limit: int = KEPT_BYTES) -> None:
    """Cut a log that is being written to its last half once it is larger than `limit` bytes.

    In place: whoever writes it has it open for appending, and goes on behind what is left.
    """
    try:
        if log.stat().st_size <= limit:
            return
        with log.open("r+b", buffering=0) as file:
            file.seek(-limit // 2, os.SEEK_END)
            rest = file.read()
            file.truncate(0)
        with log.open("ab", buffering=0) as file:
            file.write(rest[rest.find(b"\n") + 1 :])
    except FileNotFoundError:
        return


def _numbered(log: Path, number: int) -> Path:
    return log.with_name(f"{log.name}.{number}")


def _shorten(log: Path, limit: int) -> None:
    """Keep the last `limit` bytes, from the beginning of a line."""
    if log.stat().st_size <= limit:
        return
    short = log.with_name(log.name + ".tmp")
    with log.open("rb") as whole, short.open("wb") as end:
        whole.seek(-limit, os.SEEK_END)
        whole.readline()
        shutil.copyfileobj(whole, end)
    short.replace(log)


def keep_short(descriptor: int, limit: int = LIVE_BYTES) -> bool:
    """Where the open log has grown over `limit`, keep its last half; True if that was so.

    It is shortened in place, by the process that writes it: opened for reading and appending, as `processes.start` does.
    """
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_size <= limit:
        return False
    end = os.pread(descriptor, limit // 2, found.st_size - limit // 2)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, end[end.find(b"\n") + 1 :])
    return True


def watch(descriptor: int) -> None:
    """Have a thread of this process keep its own log short."""

    def look() -> None:
        while True:
            time.sleep(_LOOK_S)
            with contextlib.suppress(
                OSError
            ):  # a log that can't be read back, or a full disk: looked at again
                keep_short(descriptor)

    threading.Thread(target=look, name="log", daemon=True).start()


def tail(path: Path, lines: int) -> str:
    """The last lines of a text file, reading no more than its last 256 KiB; empty if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def announce(url: str, out: TextIO) -> None:
    """Print the line that a process serves at `url`, in one write: a logging thread must not come between it and its end."""
    out.write(f"ready {url}\n")
    out.flush()


def is_ready(log: Path) -> bool:
    """True once a process has printed the line that it serves."""
    return any(line.startswith("ready ") for line in tail(log, 50).splitlines())
