"""Ports for processes that are being started: held from their choice until they listen, so that no two choose one."""

from __future__ import annotations

import fcntl
import socket
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from dropml.common import folders, private
from dropml.common.processes import StartError

#: Of ports the system offers that another start holds already.
_OFFERS = 32


class Ports:
    """Ports of 127.0.0.1, each held against other starts of this user until the block ends.

    A port that is merely free when it is chosen may be anyone's by the time its process listens, seconds later.
    """

    def __init__(self) -> None:
        self._held = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._held.close()

    def take(self, wanted: int | None = None) -> int:
        """`wanted` if it can be had, else any free port. Raises StartError, OSError."""
        for port in (wanted, *[0] * _OFFERS) if wanted else [0] * _OFFERS:
            found = _free(port)
            if found and self._hold(found):
                return found
        raise StartError("127.0.0.1 has no free port left.")

    def _hold(self, port: int) -> bool:
        folder = private.folder(folders.of_user() / "ports")
        with ExitStack() as mine:
            lock = mine.enter_context(open(folder / str(port), "w", opener=private.opener))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            self._held.push(mine.pop_all())
        return True


def free_port() -> int:
    """Any port of 127.0.0.1 that nobody listens on now. Raises StartError."""
    if port := _free(0):
        return port
    raise StartError("127.0.0.1 has no free port left.")


def _free(port: int) -> int | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return None
        return int(probe.getsockname()[1])
