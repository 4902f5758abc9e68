"""Past blobs that make the service's listing fail: the storage emulator answers 500 to a page with a name that XML
can't hold (NUL, ESC, U+FFFE), and hides all others with it.

What can be listed is listed in smaller pages. Where it goes on behind such a name is found by asking what follows this
and that marker: names come in the order of their UTF-16 units, and a page of one tells whether the next is bad. Which
name it is can't be asked: the marker stands in the answer, and would break it itself. Where several such names lie
between good ones a search may come out behind the later one; the next one, which cuts elsewhere, finds those between.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError

log = logging.getLogger("Host.Triggers.Blobs")

MOST_QUESTIONS = 4000  # about 21 for each character of a name
_TRUSTED = 10  # so often what was found out is used before it is asked anew
_MOST_TOLD = 1000
#: The characters that XML can hold in the order of their UTF-16 units, as ranges; lone surrogates are in no URL.
_ORDER = ((0x09, 0x0A), (0x0D, 0x0D), (0x20, 0xD7FF), (0x10000, 0x10FFFF), (0xE000, 0xFFFD))
_COUNT = sum(last - first + 1 for first, last in _ORDER)
_LAST = "\ufffd"


def is_servers_fault(error: Exception) -> bool:
    return isinstance(error, HttpResponseError) and error.status_code == 500


def _character(index: int) -> str:
    for first, last in _ORDER:
        if index <= last - first:
            return chr(first + index)
        index -= last - first + 1
    raise IndexError


def _next_string(text: str) -> str | None:
    """The first string behind all that begin with `text`; None if there is none."""
    while text:
        code = ord(text[-1])
        for place, (first, last) in enumerate(_ORDER):
            if first <= code < last:
                return text[:-1] + chr(code + 1)
            if code == last and place + 1 < len(_ORDER):
                return text[:-1] + chr(_ORDER[place + 1][0])
        text = text[:-1]
    return None


@dataclass
class Unlistable:
    """Where one container's listing goes on behind the names that it fails at, by the marker before them."""

    known: dict[str, tuple[str | None, int]] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)

    def behind(self, marker: str, fails_after: Callable[[str], bool]) -> str | None:
        """The first name that may be good again; None at the listing's end. Raises AzureError if it can't be found."""
        following, used = self.known.get(marker, (None, _TRUSTED))
        if used >= _TRUSTED:
            start, following = _search(marker, fails_after)
            used = 0
            if start not in self.told and len(self.told) < _MOST_TOLD:
                self.told.add(start)
                log.error(
                    "Blobs are passed over whose names begin with '%s' and go on with a character that no listing"
                    " can hold; upload them under other names",
                    start,
                )
        self.known[marker] = (following, used + 1)
        return following


def _search(marker: str, fails_after: Callable[[str], bool]) -> tuple[str, str | None]:
    """What the next name begins with, as far as it can be asked for, and the first string behind it."""
    questions = 0

    def below(text: str) -> bool:
        """True if the name comes after `text`."""
        nonlocal questions
        questions += 1
        if questions > MOST_QUESTIONS:
            raise AzureError(f"the listing fails after {marker!a}, and where it goes on can't be found")
        return text.encode("utf-16-be") <= marker.encode("utf-16-be") or fails_after(text)

    found = ""
    while True:
        low, high = -1, _COUNT - 1  # of the characters with which `found` still comes before the name
        while low < high:
            middle = random.randint(low + 1, high)
            if below(found + _character(middle)):
                low = middle
            else:
                high = middle - 1
        if low < 0:
            return found, found + _character(0)
        if below(found + _character(low) + _LAST * 2):
            if not marker and not found and low == _COUNT - 1:
                raise AzureError("the listing fails whatever follows: the service is at fault, not a name")
            return found, _next_string(found + _character(low))
        found += _character(low)


def around(
    limit: int,
    marker: str | None,
    fetch: Callable[[int, str | None], Any],
    bad: Unlistable,
) -> tuple[list[Any], list[str], str | None]:
    """What `fetch(size, marker)` lists, names that there may be besides, and the next marker. Raises AzureError."""

    def fails_after(text: str) -> bool:
        try:
            fetch(1, text or None)
        except AzureError as error:
            if is_servers_fault(error):
                return True
            raise
        return False

    blobs: list[Any] = []
    names: list[str] = []
    size = limit
    while len(blobs) < limit:
        try:
            page = fetch(size, marker)
        except AzureError as error:
            if not is_servers_fault(error):
                raise
            if size > 1:
                size = max(1, size // 4)
                continue
            marker = bad.behind(marker or "", fails_after)
            if marker is None:
                break
            names.append(marker)  # a marker leaves out the name that it is
            continue
        blobs += page.blobs
        marker = page.continuation
        if marker is None:
            break
        size = min(limit, size * 4)
    return blobs, names, marker
