"""A label of classes that are numbers as people write them: `45%`, `1,234`, `$5`. They may be a quantity."""

from __future__ import annotations

import re
from collections.abc import Collection

from shared.domain.table.column_types import ColumnStats
from shared.domain.table.notations import in_plain, notation_of
from shared.domain.table.number_notation import COMMA, POINT

_DIGITS = re.compile("[+-]?[0-9]+(?:[.][0-9]*)?")


def written(column: ColumnStats) -> str:
    """What is unusual about the numbers, with one and its line; nothing where they are plain, or no numbers."""
    notes = column.notations
    some = column.readings.alive or len(notes.currencies) > 1
    if column.type != "string" or not (some and notes.alive and notes.found):
        return ""
    where = f", line {notes.line:,}" if notes.line else ""
    return f"numbers with {' and '.join(sorted(notes.found))} ({notes.example[:60]!r}{where})"


def setting(column: ColumnStats, said: Collection[str]) -> str:
    """What to say of numbers beside `task: regression`; nothing where nothing is needed. `said` is said already."""
    if not written(column):
        return ""
    if sign := column.readings.unsaid(said):
        return f" and `numbers: [{sign}]`"
    doubtful = column.readings.doubt(said)
    return (
        f" and `numbers: [{COMMA}]` or `numbers: [{POINT}]`, whichever holds ({doubtful})" if doubtful else ""
    )


def quantity(column: ColumnStats, said: Collection[str]) -> str:
    """What to do if the label is a quantity, the beginning of a sentence."""
    return f"If it is a quantity, set task: regression{setting(column, said)}"


def warnings(column: ColumnStats, said: Collection[str]) -> list[str]:
    """A warning for classes that are such numbers."""
    numbers = written(column)
    told = (
        f"The label {column.name!r} holds {numbers}, each a class of its own, which the endpoint answers as it stands. "
        f"{quantity(column, said)} in the configuration."
    )
    return [told] if numbers else []


def oddness(value: str) -> tuple[str, str] | None:
    """What a number has that keeps it from being read, and the number as programs write it; None for other words."""
    if found := notation_of(value):
        return found[0], in_plain(value) or ""
    if not _DIGITS.fullmatch(value):
        return None
    plain = re.sub("^([+-]?)0+(?=[0-9])", r"\1", value).lstrip("+")
    if plain.lstrip("-") != value.lstrip("+-"):
        return "a zero in front, as identifiers have", plain
    return "more digits than a whole number of 64 bits", f"{float(plain):.15g}" if len(plain) < 300 else ""
