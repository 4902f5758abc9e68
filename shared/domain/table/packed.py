"""A clean block held as bytes, of which an engine tells what columns hold without making text of each value."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from shared.domain.table.row_sums import RowSums


@dataclass(frozen=True)
class Numbers:
    """A column of plain numbers: whether all are whole, and their range."""

    whole: bool
    low: float
    high: float


class Packed(Protocol):
    """Some rows of plain ASCII values: no quotation marks, and no blanks around a value.

    What an engine can't tell for sure it answers with None; the exact way is then taken. It never answers otherwise than that.
    """

    def columns(self) -> list[list[str]]:
        """Every value, column by column."""

    def lines(self) -> list[str]:
        """The rows as CSV with commas."""

    def gaps(self, column: int) -> int:
        """How many values are empty."""

    def holds(self, column: int, spellings: Collection[str]) -> bool:
        """Whether one of these short values occurs."""

    def numbers(self, column: int) -> Numbers | None:
        """None where a value is no number, or one in a rarer notation. Empty values are passed over."""

    def distinct(self, column: int) -> set[str] | None:
        """The distinct values; None where some are long."""

    def texts(self, column: int) -> list[str] | None:
        """A column's values, once `distinct` has told them."""

    def split(self, sums: RowSums, limit: int) -> tuple[list[int], list[bool]]:
        """Each row's sum, and whether it falls below `limit` when stirred."""


#: Packs whole lines of as many values; None where they are not clean, or so few that it does not pay.
Pack = Callable[[str, int], Packed | None]
