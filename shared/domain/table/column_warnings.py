"""What is worth knowing about a column once all rows are in: one sentence, and the value that it rests on."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from shared.domain.table.column_types import ColumnStats
from shared.domain.table.notations import Notations, in_plain, notation_of
from shared.domain.table.number_notation import COMMA, CURRENCY, PERCENT, POINT

#: What begins like a date.
_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ]|$)")


@dataclass(frozen=True)
class Cause:
    """Why a column is of its type: the end of a sentence, the value, its line (0: not known), and one that is better."""

    sentence: str
    value: str = ""
    line: int = 0
    better: str = ""


def cause_of(column: ColumnStats, said: Collection[str], *, by_comma: bool) -> Cause | None:
    """`said` is what the configuration says of numbers; `by_comma`: the file may part decimals by a comma."""
    if column.constant:
        return None  # the profile tells of it
    if column.kept_text:
        return Cause(
            f"was text in {column.text_in} and stays text, though all its values are {column.kept_text} now. If that is meant "
            "(identifiers are text), nothing is to do; else say `schema: free` in NAME.yaml beside NAME.csv, and it is read "
            f"as {column.kept_text}."
        )
    if cause := _of_numbers(column, said, by_comma):
        return cause
    if told := column.quotes.told():
        return Cause(told)
    return _spoilt(column) if column.spoiler is not None else None


def _too(column: ColumnStats) -> str:
    """What is to be done besides, where the column was text in the version before."""
    return (
        f" It was text in {column.text_in}, too, and stays so unless NAME.yaml says `schema: free`."
        if column.text_in
        else ""
    )


def _spoilt(column: ColumnStats) -> Cause:
    """Which words make text of a column of numbers, of dates, or of true and false."""
    first, others = column.spoilers[0], column.spoilers[1:]
    times = "once" if column.spoiler_count == 1 else f"{column.spoiler_count:,} times, first"
    place = f" ({times} on line {column.spoiler_line:,})" if column.spoiler_count else ""
    shown, left = ", ".join(repr(word[:30]) for word in others), column.spoilers_count - len(column.spoilers)
    more = f" and {left:,} more" if left else ""
    beside = f", beside {shown}{more}" if others else ""
    kind = column.spoilt
    if kind == "numbers" and first.isdecimal():
        told = f"is text: as a number {first[:60]!r}{place} would lose a zero or digits. Identifiers are to stay text."
        return Cause(told, first, column.spoiler_line)
    odd = notation_of(first)
    better = f"{odd[1][0].upper()}{odd[1][1:]}. " if odd else ""
    if kind == "dates" and _DAY.match(first):
        better = "Dates are days that the calendar has, from 1678 to 2261, with times up to 23:59:59. "
    empty = (
        f"Leave cells without a {kind[:-1]} empty"
        if kind != "true and false"
        else "Leave all other cells empty"
    )
    told = f"is text: it holds {first[:60]!r} among {kind}{place}{beside}. {better}{empty}, and it is read as {kind}."
    told += _too(column)
    return Cause(told, first, column.spoiler_line, (in_plain(first) or "") if kind == "numbers" else "")


def _of_numbers(column: ColumnStats, said: Collection[str], by_comma: bool) -> Cause | None:
    """How numbers in an unusual notation were read, or why they were not."""
    readings, notation, notes = column.readings, column.notation, column.notations
    if notation is not None:
        example = readings.example
        told = f"is read as numbers written like {notation.name}: {example[:60]!r} is {notation.plain(example)[:60]}."
        return Cause(told)
    if column.type == "number":
        doubt = by_comma and column.may_be_thousands and not {COMMA, POINT} & set(said)
        how = f"is read as it stands, {readings.example!r} as a decimal; if its points part thousands, say"
        return Cause(f"{how} `numbers: [{COMMA}]`.") if doubt else None
    if column.type != "string":
        return None
    if doubtful := readings.doubt(said):
        told = f"is text: {doubtful}. Say `numbers: [{COMMA}]` or `numbers: [{POINT}]`, whichever holds."
        told += _too(column)
        return Cause(told, readings.example)
    causes = notes.causes()
    if not causes:
        return None
    if not readings.alive:
        causes += _unlike(notes, said)
    sign = readings.unsaid(said)
    told = causes + (f" Or say `numbers: [{sign}]`, and they are read." if sign else "") + _too(column)
    return Cause(told, notes.example, notes.line, in_plain(notes.example) or "")


def _unlike(notes: Notations, said: Collection[str]) -> str:
    """Why numbers that could be read one by one are not: they are not of one kind."""
    if both := notes.contrary():
        alike = (
            "write all of its amounts in one, or each currency into a column of its own"
            if len(notes.currencies) > 1
            else "write all of its numbers alike"
        )
        return f" {both[0].upper()}{both[1:]}: {alike}."
    signs = {"percent signs": PERCENT, "currency signs": CURRENCY}
    known = [sign for what, sign in signs.items() if what in notes.found and sign in said]
    if not known:
        return ""
    return f" `numbers: [{', '.join(known)}]` reads a column once all of its numbers have that sign and are written alike."
