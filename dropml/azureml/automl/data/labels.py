"""The target column: which rows have one, which classes there are, and when it cannot be learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dropml.azureml.automl.data.table import Column
from dropml.azureml.automl.spec import UserError

MAX_CLASSES = 1000


@dataclass
class Target:
    """`y`: class index (int32) or number (float64) of each kept row; `rows`: those rows of the table."""

    y: np.ndarray
    rows: np.ndarray
    labels: list[Any] | None
    dropped: int

    @property
    def n_classes(self) -> int:
        return 0 if self.labels is None else len(self.labels)


def class_target(column: Column, declared: str | None) -> Target:
    """Classes of a column read as text. Labels become int, bool or float where all of them are."""
    codes, levels = column.coded
    blank = np.array([not text.strip() for text in levels] + [True])
    rows = np.flatnonzero(~blank[codes])
    used = np.unique(codes[rows])
    if not len(rows):
        raise UserError(f"The label column {column.name!r} is empty in every row.")
    names = [levels[c].strip() for c in used]
    values = _typed(names, declared)
    labels = sorted(set(values), key=lambda v: v if isinstance(v, int | float) else str(v))
    if len(labels) < 2:
        raise UserError(
            f"The label column {column.name!r} has one class only ({labels[0]!r}): there is nothing to tell apart."
        )
    if len(labels) > MAX_CLASSES or (len(labels) > 20 and len(labels) > 0.5 * len(rows)):
        raise UserError(
            f"The label column {column.name!r} has {len(labels)} different values in {len(rows)} rows, too many for "
            "classes; use a regression task, or another column."
        )
    position = {label: i for i, label in enumerate(labels)}
    index = np.full(len(levels), -1, dtype="int32")
    index[used] = [position[v] for v in values]
    return Target(index[codes[rows]], rows, labels, len(codes) - len(rows))


def number_target(column: Column) -> Target:
    """Numbers of a column read as text. A value that is no number is an error naming its first row."""
    codes, levels = column.coded
    values = np.full(len(levels) + 1, np.nan)
    for i, text in enumerate(levels):
        try:
            values[i] = float(text)
        except ValueError:
            if text.strip() and text.strip().lower() not in ("na", "n/a", "nan", "null", "none", "?"):
                row = int(np.flatnonzero(codes == i)[0]) + 1
                raise UserError(
                    f"The label column {column.name!r} holds {text!r} in data row {row}, which is no number; "
                    "use a classification task, or correct it."
                ) from None
    y = values[codes]
    rows = np.flatnonzero(np.isfinite(y))
    if not len(rows):
        raise UserError(f"The label column {column.name!r} is empty in every row.")
    if np.all(y[rows] == y[rows[0]]):
        raise UserError(
            f"The label column {column.name!r} has the same value in every row: nothing to learn."
        )
    return Target(y[rows], rows, None, len(codes) - len(rows))


def _typed(names: list[str], declared: str | None) -> list[Any]:
    """Labels as ints, booleans or floats if every one can be, else as texts."""
    if declared == "string":
        return list(names)
    if all(n.lower() in ("true", "false") for n in names):
        return [n.lower() == "true" for n in names]
    try:
        numbers = [float(n) for n in names]
    except ValueError:
        return list(names)
    if not all(np.isfinite(n) for n in numbers):
        return list(names)
    return [int(n) for n in numbers] if all(n.is_integer() for n in numbers) else numbers
