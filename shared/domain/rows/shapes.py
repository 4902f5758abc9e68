"""The body that goes back to a caller, in the shape that was asked for.

| shape | body |
|---|---|
| `result` | `{"result": [...]}`; beside it what was wanted, ids and warnings |
| `list` | the bare list; with probabilities, an object a row |
| `csv` | the header `prediction`; with probabilities, a column a class |
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

from shared.domain.labels import label_text
from shared.domain.problems import RowIssue
from shared.domain.rows.formulas import neutral
from shared.domain.rows.payloads import to_text
from shared.domain.rows.predictions import Prediction, probability_columns
from shared.domain.rows.wanted import PLAIN, AnswerShape, Wanted
from shared.domain.schema import Value

PREDICTION = "prediction"
#: Of a regression whose model says how far off it may be.
INTERVAL_COLUMNS = ("interval_low", "interval_high")


@dataclass(frozen=True)
class Ids:
    """What tells the rows apart: the column's name, and its value in each row, as it came."""

    name: str
    values: list[Value]


def answer(
    prediction: Prediction,
    shape: AnswerShape,
    warnings: list[RowIssue],
    ids: Ids | None = None,
    wanted: Wanted = PLAIN,
    *,
    neutralise: bool = True,
) -> bytes:
    """The body for the caller. Of the prediction only what is wanted is told.

    `ids` stand beside the results, before them in CSV; there, `neutralise` keeps a spreadsheet from running what either
    holds.
    """
    if shape == "list":
        return to_text(_list(prediction, ids, wanted)).encode()
    if shape == "csv":
        return _csv(prediction, ids, wanted, neutralise=neutralise)
    doc: dict[str, object] = {"result": prediction.result}
    if ids is not None:
        doc["ids"] = ids.values
    if wanted is not PLAIN:
        doc |= _beside(prediction, wanted)
    if warnings:
        doc["warnings"] = [warning.to_dict() for warning in warnings]
    return to_text(doc).encode()


def _beside(prediction: Prediction, wanted: Wanted) -> dict[str, object]:
    found: dict[str, object] = {}
    if wanted.probabilities and prediction.probabilities is not None:
        found |= {"probabilities": prediction.probabilities, "classes": prediction.classes}
    if wanted.probabilities and prediction.intervals is not None:
        found |= {"intervals": prediction.intervals, "coverage": prediction.coverage}
    if wanted.explain and prediction.contributions is not None:
        found["contributions"] = vars(prediction.contributions)
    return found


def _list(prediction: Prediction, ids: Ids | None, wanted: Wanted) -> list[object]:
    shares, classes, intervals = prediction.probabilities, prediction.classes, prediction.intervals
    if not wanted.probabilities or (shares is None and intervals is None):
        return prediction.result
    rows: list[dict[str, object]] = [{"result": value} for value in prediction.result]
    if ids is not None:
        for row, key in zip(rows, ids.values, strict=True):
            row["id"] = key
    if shares is not None and classes is not None:
        names = [label_text(one) for one in classes]
        for row, share in zip(rows, shares, strict=True):
            row["probabilities"] = dict(zip(names, share, strict=True))
    for row, interval in zip(rows, intervals or (), strict=False):
        row["interval"] = interval
    return [*rows]


def _csv(prediction: Prediction, ids: Ids | None, wanted: Wanted, *, neutralise: bool) -> bytes:
    lines: list[list[object]] = [[PREDICTION], *([value] for value in prediction.result)]
    if ids is not None:
        lines = [[key, *line] for key, line in zip([ids.name, *ids.values], lines, strict=True)]
    if wanted.probabilities:
        more = _numbers(prediction, [str(name) for name in lines[0]])
        lines = [[*line, *rest] for line, rest in zip(lines, more, strict=True)] if more else lines
    if neutralise:
        lines = [[neutral(cell) for cell in line] for line in lines]
    out = io.StringIO()
    csv.writer(out).writerows(lines)
    return out.getvalue().encode(errors="backslashreplace")


def _numbers(prediction: Prediction, taken: list[str]) -> list[list[Any]]:
    """Header and rows of what stands behind the predictions; nothing where the model gives none."""
    if prediction.probabilities is not None and prediction.classes is not None:
        return [probability_columns(prediction.classes, taken), *prediction.probabilities]
    if prediction.intervals is not None:
        return [[*INTERVAL_COLUMNS], *prediction.intervals]
    return []
