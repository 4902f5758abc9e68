"""Holds the compiled form against the reference form."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from scorer.compiled import CompiledScorer
from scorer.dates import parse_date
from scorer.reference import ReferenceScorer


def largest_difference(model_dir: Path) -> float:
    rows = json.loads((model_dir / "dropml" / "parity.json").read_text(encoding="utf-8"))
    return difference(CompiledScorer(model_dir), ReferenceScorer(model_dir), rows["columns"], rows["data"])


def difference(
    compiled: CompiledScorer, reference: ReferenceScorer, columns: list[str], data: list[list[Any]]
) -> float:
    """Largest difference over rows that may hold what a signature would refuse (missing whole numbers).

    Every row is scored twice by the compiled form: alone and with the others. infinity if shapes differ or NaN appears.
    """
    order = [columns.index(name) for name in compiled.columns]
    dates = [kind == "datetime" for kind in compiled.types.values()]
    rows = [
        [_moment(row[i]) if is_date else row[i] for i, is_date in zip(order, dates, strict=True)]
        for row in data
    ]
    expected = np.asarray(reference.scores(rows), dtype="float64")
    together = compiled.scores(rows)
    alone = np.concatenate([compiled.scores([row]) for row in rows])
    if expected.shape != together.shape or not np.isfinite(together).all():
        return math.inf
    scale = 1.0 if compiled.labels is not None else np.maximum(1.0, np.abs(expected))
    worst = max(np.max(np.abs(expected - got) / scale, initial=0.0) for got in (together, alone))
    return float(worst)


def _moment(value: Any) -> float:
    return math.nan if value is None else parse_date(value, [])
