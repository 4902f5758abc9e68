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
        return Reading([float(cell) if cell else None for cell in cells], ordered=True)
    if kind == "datetime":
        return Reading([_seconds(cell) if cell else None for cell in cells], ordered=True)
    return Reading(cells, ordered=False)


def _seconds(cell: str) -> float:
    found = datetime.fromisoformat(cell)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
