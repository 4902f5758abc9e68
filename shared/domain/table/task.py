"""What a label is: a few classes, or a quantity. Asked of the file only where nobody says it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from shared.domain.config import DatasetConfig, Task
from shared.domain.errors import InvalidTable
from shared.domain.table.bad_rows import BadRows
from shared.domain.table.column_types import MISSING, ColumnStats
from shared.domain.table.label_column import find_label
from shared.domain.table.label_notation import setting
from shared.domain.table.reader import Table
from shared.domain.table.text import TextReader

#: Rows that are looked at, and the most distinct numbers among them that are classes.
LOOK_ROWS, MANY = 20_000, 50
Numbers = Literal["regression", "ask"]


def task_of(source: Iterable[bytes], config: DatasetConfig, many_numbers: Numbers) -> Task:
    """The task for this file's label; words are classes, and so are few numbers.

    `many_numbers` says what many are: a quantity, or a question. Raises InvalidTable to ask. What else is wrong with the
    file is for staging to tell, which reads all of it.
    """
    try:
        distinct, rows, column = _distinct(source, config)
    except InvalidTable:
        return "classification"
    if len(distinct) <= MANY:
        return "classification"
    if many_numbers == "regression":
        return "regression"
    example = min(distinct, key=lambda value: (len(value), value))
    signs = setting(column, config.numbers)
    raise InvalidTable(
        f"The label {config.label!r} has {len(distinct):,} distinct numbers in {rows} (such as {example}): "
        "is it a class or a quantity?",
        remedy=f"Write `task: regression`{signs} (a quantity) or `task: classification` (each number is a class) in NAME.yaml "
        "beside NAME.csv.",
        code="task-unclear",
        column=config.label,
    )


def _distinct(source: Iterable[bytes], config: DatasetConfig) -> tuple[set[str], str, ColumnStats]:
    """The label's distinct values, in whatever notation, and in which rows; no values where one is no number.

    Percent and currency signs are no obstacle, said or not: what to say is told.
    """
    table = Table(TextReader(source, config.encoding), BadRows(config.max_bad_rows))
    at = find_label(table.header, config.label, table.header_line)
    distinct: set[str] = set()
    column = ColumnStats(config.label)
    rows = 0
    for block in table.blocks():
        new = set(block.columns[at]) - MISSING - {""} - distinct
        column.update(new)
        if column.type not in ("integer", "number") and not column.readings.alive:
            return set(), "", column
        distinct |= new
        rows += len(block)
        if rows >= LOOK_ROWS:
            where = f"its first {rows:,} rows"
            break
    else:
        where = f"{rows:,} rows"
    return distinct, where, column
