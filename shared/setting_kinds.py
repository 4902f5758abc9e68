"""What a setting may be: a choice, a range, a form. Each kind reads the variable's text, or says what it takes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

#: https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
CONTAINER = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")
DATASTORE = re.compile(r"[A-Za-z0-9_]{1,255}")
URL = re.compile(r"https?://[^\s/]+\S*")


@dataclass(frozen=True)
class Kind:
    """`parse` makes the value of a text, or raises ValueError; `takes` says what may stand there."""

    parse: Callable[[str], Any]
    takes: str
    #: Whether its value is told in no error.
    secret: bool = False


def text(default: str, doc: str, name: str | None = None) -> Any:
    return _declare(default, doc, Kind(str, "text"), name)


def checked(default: str, doc: str, parse: Callable[[str], object], takes: str) -> Any:
    """A text that `parse` takes; it raises ValueError for others."""

    def same(raw: str) -> str:
        parse(raw)
        return raw

    return _declare(default, doc, Kind(same, takes))


def secret(default: str, doc: str, parse: Callable[[str], object], takes: str) -> Any:
    """As `checked`, of a value that must not be shown."""

    def same(raw: str) -> str:
        parse(raw)
        return raw

    return _declare(default, doc, Kind(same, takes, secret=True), None)


def url(default: str, doc: str, name: str | None = None) -> Any:
    return _declare(default, doc, Kind(_matches(URL), "a URL, http:// or https://"), name)


def container(default: str, doc: str) -> Any:
    takes = "a container's name: 3 to 63 lower-case letters, digits and single dashes"
    return _declare(default, doc, Kind(_matches(CONTAINER), takes))


def datastore_name(default: str, doc: str) -> Any:
    return _declare(default, doc, Kind(_matches(DATASTORE), "letters, digits and underscores"))


def choice(default: str, doc: str, known: Collection[str]) -> Any:
    """One of the known words. Capitals, dashes and underscores don't matter: the value is the known spelling."""
    spelt = {plain(word): word for word in known}

    def parse(raw: str) -> str:
        if plain(raw) not in spelt:
            raise ValueError(raw)
        return spelt[plain(raw)]

    return _declare(default, doc, Kind(parse, "one of " + ", ".join(known)))


def several(doc: str, known: Collection[str]) -> Any:
    """Any of the known words, parted by commas; none by default."""

    def parse(raw: str) -> frozenset[str]:
        words = frozenset(word.strip() for word in raw.split(",") if word.strip())
        if words - frozenset(known):
            raise ValueError(raw)
        return words

    return _declare(frozenset(), doc, Kind(parse, "any of " + ", ".join(known) + ", parted by commas"))


def whole(default: int, doc: str, low: int, high: int | None = None, name: str | None = None) -> Any:
    return _declare(default, doc, Kind(_within(int, low, high), "a whole number" + _span(low, high)), name)


def number(default: float, doc: str, low: float, high: float | None = None) -> Any:
    return _declare(default, doc, Kind(_within(float, low, high), "a number" + _span(low, high)))


def _declare(default: Any, doc: str, kind: Kind, name: str | None = None) -> Any:
    return field(default=default, metadata={"doc": doc, "name": name, "kind": kind})


def plain(word: str) -> str:
    """A word without what a choice passes over: capitals, dashes, underscores."""
    return re.sub("[-_]", "", word).casefold()


def _matches(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        if not pattern.fullmatch(raw):
            raise ValueError(raw)
        return raw

    return parse


#: What 64 bits hold: no size, count or time is beyond it.
_MOST_WHOLE = 2**63 - 1


def _within(kind: type[int | float], low: float, high: float | None) -> Callable[[str], float]:
    def parse(raw: str) -> float:
        value = kind(raw)
        most = (math.inf if kind is float else _MOST_WHOLE) if high is None else high
        if not low <= value <= most or value == math.inf:
            raise ValueError(raw)
        return value

    return parse


def _span(low: float, high: float | None) -> str:
    return f" of at least {low:g}" if high is None else f" from {low:g} to {high:g}"
