"""What services need of the state container: documents written conditionally, marks that list cheaply, ledgers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Entry:
    """One name in a listing. `metadata` is what its last writer told of it."""

    path: str
    etag: str
    metadata: dict[str, str] = field(default_factory=dict)
    #: Unix seconds; 0 where it isn't known.
    modified: float = 0.0


#: What a listing tells of a document beside its name: names are identifiers in small letters.
Told = dict[str, str] | None
#: Entries, and where the next page starts ("" after the last).
Page = tuple[list[Entry], str]


#: Whether a caller has the answer of an ETag already.
Known = Callable[[str], bool]


def unseen(_: str) -> bool:
    """What a caller knows who has no answer yet."""
    return False


class Documents(Protocol):
    """JSON documents with ETags (`shared.adapters.documents.JsonStore`)."""

    def get(self, path: str) -> tuple[dict[str, Any], str] | None:
        """The document and its ETag; None when there is none."""

    def create(self, path: str, doc: Mapping[str, object], told: Told = None) -> str:
        """Write a new document; returns its ETag. Raises Conflict when there is one already.

        `told` is what a listing tells of it, as of a `mark`; whoever writes over the document without it takes it away.
        """

    def replace(self, path: str, doc: Mapping[str, object], etag: str, told: Told = None) -> str:
        """Write over the version `etag`; returns the new ETag. Raises Conflict when it has changed or is gone."""

    def put(self, path: str, doc: Mapping[str, object]) -> None:
        """Write the document over whatever is there, for what only spares work. One storage call."""

    def delete(self, path: str, etag: str | None = None) -> None:
        """Idempotent; with an ETag only this version, and Conflict where there is none such."""

    def list(self, prefix: str) -> Iterator[str]:
        """Paths that begin with `prefix`, ascending."""

    def page(self, prefix: str, limit: int, after: str = "") -> Page:
        """At most `limit` (1 to 5,000) entries that begin with `prefix`, ascending, and where the next page starts.

        One storage call. `after` is what the page before returned, "" for the first; "" is returned with the last.
        """

    def mark(self, path: str, metadata: dict[str, str]) -> None:
        """Write an empty blob that carries `metadata`, over what may be there. One storage call.

        Keys are identifiers in small letters. Values may hold any text; empty ones are left out, and what doesn't fit
        into 7 KiB (percent-encoded, keys included) is cut in the order given.
        """


def entries(documents: Documents, folder: str) -> Iterator[Entry]:
    """All that is listed under the prefix `folder`, ascending: a storage call a 5,000."""
    after = ""
    while True:
        page, after = documents.page(folder, 5000, after)
        yield from page
        if not after:
            return


class Ledger(Protocol):
    """Append-only lines, one ledger a path (`shared.adapters.ledger.LedgerStore`)."""

    def append(self, path: str, first_position: int, lines: list[str]) -> int:
        """Append `lines` at byte `first_position`; returns the position after them.

        Lines that stand there already, in whole or in part, count as written. Raises Conflict where something else does, and
        where the ledger ends before.
        """

    def read(self, path: str) -> list[str]:
        """Its lines; none when there is no ledger yet."""
