"""Numbers and dates as people write them, which stay text: which notation it is, in words, with a value written well."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from shared.domain.table.number_notation import CURRENCIES, MONEY, currency_of
from shared.domain.table.odd_notations import DATES, ODD, OTHER_DATES, number_in

_AMOUNTS = "currency signs"
#: Before a sign; with a gap or an apostrophe between thousands, too.
_AMOUNT = "(?:[0-9.,]|(?<=[0-9])[ ’'](?=[0-9]{3}(?![0-9])))+"
_NOTATIONS = (
    (
        re.compile(r"[-+]?[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?"),
        "commas between thousands",
        "write 1507 for 1,507",
    ),
    (
        re.compile(r"[-+]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+(?:,[0-9]+)?"),
        "points between thousands",
        "write 14182.5 for 14.182,5",
    ),
    (
        re.compile(r"[-+]?[0-9]{1,3}(?:[ ’'][0-9]{3})+(?:[.,][0-9]+)?"),
        "gaps between thousands",
        "write 1507 for 1 507",
    ),
    (re.compile(r"[-+]?[0-9]*,[0-9]+"), "a decimal comma", "write 1.5 for 1,5"),
    (re.compile(rf"[-+]?{_AMOUNT} ?%"), "percent signs", "write 45 for 45%"),
    (
        re.compile(rf"[-+(]?(?:{MONEY} ?[-+]?{_AMOUNT}|{_AMOUNT} ?{MONEY})\)?"),
        _AMOUNTS,
        "write 1234.5 for $1,234.50",
    ),
    (
        re.compile(r"[0-9]{1,2}([/.-])[0-9]{1,2}\1(?:[0-9]{4}|[0-9]{2})"),
        DATES,
        "write 2024-01-31 for 31/01/2024",
    ),
    (
        re.compile("['‘’‚‛“”„«»‹›][-+]?[0-9]+(?:[.,][0-9]+)?['‘’‛“”«»‹›]"),
        "quotation marks that CSV does not know around numbers",
        "write 1507 for '1507'",
    ),
    (re.compile('="[-+]?[0-9]+(?:[.,][0-9]+)?"'), "formulas of a spreadsheet", 'write 00123 for ="00123"'),
    *ODD,
)
#: What is unusual about a plain number beside those with commas.
POINT = "a decimal point"
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
    if what in ("percent signs", _AMOUNTS):
        inner = _UNIT.sub("", bare)
        return in_plain(f"-{inner}" if "(" in bare and inner[:1] != "-" else inner)
    if what.startswith("commas "):
        return bare.replace(",", "")
    if what == "points between thousands":
        return bare.replace(".", "").replace(",", ".")
    if what == "gaps between thousands":
        return _GAP.sub("", bare).replace(",", ".")
    if what.startswith("a decimal comma"):
        return re.sub("^(-?),", r"\g<1>0.", bare).replace(",", ".")
    return in_plain(inner) if (inner := number_in(what, bare)) else None


@dataclass
class Notations:
    """Watches a column of text for as long as all its values are numbers or dates in some notation."""

    found: dict[str, str] = field(default_factory=dict)
    example: str = ""
    alive: bool = True
    #: Whether some are ISO 8601 dates.
    iso: bool = False
    #: Of each way to write numbers, and of each currency, a value, and the line where it stands; plain ones with a point are
    #: `POINT`.
    firsts: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    def point(self, values: Iterable[str]) -> None:
        """Plain numbers, some with a point."""
        if POINT not in self.lines and (found := [value for value in values if "." in value]):
            self._first(POINT, min(found))

    def _first(self, what: str, value: str) -> None:
        """Of the values of a block the least, whatever order a set has them in."""
        if what not in self.lines:
            self.firsts[what] = min(self.firsts.get(what, value), value)

    @property
    def sought(self) -> set[str]:
        """What is still to be found a line for."""
        return self.firsts.keys() - self.lines.keys()

    def place(self, cells: Sequence[str], starts: Sequence[int]) -> None:
        """Where the values stand that came with these cells of a block."""
        for what in self.sought:
            if self.firsts[what] in cells:
                self.lines[what] = starts[cells.index(self.firsts[what])]

    @property
    def currencies(self) -> list[str]:
        """Those that the column's amounts are in."""
        return sorted(self.firsts.keys() & set(CURRENCIES.values()))

    def contrary(self) -> str:
        """That amounts are in two currencies, or numbers in two notations, with one of each and its line; nothing where not."""
        if len(self.currencies) > 1:
            return f"two currencies stand in it, {self._shown(self.currencies[:2])}"
        of_comma = [what for what in ("points between thousands", "a decimal comma") if what in self.firsts]
        of_point = [what for what in ("commas between thousands", POINT) if what in self.firsts]
        both = [*of_comma[:1], *of_point[:1]] if of_comma and of_point else []
        return f"two notations of numbers stand in it, {self._shown(both)}" if both else ""

    def _shown(self, ways: Sequence[str]) -> str:
        """A value of each, with its line."""
        return " and ".join(
            f"{self.firsts[what][:60]!r}" + (f" (line {self.lines[what]:,})" if what in self.lines else "")
            for what in ways
        )

    def update(self, values: Iterable[str]) -> None:
        for value in values:
            if not self.alive:
                return
            words = notation_of(value)
            if words is not None:
                self.example = min(self.example, value) if self.example else value
                self.found[words[0]] = words[1]
                self._first(words[0], value)
                if words[0] == _AMOUNTS:
                    self._first(currency_of(value), value)
            elif _ISO.fullmatch(value):
                self.iso = True
            elif not _PLAIN.fullmatch(value):
                self.alive = False
            else:
                self.point([value])

    @property
    def line(self) -> int:
        """Where the example stands; 0 where that is not known."""
        return next((line for what, line in self.lines.items() if self.firsts[what] == self.example), 0)

    def causes(self) -> str:
        """Why the column is text, or nothing where it is plain text."""
        if not self.alive or not self.found or (self.iso and not set(self.found) <= {DATES, OTHER_DATES}):
            return ""
        causes, ways = (
            " and ".join(sorted(self.found)),
            "; ".join(self.found[key] for key in sorted(self.found)),
        )
        beside = " beside dates such as 2024-01-31" if self.iso else ""
        where = f" (line {self.line:,})" if self.line else ""
        return f"is text: it holds {causes}{beside}, such as {self.example[:60]!r}{where}; {ways}."
