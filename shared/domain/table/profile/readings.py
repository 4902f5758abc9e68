"""The sample's cells of a column as what they are compared by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.domain.schema import ColumnType

Key = str | float | None


@dataclass(frozen=True)
class Reading:
    """One column. `ordered` ones (numbers, dates in unix seconds) have floats and None for gaps; others have text."""

    keys: Sequence[Key]
    ordered: bool


def reading(cells: Sequence[str], kind: ColumnType) -> Reading:
    if kind in ("integer", "number"):
        return Reading(numbers(cells), ordered=True)
    if kind == "datetime":
        return Reading([_seconds(cell) if cell else None for cell in cells], ordered=True)
    return Reading(cells, ordered=False)


def numbers(cells: Sequence[str]) -> list[float | None]:
    """Of a column of numbers; None for gaps and for those of more digits than the sample keeps."""
    try:
        return [float(cell) if cell else None for cell in cells]
    except ValueError:
        return [_number(cell) for cell in cells]


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _seconds(cell: str) -> float:
    found = datetime.fromisoformat(cell)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
