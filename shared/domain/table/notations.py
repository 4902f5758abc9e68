"""Numbers and dates as people write them, which stay text: which notation it is, in words, with a value written well."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from shared.domain.table.number_notation import MONEY

_DATES = "dates whose day and month could be taken for each other"
_NOTATIONS = (
    (
        re.compile(r"[-+]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?"),
        "commas between thousands",
        "write 1507 for 1,507",
    ),
    (
        re.compile(r"[-+]?[0-9]{1,3}(?:\.[0-9]{3})+(?:,[0-9]+)?"),
        "points between thousands",
        "write 14182.5 for 14.182,5",
    ),
    (
        re.compile(r"[-+]?[0-9]{1,3}(?:[ ’'][0-9]{3})+(?:[.,][0-9]+)?"),
        "gaps between thousands",
        "write 1507 for 1 507",
    ),
    (re.compile(r"[-+]?[0-9]*,[0-9]+"), "a decimal comma", "write 1.5 for 1,5"),
    (re.compile(r"[-+]?[0-9.,]+ ?%"), "percent signs", "write 45 for 45%"),
    (
        re.compile(rf"[-+(]?(?:{MONEY}) ?-?[0-9.,]+\)?|[-+]?[0-9.,]+ ?(?:{MONEY})"),
        "currency signs",
        "write 1234.5 for $1,234.50",
    ),
    (
        re.compile(r"[0-9]{1,2}([/.-])[0-9]{1,2}\1(?:[0-9]{4}|[0-9]{2})"),
        _DATES,
        "write 2024-01-31 for 31/01/2024",
    ),
)
_UNIT, _GAP = re.compile(rf"[ %()]|{MONEY}"), re.compile("[ ’']")
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9:.]+(?:Z|[-+][0-9:]+)?)?")
_PLAIN = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?")


def notation_of(value: str) -> tuple[str, str] | None:
    """What is unusual about a number or date, and how to write it; None for plain numbers and other text."""
    return next(((what, how) for pattern, what, how in _NOTATIONS if pattern.fullmatch(value)), None)


def in_plain(value: str) -> str | None:
    """A number that a person wrote in one of the notations as JSON and plain CSV write it; None for a date and other text."""
    found = notation_of(value)
    if found is None:
        return value.lstrip("+") if _PLAIN.fullmatch(value) else None
    what, bare = found[0], value.lstrip("+")
    if what in ("percent signs", "currency signs"):
        inner = _UNIT.sub("", bare)
        return in_plain(f"-{inner}" if "(" in bare and inner[:1] != "-" else inner)
    if what == "commas between thousands":
        return bare.replace(",", "")
    if what == "points between thousands":
        return bare.replace(".", "").replace(",", ".")
    if what == "gaps between thousands":
        return _GAP.sub("", bare).replace(",", ".")
    return re.sub("^(-?),", r"\g<1>0.", bare).replace(",", ".") if what == "a decimal comma" else None


@dataclass
class Notations:
    """Watches a column of text for as long as all its values are numbers or dates in some notation."""

    found: dict[str, str] = field(default_factory=dict)
    example: str = ""
    alive: bool = True
    #: Whether some are ISO 8601 dates.
    iso: bool = False

    def update(self, values: Iterable[str]) -> None:
        for value in values:
            if not self.alive:
                return
            words = notation_of(value)
            if words is not None:
                self.example = min(self.example, value) if self.example else value
                self.found[words[0]] = words[1]
            elif _ISO.fullmatch(value):
                self.iso = True
            elif not _PLAIN.fullmatch(value):
                self.alive = False

    def causes(self) -> str:
        """Why the column is text, or nothing where it is plain text."""
        if not self.alive or not self.found or (self.iso and set(self.found) != {_DATES}):
            return ""
        causes, ways = (
            " and ".join(sorted(self.found)),
            "; ".join(self.found[key] for key in sorted(self.found)),
        )
        beside = " beside dates such as 2024-01-31" if self.iso else ""
        return f"is text: it holds {causes}{beside}, such as {self.example[:60]!r}; {ways}."
