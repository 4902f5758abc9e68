"""A clean block held as bytes, of which an engine tells what columns hold without making text of each value."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.domain.table.row_sums import RowSums


@dataclass(frozen=True)
class Numbers:
    """A column of plain numbers: whether all are whole, and their range."""

    whole: bool
    low: float
    high: float


class Repeats(Protocol):
    """Counts rows by keys of 64 bits. Memory is bounded: those that repeat most are kept (see `holdout.Counted`)."""

    @property
    def counted(self) -> int:
        """Distinct rows whose repetitions are counted now."""

    def add(self, keys: Iterable[int]) -> tuple[Sequence[int], Sequence[int]]:
        """Take in rows; of those that came before, their places among these and how often each had come."""


class Packed(Protocol):
    """Some rows of plain ASCII values: no quotation marks, and no blanks around a value.

    What an engine can't tell for sure it answers with None; the exact way is then taken. It never answers otherwise than that.
    """

    @property
    def size(self) -> int:
        """How many rows it has."""

    def columns(self) -> list[list[str]]:
        """Every value, column by column."""

    def lines(self) -> list[str]:
        """The rows as CSV with commas."""

    def rows(self, places: Sequence[int]) -> list[list[str]]:
        """The values of some rows."""

    def picked(self, places: Sequence[int]) -> list[str]:
        """Some rows, their values parted by commas: none is in a value."""

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

    def counts(self, column: int, held: Sequence[int]) -> tuple[Mapping[str, int], Mapping[str, int]] | None:
        """How often each value occurs, and how often in rows that are held out, once `distinct` has told them."""

    def split(self, sums: RowSums, limit: int, repeats: Repeats) -> Sequence[int]:
        """For each row whether its sum, with the number of its repetition, falls below `limit` when stirred."""

    def sides(
        self, held: Sequence[int], column: int, mark: Callable[[str], str] | None
    ) -> tuple[bytes, bytes] | None:
        """The rows to train on and those held out, as CSV with commas.

        With `mark`, rows to train on end in what it says of their value in `column`; None where that can't be told so.
        """


class Engine(Protocol):
    """Reads clean rows fast."""

    def packer(self, width: int, delimiter: str) -> Callable[[str], Packed | None]:
        """What packs a table's blocks of whole lines; None where they are not clean, or so few that it does not pay."""

    def newlines(self, text: str) -> int:
        """How many there are."""

    def repeats(self, most: int) -> Repeats:
        """A count of rows that keeps at most so many."""
