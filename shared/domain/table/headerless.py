"""A first line that is a row like the others: what its words would be in the columns below tells."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from shared.domain.errors import InvalidTable
from shared.domain.table.blocks import csv_lines
from shared.domain.table.column_types import ColumnStats

#: Words that a sentence names, and columns that an example does.
_NAMED, _SHOWN = 3, 6


def check_first_line(
    columns: Sequence[ColumnStats], label: int, line: int, delimiter: str = ","
) -> list[str]:
    """A warning where many names could be values of their own columns. Raises InvalidTable where all seem to be.

    One that is no value of its column (a word above numbers, a name that no row holds) makes it a header; so do
    numbers that count the columns, as programs write where nobody named them. `delimiter` stands between values in the file.
    """
    _refuse_again(columns)
    names = [column.name for column in columns]
    fits = [column.might_hold(column.name) for column in columns]
    like = [name for name, fit in zip(names, fits, strict=True) if fit]
    features = [name for name in like if name != names[label]]
    if _counted(features):
        return []
    shown = ", ".join(map(repr, features[:_NAMED]))
    if False not in fits and fits[label] and len(like) >= 2 and 2 * len(like) >= len(names):
        raise InvalidTable(
            f"The first line is taken for the header, but looks like a row: {shown} in it are such values as stand below them, "
            f"and so is {names[label]!r}, the label.",
            remedy="Put a line with the columns' names above it, and name the label by its column in NAME.yaml beside NAME.csv "
            f"(label: COLUMN). If it is a header after all, rename the column {names[label]!r}; one that stands "
            "among the rows again is to be removed there.",
            code="no-header",
            line=line,
        ).showing(*csv_lines([names[:_SHOWN], _better(names, label)[:_SHOWN]], delimiter))
    if not features or 2 * len(features) < len(names) - 1:
        return []
    told = (
        f"The first line (line {line}) is taken for the header, but {shown} in it could be values of the columns below. If the "
        "file has no header, put a line with the columns' names above it: its first row is not trained on."
    )
    return [told]


def _refuse_again(columns: Sequence[ColumnStats]) -> None:
    """Raises InvalidTable where the header stands among the rows once more: its words are all that is no number there."""
    again = [column for column in columns if column.spoiler == column.name and column.spoiler_count]
    if not again or not all(column.might_hold(column.name) is not False for column in columns):
        return
    line = min(column.spoiler_line for column in again)
    times = max(column.spoiler_count for column in again)
    raise InvalidTable(
        f"The header stands among the rows again, on line {line:,}"
        + (f" and {times - 1} times more." if times > 1 else "."),
        remedy="Files that were put together keep one header, the first: remove the others and drop the file again.",
        code="repeated-header",
        line=line,
    )


def _better(names: Sequence[str], label: int) -> list[str]:
    return ["label" if i == label else f"column_{i + 1}" for i in range(len(names))]


def _counted(names: Sequence[str]) -> bool:
    """Whether these are whole numbers or dates in equal or rising steps: columns counted, years, days."""
    if len(names) < 2 or not all(name.replace("-", "").isdigit() for name in names):
        return False
    if any("-" in name[1:] for name in names):
        return all(one < other for one, other in pairwise(names))
    steps = {int(other) - int(one) for one, other in pairwise(names)}
    return len(steps) == 1 and steps.pop() > 0
