"""Ports for processes that are being started: held from their choice until they listen, so that no two choose one."""

from __future__ import annotations

import errno
import fcntl
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self

from dropml.common import folders, private
from dropml.common.processes import StartError

#: Of ports the system offers that another start holds already.
_OFFERS = 32


class Ports:
    """Ports of 127.0.0.1, each held against other starts until the block ends; against none where a system can't hold it.

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
            # Looked at again once it is held: who held it before may listen by now.
            if found and self._hold(found) and _free(found):
                return found
        raise StartError("127.0.0.1 has no free port left.")

    def _hold(self, port: int) -> bool:
        with ExitStack() as mine:
            try:
                mine.enter_context(_named(port) if sys.platform == "linux" else _locked(port))
            except BlockingIOError:
                return False
            except (OSError, RuntimeError):  # no such names in this sandbox, no folder that can be written
                return True
            self._held.push(mine.pop_all())
        return True


@contextmanager
def _named(port: int) -> Iterator[None]:
    """By a name of the kernel's, which all users share and which ends with its process. Raises BlockingIOError, OSError."""
    with socket.socket(socket.AF_UNIX) as held:
        try:
            held.bind(f"\0dropml-port-{port}")
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise BlockingIOError from error
            raise
        yield


@contextmanager
def _locked(port: int) -> Iterator[None]:
    """By a file of this user's. Raises BlockingIOError, OSError, RuntimeError."""
    folder = private.folder(folders.of_user() / "ports")
    with open(folder / str(port), "w", opener=private.opener) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


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
