"""In which notations all numbers of a column can be read, learnt block by block; and which one it is, if any. Bounded memory."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from shared.domain.table.number_notation import COMMA, CURRENCY, NOTATIONS, PERCENT, POINT, Notation
from shared.domain.table.numerals import integers, numbers

NumberType = Literal["integer", "number"]


@dataclass
class Range:
    """What the numbers of a column are in one reading."""

    type: NumberType = "integer"
    low: float = float("inf")
    high: float = float("-inf")

    def take(self, kind: NumberType, low: float, high: float) -> None:
        self.type = "number" if "number" in (kind, self.type) else "integer"
        self.low, self.high = min(self.low, low), max(self.high, high)


@dataclass
class Readings:
    """`alive` are the notations that all values so far fit; `ranges` is by the sign for decimals."""

    alive: list[Notation] = field(default_factory=lambda: list(NOTATIONS.values()))
    ranges: dict[str, Range] = field(default_factory=lambda: {",": Range(), ".": Range()})
    #: The longest value so far; of equally long ones the last by its characters.
    example: str = ""
    #: Commas and points that occur.
    seen: set[str] = field(default_factory=set)

    def take(self, values: Collection[str], *, one_currency: bool = True) -> None:
        """Values that are no plain numbers, or come after such. Amounts in several currencies are no quantity."""
        if not self.alive:
            return
        left = (notation for notation in self.alive if one_currency or notation.sign != CURRENCY)
        self.alive = [notation for notation in left if notation.fits(values)]
        self._learn(values, {notation.decimal for notation in self.alive})
        self._note(values)

    def take_plain(self, kind: NumberType, values: Collection[str], low: float, high: float) -> None:
        """Plain numbers of a block: they are most of what is read, so nothing is matched that needs not be."""
        if not self.alive:
            return
        small = max(abs(low), abs(high)) < 1000  # else a notation with gaps would have written one
        by_point = kind == "number"
        self.alive = [
            notation
            for notation in self.alive
            if not notation.sign
            and (
                notation.fits(values)
                if by_point and notation.decimal == ","
                else small or not notation.thousands
            )
        ]
        decimals = {notation.decimal for notation in self.alive}
        if by_point and "," in decimals:
            self._learn(values, {","})
            decimals.remove(",")
        for decimal in decimals:
            self.ranges[decimal].take(kind, low, high)
        if self.alive and by_point:
            self._note(values)

    def take_range(self, kind: NumberType, low: float, high: float) -> bool:
        """Plain numbers that nobody lists, those that are not whole with a point; False where they must be listed."""
        if kind == "number" and any(notation.decimal == "," for notation in self.alive):
            return False
        self.take_plain(kind, (), low, high)
        if kind == "number" and self.alive:
            self.seen.add(".")
        return True

    def _note(self, values: Collection[str]) -> None:
        joined = "\n".join(values)
        self.seen |= {sign for sign in ",." if sign in joined}
        self.example = max([self.example, *values], key=lambda value: (len(value), value))

    def _learn(self, values: Collection[str], decimals: set[str]) -> None:
        """The values' range in each reading; a reading that makes no number of one is given up."""
        for decimal in decimals:
            of_these = [notation for notation in self.alive if notation.decimal == decimal]
            plain = list({of_these[0].plain(value) for value in values})
            joined = "\n" + "\n".join(plain)
            whole = integers(plain, joined)
            found = whole if whole is not None else numbers(plain, joined)
            if found is None:
                self.alive = [notation for notation in self.alive if notation.decimal != decimal]
            else:
                kind: NumberType = "integer" if whole is not None else "number"
                self.ranges[decimal].take(kind, float(min(found)), float(max(found)))

    def allowed(self, said: Collection[str]) -> list[Notation]:
        """The notations left, with what the configuration says: signs to read, and what a comma or a point is."""
        left = [n for n in self.alive if not n.sign or n.sign in said]
        for saying, decimal in ((COMMA, ","), (POINT, ".")):
            if saying in said:
                left = [n for n in left if n.decimal == decimal] or left
        return left

    def verdict(self, said: Collection[str]) -> Notation | None:
        """The notation, where all that are left mean the same by the signs that occur."""
        left = self.allowed(said)
        meanings = {tuple(sign == notation.decimal for sign in sorted(self.seen)) for notation in left}
        return left[0] if len(meanings) == 1 else None

    def doubt(self, said: Collection[str]) -> str:
        """The two numbers that a value may be, in words; nothing where there is no doubt."""
        found = sorted({n.plain(self.example) for n in self.allowed(said)}, key=len)
        return f"{self.example[:60]!r} may be {' or '.join(found)}" if len(found) > 1 else ""

    def unsaid(self, said: Collection[str]) -> str:
        """PERCENT or CURRENCY, where saying so would make numbers of the column."""
        signs = {notation.sign for notation in self.alive}
        return next((sign for sign in (PERCENT, CURRENCY) if signs == {sign} and sign not in said), "")
