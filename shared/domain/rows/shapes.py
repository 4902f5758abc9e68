"""The body that goes back to a caller, in the shape that was asked for.

| shape | body |
|---|---|
| `result` | `{"result": [...]}`; beside it what was wanted, ids and warnings |
| `list` | the bare list; with probabilities or explanations, an object a row |
| `csv` | the header `prediction`; with probabilities a column a class, with explanations one a column of the model |
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from shared.domain.labels import cell_text, label_text
from shared.domain.problems import RowIssue
from shared.domain.rows.formulas import neutral
from shared.domain.rows.payloads import to_text
from shared.domain.rows.predictions import PROBABILITY, Contributions, Prediction, columns_named, names_free
from shared.domain.rows.wanted import PLAIN, AnswerShape, Wanted
from shared.domain.schema import Value

PREDICTION = "prediction"


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


def _list(prediction: Prediction, ids: Ids | None, wanted: Wanted) -> list[Any]:
    parts: dict[str, Iterable[object]] = {}
    shares, classes, why = prediction.probabilities, prediction.classes, prediction.contributions
    if wanted.probabilities and shares is not None and classes is not None:
        names = [label_text(one) for one in classes]
        parts["probabilities"] = (dict(zip(names, share, strict=True)) for share in shares)
    if wanted.probabilities and prediction.intervals is not None:
        parts["interval"] = prediction.intervals
    if wanted.explain and why is not None:
        parts["contributions"] = (
            {"of": of, "base": base, "values": dict(zip(why.columns, values, strict=True))}
            for of, base, values in zip(why.of or repeat(None), why.base, why.values, strict=False)
        )
    if not parts:
        return prediction.result
    parts = {"result": prediction.result, **({"id": ids.values} if ids is not None else {}), **parts}
    return [dict(zip(parts, row, strict=True)) for row in zip(*parts.values(), strict=True)]


def _csv(prediction: Prediction, ids: Ids | None, wanted: Wanted, *, neutralise: bool) -> bytes:
    name = names_free([PREDICTION], [ids.name] if ids is not None else [])[0]
    lines: list[list[object]] = [[cell] for cell in (name, *map(cell_text, prediction.result))]
    if ids is not None:
        lines = [[key, *line] for key, line in zip([ids.name, *ids.values], lines, strict=True)]
    more = [_certainty(prediction)] if wanted.probabilities else []
    more += [_why(prediction.contributions)] if wanted.explain and prediction.contributions else []
    for kind, names, rows in more:
        header = columns_named(kind, names, [str(name) for name in lines[0]])
        lines = (
            [[*line, *rest] for line, rest in zip(lines, [header, *rows], strict=True)] if names else lines
        )
    if neutralise:
        lines = [[neutral(cell) for cell in line] for line in lines]
    out = io.StringIO()
    csv.writer(out).writerows(lines)
    return out.getvalue().encode(errors="backslashreplace")


#: How the columns of a kind begin, what they are of, and the rows below; no names where the model gives none.
_Columns = tuple[str, Sequence[object], Iterable[Sequence[object]]]


def _certainty(prediction: Prediction) -> _Columns:
    if prediction.probabilities is not None and prediction.classes is not None:
        return PROBABILITY, prediction.classes, prediction.probabilities
    return "interval", ("low", "high") if prediction.intervals else (), prediction.intervals or ()


def _why(found: Contributions) -> _Columns:
    """Behind the columns' contributions what they start from, and for a classifier the class whose score it is."""
    if found.of is None:
        rows = [[*values, base] for values, base in zip(found.values, found.base, strict=True)]
        return "contribution", [*found.columns, "base"], rows
    of = zip(found.values, found.base, found.of, strict=True)
    return (
        "contribution",
        [*found.columns, "base", "of"],
        [[*values, base, cell_text(one)] for values, base, one in of],
    )
