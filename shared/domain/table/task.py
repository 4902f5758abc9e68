"""What a label is: a few classes, or a quantity. Asked of the file only where nobody says it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from shared.domain.config import DatasetConfig, Task
from shared.domain.errors import InvalidTable
from shared.domain.table.bad_rows import BadRows
from shared.domain.table.blocks import Block
from shared.domain.table.column_types import MISSING, ColumnStats
from shared.domain.table.label_column import find_label
from shared.domain.table.label_notation import setting
from shared.domain.table.notations import in_plain, notation_of
from shared.domain.table.numerals import numbers
from shared.domain.table.odd_notations import DATES, OTHER_DATES
from shared.domain.table.reader import Table
from shared.domain.table.text import TextReader

#: Rows that are looked at, and the most distinct numbers among them that are classes.
LOOK_ROWS, MANY = 20_000, 50
#: Distinct words among the numbers of a quantity: no more than these, and one in so many values.
MAX_WORDS, RARE = 50, 10
Numbers = Literal["regression", "ask"]


def task_of(source: Iterable[bytes], config: DatasetConfig, many_numbers: Numbers) -> Task:
    """The task for this file's label; words are classes, and so are few numbers.

    `many_numbers` says what many are: a quantity, or a question. Raises InvalidTable to ask. What else is wrong with the
    file is for staging to tell, which reads all of it.
    """
    look = _Look(config)
    try:
        look.read(source)
    except InvalidTable:
        return "classification"
    if look.classes or len(look.numbers) <= MANY:
        return "classification"
    if many_numbers == "regression":
        return "regression"
    raise look.question()


class _Look:
    """The label's distinct values in the file's first rows: numbers, in whatever notation, and few words.

    Percent and currency signs are no obstacle, said or not: what to say is told.
    """

    def __init__(self, config: DatasetConfig) -> None:
        self._config = config
        self._distinct: set[str] = set()
        self._words: set[str] = set()
        self._column = ColumnStats(config.label)
        self._rows = 0
        #: The first value that a regression would not take, and its line.
        self._odd: tuple[str, int] | None = None
        self._all = True

    @property
    def numbers(self) -> set[str]:
        return self._distinct - self._words

    @property
    def classes(self) -> bool:
        """Whether the values are words, once all rows are in."""
        return len(self._words) > MAX_WORDS or len(self._words) * RARE > len(self._distinct)

    def read(self, source: Iterable[bytes]) -> None:
        table = Table(TextReader(source, self._config.encoding), BadRows(self._config.max_bad_rows))
        at = find_label(table.header, self._config.label, table.header_line)
        for block in table.blocks():
            self._take(block, at)
            if self._mostly_words():
                return
            if self._rows >= LOOK_ROWS:
                self._all = False
                return

    def _mostly_words(self) -> bool:
        """Whether no more rows are needed to tell."""
        return len(self._words) > MAX_WORDS or len(self._words) > max(1, len(self._distinct) // 2)

    def _take(self, block: Block, at: int) -> None:
        new = set(block.columns[at]) - MISSING - {""} - self._distinct
        self._distinct |= new
        self._rows += len(block)
        if not new:
            return
        words = set() if numbers(new, "\n" + "\n".join(new)) is not None else _words(new)
        self._words |= words
        self._column.update(new - words)
        read = self._column.type in ("integer", "number") or self._column.readings.alive
        if self._odd is None and (words or not read):
            cells = zip(block.columns[at], block.starts, strict=True)
            self._odd = next(((v, line) for v, line in cells if v in new and _is_odd(v, words)), None)

    def question(self) -> InvalidTable:
        where = f"{self._rows:,} rows" if self._all else f"its first {self._rows:,} rows"
        example = min(self.numbers, key=lambda value: (len(value), value))
        signs = setting(self._column, self._config.numbers)
        beside = advice = ""
        if self._odd:
            value, line = self._odd
            how = (notation_of(value) or ("", "leave the cell empty, and its row is put aside"))[1]
            beside, advice = f" and, on line {line:,}, {value[:60]!r}", f"; {how}"
        error = InvalidTable(
            f"The label {self._config.label!r} has {len(self.numbers):,} distinct numbers in {where} (such as {example})"
            f"{beside}: is it a class or a quantity?",
            remedy=f"Write `task: regression`{signs} (a quantity{advice}) or `task: classification` (each number is a class) "
            "in NAME.yaml beside NAME.csv.",
            code="task-unclear",
            column=self._config.label,
            line=self._odd[1] if self._odd else None,
        )
        return error.showing(self._odd[0], in_plain(example) or "12.5") if self._odd else error


def _words(values: set[str]) -> set[str]:
    """The values that are no numbers in any notation, as far as it takes to tell."""
    found: set[str] = set()
    for value in values:
        if numbers([value], f"\n{value}") is None and (notation_of(value) or (DATES,))[0] in (
            DATES,
            OTHER_DATES,
        ):
            found.add(value)
            if len(found) > MAX_WORDS:
                break
    return found


def _is_odd(value: str, words: set[str]) -> bool:
    """Whether it is one of the words; where there are none, whether it is no plain number."""
    return value in words if words else numbers([value], f"\n{value}") is None
