"""What each column is for: the service calls it the column purpose.

learn.microsoft.com/azure/machine-learning/how-to-configure-auto-features: columns without information
(all missing, one value, ids) are dropped, dates are expanded, text and categories are encoded.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from dropml.azureml.automl.data.table import Column, Table
from scorer.dates import parse_date

NUMERIC, CATEGORY, DATETIME, TEXT, MIXED, IGNORE = (
    "numeric",
    "category",
    "datetime",
    "text",
    "mixed",
    "ignore",
)
_WIRE = {
    "numeric": NUMERIC,
    "categorical": CATEGORY,
    "categoricalhash": CATEGORY,
    "datetime": DATETIME,
    "text": TEXT,
    "ignore": IGNORE,
    "hashes": IGNORE,
    "allnan": IGNORE,
    "int": NUMERIC,
    "float": NUMERIC,
    "string": CATEGORY,
}
_SAMPLE = 2_000
_ID_NAME = re.compile(r"(^|[_\s.])(id|uuid|guid|index|rownum|row_?id)$", re.IGNORECASE)


def purposes(table: Table, mode: str, chosen: dict[str, str]) -> dict[str, str]:
    """Purpose of each column. `chosen` is the wire's columnNameAndTypes; `mode` auto, custom or off."""
    found = {}
    for name, column in table.columns.items():
        wire = _WIRE.get(str(chosen.get(name, "")).lower())
        if mode == "off":
            found[name] = CATEGORY if column.type == "string" else NUMERIC
        else:
            found[name] = wire or detect(column)
    return found


def detect(column: Column) -> str:
    n = len(column)
    if column.values is not None:
        return _detect_number(column, n)
    codes, levels = column.coded
    counts = np.bincount(codes[codes >= 0], minlength=len(levels))
    present = int(counts.sum())
    used = np.flatnonzero(counts)
    if len(used) == 0 or (len(used) == 1 and present == n):
        return IGNORE
    sample = [levels[i] for i in used[:_SAMPLE]]
    if _share(sample, lambda v: not np.isnan(parse_date(v, []))) >= 0.95:
        return DATETIME
    if (
        _share(sample, _is_number) >= 0.8
        and counts[[i for i in used[:_SAMPLE] if _is_number(levels[i])]].sum() > 0
    ):
        return MIXED
    words = float(np.mean([len(v.split()) for v in sample]))
    if words >= 4 and len(used) > 20 and len(used) > 0.3 * present:
        return TEXT
    if present >= 50 and len(used) > 0.9 * present:
        return IGNORE  # hashes, names, GUIDs: a value of its own in nearly every row
    return CATEGORY


def _detect_number(column: Column, n: int) -> str:
    present = column.numbers[~column.missing]
    if len(present) == 0 or (len(present) == n and present.min() == present.max()):
        return IGNORE
    if column.type == "datetime":
        return DATETIME
    if column.type == "long" and n >= 50 and len(present) == n and _is_row_number(column.name, present):
        return IGNORE
    return NUMERIC


def _is_row_number(name: str, values: np.ndarray) -> bool:
    """Counts rows (1, 2, 3 ... in any order), or is called an id and never repeats."""
    spread = values.max() - values.min() + 1
    if spread != len(values) and not _ID_NAME.search(name):
        return False
    return len(np.unique(values)) == len(values)


def _share(values: list[str], test: Any) -> float:
    return float(np.mean([bool(test(v)) for v in values])) if values else 0.0


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False
