"""Whether marks lie below a prefix, for whoever asks every second and mostly hears no: a document is read instead of a listing.

A listing costs an emulator of storage what all its blobs cost, and Azure bills it as ten reads. So whoever puts a mark writes
a document after it (`stir`). Who looks lists only where that has changed since the listing before; or every half minute, for
one who died between the two writes.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from shared.domain.documents import InvalidDocument
from shared.services.documents import Documents

#: Marks of one who died before the stir are found so many seconds later at the latest.
LOOK_SECONDS = 30.0


def _path(prefix: str) -> str:
    return f"stirred/{prefix.replace('/', '-').strip('-')}.json"


def stir(documents: Documents, prefix: str) -> None:
    """A mark has been put below `prefix`."""
    documents.put(_path(prefix), {"by": secrets.token_hex(8)})


class Quiet:
    """One per process and prefix."""

    def __init__(
        self, documents: Documents, prefix: str, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._documents, self._prefix, self._monotonic = documents, prefix, monotonic
        self._stirred: str | None = None
        self._found_empty: float | None = None

    def still(self) -> bool:
        """Whether there is no mark. One call, or two where one has come."""
        now, since = self._monotonic(), self._found_empty
        lately = since is not None and now - since < LOOK_SECONDS
        if lately or self._stirred is None:
            stirred = self._stamp()
            if lately and stirred == self._stirred:
                return True
            self._stirred = stirred  # before the listing: a mark that it misses stirs later
        empty = not self._documents.page(self._prefix, 1)[0]
        self._found_empty = now if empty else None
        return empty

    def _stamp(self) -> str:
        try:
            found = self._documents.get(_path(self._prefix))
        except InvalidDocument:  # written by hand: another one each time, until somebody stirs
            return secrets.token_hex(8)
        return found[1] if found else ""
