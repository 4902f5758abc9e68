"""What type a column has, learnt block by block from its distinct values. Bounded memory.

A column is of the narrowest type that all its values have; anything mixed is a string. Digits with a leading zero, and
integers past 64 bits, are identifiers: as numbers they would lose what makes them different.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Literal

from shared.domain.schema import Column, ColumnType
from shared.domain.table.blocks import Block
from shared.domain.table.foreign_quotes import ForeignQuotes
from shared.domain.table.garbled import Garbled
from shared.domain.table.notations import Notations
from shared.domain.table.number_notation import COMMA, Notation
from shared.domain.table.number_readings import NumberType, Readings
from shared.domain.table.numerals import integers, numbers
from shared.domain.table.packed import Packed

#: Spellings that mean "no value", whatever the column's type. Staged files spell all of them as the empty cell.
MISSING = frozenset({"NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NAN", "null", "NULL", "Null", "None", "?"})
#: `None` may be a class (none, mild, severe), so a label is not missing for being so called.
MISSING_LABEL = MISSING - {"None"}
MAX_CATEGORIES = 50
MAX_CATEGORY = 200
#: Words kept of those that make text of a column.
MAX_SPOILERS = 5
#: Whole numbers up to here are exact as floats.
EXACT = 2.0**53

#: Types that every value of the narrower type has, too.
_FITS: dict[ColumnType | None, tuple[ColumnType, ...]] = {
    None: ("integer", "number", "boolean", "datetime", "string"),
    "integer": ("number", "string"),
    "number": ("string",),
    "boolean": ("string",),
    "datetime": ("string",),
}
ColumnKind = Literal["numbers", "dates", "true and false"]
_KINDS: dict[ColumnType, ColumnKind] = {
    "integer": "numbers",
    "number": "numbers",
    "datetime": "dates",
    "boolean": "true and false",
}
#: How a column without any value would be spelt.
_SPELT: dict[ColumnType, set[str]] = {"boolean": {"true", "false"}, "datetime": {"%Y-%m-%d"}}
_DATETIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:([T ])[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
#: What a pandas timestamp in nanoseconds can hold.
_YEARS = ("1678", "2261")


def datetime_shape(value: str) -> str | None:
    """The strptime format of an ISO 8601 date or date and time, or None."""
    match = _DATETIME.fullmatch(value)
    if match is None or not _YEARS[0] <= value[:4] <= _YEARS[1]:
        return None
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return None
    _, separator, seconds, fraction, zone = match.groups()
    if not separator:
        return "%Y-%m-%d"
    time = "%H:%M" + (":%S" if seconds else "") + (".%f" if fraction else "")
    return f"%Y-%m-%d{separator}{time}{'%z' if zone else ''}"


#: What each kind of value is known by.
_IS: dict[ColumnKind, Callable[[str], bool]] = {
    "numbers": lambda value: numbers([value], f"\n{value}") is not None,
    "dates": lambda value: datetime_shape(value) is not None,
    "true and false": lambda value: value.lower() in ("true", "false"),
}


class ColumnStats:
    """Watches one column. Missing values are the empty string by the time they come here."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.type: ColumnType | None = None
        self.nullable = False
        #: strptime formats, or spellings of true and false, that occur.
        self.spellings: set[str] = set()
        self._categories: set[str] | None = set()
        self._low: float | None = None
        self._high: float | None = None
        #: The first value that made a string of a column of numbers or dates, and others that came with it.
        self.spoiler: str | None = None
        self.spoilers: list[str] = []
        self.spoilers_count = 0
        self.spoilt: ColumnKind = "numbers"
        #: How often it stands there, and the line where it does first.
        self.spoiler_count, self.spoiler_line = 0, 0
        #: Numbers and dates in other notations, which make text of the column.
        self.notations = Notations()
        self.quotes = ForeignQuotes()
        #: Words that were damaged before they came here.
        self.garbled = Garbled()
        #: Ways to read the column as numbers that are written otherwise, and the one that is taken.
        self.readings = Readings()
        self.notation: Notation | None = None
        #: Whether what is said of numbers made them of it.
        self._read_as_said = False
        #: The version before, if the column was text in it; and what its values are, though it stays text.
        self.text_in, self.kept_text = "", ""

    @property
    def constant(self) -> bool:
        return self._categories is not None and len(self._categories) == 1 and not self.nullable

    @property
    def largest(self) -> float:
        """The largest number without its sign; 0 where there is none."""
        return max(abs(self._low or 0.0), abs(self._high or 0.0))

    @property
    def _settled(self) -> bool:
        """Whether it is text, whatever words are still to come, so that nobody looks at them."""
        ways = self.notations.alive or self.readings.alive or self.quotes.alive
        return self.type == "string" and self._categories is None and not ways

    def learn(self, packed: Packed, at: int) -> bool:
        """Take in a column of a packed block whose values need not be listed; False where they do. Again is no harm."""
        if self._categories is not None:
            return False
        if self.type in ("integer", "number"):
            known = packed.numbers(at)
            if known is None:
                return False
            kind: NumberType = "integer" if known.whole else "number"
            if not self.readings.take_range(kind, known.low, known.high):
                return False
            self._widen(known.low, known.high)
            self.type = self.type if known.whole else kind
        elif not self._settled or packed.holds(at, MISSING):
            return False
        self.nullable = self.nullable or packed.gaps(at) > 0
        return True

    def update(self, distinct: set[str]) -> None:
        """Take in the distinct values of some rows."""
        if "" in distinct:
            self.nullable = True
            distinct = distinct - {""}
        if not distinct:
            return
        settled = self._settled
        if self._categories is not None:
            self._categories |= distinct
            if len(self._categories) > MAX_CATEGORIES or max(map(len, distinct)) > MAX_CATEGORY:
                self._categories = None
        found = "string" if self.type == "string" else self._type_of(distinct)
        if found == "string" and not settled:
            self.garbled.update(distinct)
        self._note_ways(found, distinct)
        if self.type in (None, found):
            if self.type is None and found == "string":
                self._note_spoiler(distinct, mostly=True)
            self.type = found
        elif {self.type, found} == {"integer", "number"}:
            self.type = "number"
        else:
            if self.type != "string":
                self._note_spoiler(distinct, mostly=False)
            self.type = "string"

    def place(self, block: Block, at: int) -> None:
        """Note the lines of values that may have to be named, after `update` with those of the block's column `at`."""
        for watched in (self.quotes, self.garbled, self.notations):
            if watched.sought:
                watched.place(block.texts(at), block.starts)

    def _note_ways(self, found: ColumnType, values: set[str]) -> None:
        """In which ways numbers are written, and whether words stand in foreign quotation marks."""
        if found == "string":
            self.quotes.update(values)
        else:
            self.quotes.alive = False
        if found == "number":
            self.notations.point(values)
        elif found != "integer":
            self.notations.update(values)
            self.readings.take(values, one_currency=len(self.notations.currencies) < 2)

    def _type_of(self, values: set[str]) -> ColumnType:
        joined = "\n" + "\n".join(values)
        found: list[int] | list[float] | None = integers(values, joined)
        if found is not None:
            self._range("integer", found, values)
            return "integer"
        found = numbers(values, joined)
        if found is not None:
            self._range("number", found, values)
            return "number"
        if len(values) <= 32 and {value.lower() for value in values} <= {"true", "false"}:
            self.spellings |= values
            return "boolean"
        shapes = set()
        for value in values:
            shape = datetime_shape(value)
            if shape is None:
                return "string"
            shapes.add(shape)
        self.spellings |= shapes
        return "datetime"

    def _range(self, kind: NumberType, found: list[int] | list[float], values: set[str]) -> None:
        low, high = float(min(found)), float(max(found))
        self._widen(low, high)
        self.readings.take_plain(kind, values, low, high)

    def _widen(self, low: float, high: float) -> None:
        self._low = low if self._low is None else min(self._low, low)
        self._high = high if self._high is None else max(self._high, high)

    @property
    def may_be_thousands(self) -> bool:
        """Whether every point of a column of plain numbers stands before three digits, as one between thousands does."""
        return self.type == "number" and any(n.decimal == "," for n in self.readings.alive)

    def settle(self, said: Collection[str]) -> None:
        """Make numbers of a column whose values are, in one notation; once, when all rows are in."""
        if self.type not in ("string", "number") or (self.type == "number" and COMMA not in said):
            return
        self.notation = self.readings.verdict(said)
        if self.notation is not None:
            self._read_as_said = self.readings.verdict(()) is None
            found = self.readings.ranges[self.notation.decimal]
            self.type, self._low, self._high = found.type, found.low, found.high

    def _note_spoiler(self, values: set[str], mostly: bool) -> None:
        """Remember values that are no numbers, or no dates; with `mostly`, only where most of the values are."""
        kinds = [_KINDS[self.type]] if self.type else list(_IS)
        for kind in kinds:
            words = [value for value in values if not _IS[kind](value)]
            if len(words) * 2 <= len(values) or not mostly:
                break
        if words and not (mostly and len(words) * 2 > len(values)):
            self.spoilt = kind
            self.spoilers, self.spoilers_count = sorted(words)[:MAX_SPOILERS], len(words)
            self.spoiler = self.spoilers[0]

    def might_hold(self, word: str) -> bool | None:
        """Whether a word could be one of the values, once they are all in; None where nobody can tell."""
        if self.type in ("integer", "number"):
            plain = self.notation.plain(word) if self.notation and self.notation.fits([word]) else word
            found = numbers([plain], f"\n{plain}")
            if found is None or self._low is None or self._high is None:
                return False
            return True if self._low <= found[0] <= self._high else None
        if self.type == "boolean":
            return word.lower() in ("true", "false")
        if self.type == "datetime":
            return datetime_shape(word) is not None
        return word in self._categories if self.type and self._categories is not None else None

    def hold(self, before: Column, version: str, *, anew: bool) -> None:
        """Stay of the type that the column had in `version`, where all values fit it, and as empty as it might be.

        Its type is its own where it is taken `anew`, where it had no value before, and where what is said of numbers
        makes them of its text.
        """
        self.nullable |= before.nullable
        if before.empty or (self.type and anew):
            return
        if self.type is None:
            self.nullable = True
            self.spellings |= _SPELT.get(before.type, set())
        self.text_in = version if before.type == "string" else ""
        if self.text_in and self._read_as_said:
            return
        if before.type in _FITS.get(self.type, ()):
            self.kept_text = _KINDS[self.type] if self.type and self.text_in else ""
            self.type = before.type
        if self.type == "string":
            self.notation = None  # what was text for its commas stays the very text

    def column(self) -> Column:
        """The column as the schema has it. One without any value is a nullable string."""
        kind: ColumnType = self.type or "string"
        return Column(
            self.name,
            kind,
            nullable=self.nullable or self.type is None,
            categories=tuple(sorted(self._categories)) if kind == "string" and self._categories else None,
            minimum=self._low if kind in ("integer", "number") else None,
            maximum=self._high if kind in ("integer", "number") else None,
            notation=self.notation.name if self.notation else "",
            empty=self.type is None,
        )
