"""What is worth knowing about a column once all rows are in, one sentence."""

from __future__ import annotations

from collections.abc import Collection

from shared.domain.table.column_types import ColumnStats
from shared.domain.table.notations import notation_of
from shared.domain.table.number_notation import COMMA, POINT


def warning(column: ColumnStats, said: Collection[str], *, by_comma: bool) -> str | None:
    """`said` is what the configuration says of numbers; `by_comma`: the file may part decimals by a comma."""
    name = repr(column.name)
    if column.constant:
        return None  # the profile tells of it
    if told := _of_numbers(column, said, by_comma):
        return f"Column {name} {told}"
    if told := column.quotes.told():
        return f"Column {name} {told}"
    return f"Column {name} {_spoilt(column)}" if column.spoiler is not None else None


def _spoilt(column: ColumnStats) -> str:
    """Which words make text of a column of numbers or dates."""
    first, others = column.spoilers[0], column.spoilers[1:]
    times = "once" if column.spoiler_count == 1 else f"{column.spoiler_count:,} times, first"
    place = f" ({times} on line {column.spoiler_line:,})" if column.spoiler_count else ""
    shown, left = ", ".join(repr(word[:30]) for word in others), column.spoilers_count - len(column.spoilers)
    more = f" and {left:,} more" if left else ""
    beside = f", beside {shown}{more}" if others else ""
    kind, one = (column.spoilt, column.spoilt[:-1])
    if kind == "numbers" and first.isdecimal():
        return f"is text: as a number {first[:60]!r}{place} would lose a zero or digits. Identifiers are to stay text."
    odd = notation_of(first)
    better = f"{odd[1][0].upper()}{odd[1][1:]}. " if odd else ""
    return (
        f"is text: it holds {first[:60]!r} among {kind}{place}{beside}. {better}Leave cells without a {one} empty, and it is "
        f"read as {kind}."
    )


def _of_numbers(column: ColumnStats, said: Collection[str], by_comma: bool) -> str:
    """How numbers in an unusual notation were read, or why they were not."""
    readings, notation = column.readings, column.notation
    if notation is not None:
        example = readings.example
        return f"is read as numbers written like {notation.name}: {example[:60]!r} is {notation.plain(example)[:60]}."
    if column.type == "number":
        doubt = by_comma and column.may_be_thousands and not {COMMA, POINT} & set(said)
        how = f"is read as it stands, {readings.example!r} as a decimal; if its points part thousands, say"
        return f"{how} `numbers: [{COMMA}]`." if doubt else ""
    if column.type != "string":
        return ""
    if doubtful := readings.doubt(said):
        return f"is text: {doubtful}. Say `numbers: [{COMMA}]` or `numbers: [{POINT}]`, whichever holds."
    causes = column.notations.causes()
    if causes and not readings.alive and (both := column.notations.contrary()):
        causes += f" Two notations stand in it, {both}: write all of its numbers alike."
    sign = readings.unsaid(said)
    return causes + (f" Or say `numbers: [{sign}]`, and they are read." if sign else "") if causes else ""
