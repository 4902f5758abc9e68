"""Lists that cost a listing call: one small blob per run or pipeline run, named so that the newest comes first.

`index/runs/{countdown}~{run id}` carries the run's summary as metadata and is written anew whenever the run moves, and so is
its like under `index/datasets/{slug}/`;
`open/runs/{slug}` stands while the dataset has open runs, so that a tick looks at these alone. The first page of all runs is also
one document (`services.run.first_page`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.domain.documents import from_json, to_json
from shared.domain.errors import DropMLError, InvalidInput
from shared.services.documents import Documents, Entry
from shared.services.run.first_page import FirstPage

T = TypeVar("T")
#: Unix milliseconds are counted down from here, so that later times come first by name (year 2286).
_EPOCH = 10**13
#: Entries that a filter looks at with one listing call (Azure lists at most 5,000, and they take their time).
PAGE = 1000
#: Listing calls for one answer; a filter that finds little in them answers with a cursor to go on from.
MAX_CALLS = 3


@dataclass(frozen=True)
class Page(Generic[T]):
    """`cursor` is where the next page begins, None after the last; `etag` changes with anything on this page."""

    items: tuple[T, ...]
    cursor: str | None
    etag: str


class Index(Generic[T]):
    """Summaries of one kind, newest first."""

    def __init__(
        self, documents: Documents, prefix: str, kind: type[T], first_page: FirstPage | None = None
    ) -> None:
        self._documents, self._prefix, self._kind, self._first_page = documents, prefix, kind, first_page

    def put(self, created_at: float, name: str, summary: T) -> None:
        """Idempotent; `created_at` and `name` never change for the same thing."""
        text = json.dumps(to_json(summary), separators=(",", ":"))
        self._documents.mark(self._path(created_at, name), {"summary": text})
        if self._first_page:
            self._first_page.forget()

    def remove(self, created_at: float, name: str) -> None:
        """Idempotent."""
        self._documents.delete(self._path(created_at, name))
        if self._first_page:
            self._first_page.forget()

    def stamp(self) -> str | None:
        """Another one after each change of an entry, whoever made it; None where that isn't known. One call."""
        return self._first_page.stamp() if self._first_page else None

    def _path(self, created_at: float, name: str) -> str:
        return f"{self._prefix}{_EPOCH - round(created_at * 1000):013d}~{name}"

    def page(
        self, limit: int, cursor: str | None = None, wanted: Callable[[str, T], bool] | None = None
    ) -> Page[T]:
        """At most `limit` summaries that are `wanted(name, summary)`. Raises InvalidInput for a cursor of another make."""
        after, last = decoded(cursor)
        size = limit if wanted is None else PAGE
        kept = self._first_page if wanted is None and not cursor else None
        found: list[tuple[Entry, T]] = []
        for _ in range(MAX_CALLS):
            entries, following = (
                kept.page(size) if kept and not after else self._documents.page(self._prefix, size, after)
            )
            for entry in entries:
                summary = self._read(entry) if entry.path > last else None
                if summary is None or not (wanted is None or wanted(entry.path.partition("~")[2], summary)):
                    continue
                if len(found) == limit:
                    return _page(found, encoded(after, found[-1][0].path))
                found.append((entry, summary))
            last = max(last, entries[-1].path if entries else "")
            if not following:
                return _page(found, None)
            after = following
            if len(found) == limit:
                break
        return _page(found, encoded(after, last))

    def _read(self, entry: Entry) -> T | None:
        try:
            return from_json(json.loads(entry.metadata["summary"]), self._kind)
        except (KeyError, ValueError, DropMLError):  # written by hand: the run itself can still be read
            return None


def _page(found: list[tuple[Entry, T]], cursor: str | None) -> Page[T]:
    tags = "".join(f"{entry.path} {entry.etag}\n" for entry, _ in found) + str(cursor)
    return Page(
        tuple(summary for _, summary in found), cursor, f'"{hashlib.sha256(tags.encode()).hexdigest()[:32]}"'
    )


def encoded(after: str, last: str) -> str:
    """A cursor: the listing's own continuation, and the last path of it that was shown."""
    return base64.urlsafe_b64encode(json.dumps([after, last]).encode()).decode().rstrip("=")


def decoded(cursor: str | None) -> tuple[str, str]:
    """The two halves of a cursor. Raises InvalidInput for one of another make."""
    if not cursor:
        return "", ""
    try:
        after, last = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not all(isinstance(half, str) and half.isprintable() for half in (after, last)):
            raise ValueError("two texts are due")
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        raise InvalidInput(
            "The cursor is none that was given here.",
            remedy="Take `cursor` from the answer before, or leave it out to begin anew.",
            field="cursor",
        ) from error
    return after, last
