"""What a deployment answers to rows, read strictly: one result a row, and beside it how sure the model is, and why.

The shape is that of `scorer/score.py` (scorer/README.md); MLflow no-code deployments answer the bare list of results.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from typing import Any, NamedTuple

from shared.domain.errors import Upstream
from shared.domain.labels import label_text

#: What a result or the name of a class may be.
_SINGLE = frozenset({str, int, float, bool, type(None)})
_TEXTS = frozenset({str})
_NUMBERS = frozenset({int, float})
#: So far a probability may lie beyond 0 and 1 by rounding; it is answered as 0 or 1 then.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Contributions:
    """What each column adds to each row's score: `base[row]` and `values[row]` sum up to it.

    `values[row][i]` is that of `columns[i]`. `of`: for each row the class whose probability the score is; None for a
    regression. `method`: what these numbers are, in a sentence.
    """

    columns: list[str]
    of: list[Any] | None
    base: list[float]
    values: list[list[float]]
    method: str = ""


class Prediction(NamedTuple):
    """One `result` a row; all else only where the deployment gives it.

    `probabilities[row][i]` is that of `classes[i]`: both are there, or none. `threshold`: the one that has decided the labels.
    `intervals`: of a regression, a low and a high end a row, between which a share `coverage` of such values lies.
    """

    result: list[Any]
    probabilities: list[list[float]] | None = None
    classes: list[Any] | None = None
    threshold: float | None = None
    intervals: list[list[float]] | None = None
    coverage: float | None = None
    contributions: Contributions | None = None


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON value")


_loads = json.JSONDecoder(parse_constant=_no_constant).decode
_BESIDE = frozenset({"probabilities", "threshold", "intervals", "contributions"})


def read_answer(body: bytes, rows: int) -> Prediction:
    """A deployment's answer: a JSON list of results (MLflow no-code), or an object of a known script.

    AutoML's own scoring script answers `{"Results": [...]}`, MLflow servers `{"predictions": [...]}`; older
    scripts put the JSON into a JSON string. Raises Upstream where it is not exactly one result a row, or where what
    stands beside them is not what it must be.
    """
    try:
        doc = _loads(body.decode())
        if isinstance(doc, str):
            doc = _loads(doc)
    except (ValueError, RecursionError):
        raise Upstream("The endpoint's answer is not JSON.", code="bad-endpoint-answer") from None
    whole: dict[str, Any] | None = None
    if isinstance(doc, dict):
        whole = doc
        doc = next((doc[key] for key in ("result", "predictions", "Results") if key in doc), None)
    if not isinstance(doc, list) or len(doc) != rows:
        count = len(doc) if isinstance(doc, list) else "no"
        raise _bad(f"{count} results for {rows} rows")
    kinds = set(map(type, doc))
    if kinds != _TEXTS and (not kinds <= _SINGLE or (float in kinds and not _all_finite(doc))):
        raise _bad("a result that is no single value")
    if whole is None or _BESIDE.isdisjoint(whole):
        return Prediction(doc)
    return _with_all(doc, whole, rows)


def _bad(what: str) -> Upstream:
    return Upstream(
        f"The endpoint gave {what}.", remedy="Look at the deployment's script.", code="bad-endpoint-answer"
    )


def _with_all(result: list[Any], doc: dict[str, Any], rows: int) -> Prediction:
    probabilities, classes = _probabilities(doc, rows)
    threshold, intervals = doc.get("threshold"), doc.get("intervals")
    if threshold is not None and not (_is_number(threshold) and 0 <= threshold <= 1):
        raise _bad("a threshold that is no number from 0 to 1")
    coverage = doc.get("coverage") if intervals is not None else None
    if intervals is not None:
        _table("intervals", intervals, rows, 2)
        if coverage is not None and not (_is_number(coverage) and 0 <= coverage <= 1):
            raise _bad("a coverage that is no share")
    contributions = _contributions(doc.get("contributions"), rows)
    return Prediction(result, probabilities, classes, threshold, intervals, coverage, contributions)


def _probabilities(doc: dict[str, Any], rows: int) -> tuple[list[list[float]] | None, list[Any] | None]:
    """Shares without the names of their classes say nothing: they are as none."""
    shares, classes = doc.get("probabilities"), doc.get("classes")
    if shares is None or classes is None:
        return None, None
    if not isinstance(classes, list) or not set(map(type, classes)) <= _SINGLE or not classes:
        raise _bad("classes that are no list of names")
    if len(set(map(label_text, classes))) != len(classes):
        raise _bad("a class twice")
    _table("probabilities", shares, rows, len(classes))
    for number, row in enumerate(shares):
        if not (min(row) >= 0 and max(row) <= 1):
            shares[number] = [_share(one) for one in row]
    return shares, classes


def _share(value: float) -> float:
    if not -_ROUNDING <= value <= 1 + _ROUNDING:
        raise _bad("a probability that does not lie between 0 and 1")
    return min(max(value, 0.0), 1.0)


def _contributions(doc: Any, rows: int) -> Contributions | None:
    if doc is None:
        return None
    columns = doc.get("columns") if isinstance(doc, dict) else None
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise _bad("contributions without the names of their columns")
    if len(set(columns)) != len(columns):
        raise _bad("contributions of a column twice")
    _table("contributions", doc.get("values"), rows, len(columns))
    base, of, method = doc.get("base"), doc.get("of"), doc.get("method", "")
    if not isinstance(base, list) or len(base) != rows or not _numbers(base):
        raise _bad("contributions without a base for each row")
    if of is not None and not (isinstance(of, list) and len(of) == rows and set(map(type, of)) <= _SINGLE):
        raise _bad("contributions without the class of each row")
    return Contributions(columns, of, base, doc["values"], method if isinstance(method, str) else "")


def _table(what: str, table: Any, rows: int, width: int) -> None:
    """`rows` lists of `width` finite numbers."""
    if not isinstance(table, list) or len(table) != rows:
        count = len(table) if isinstance(table, list) else "no"
        raise _bad(f"{count} {what} for {rows} rows")
    for row in table:
        if not isinstance(row, list) or len(row) != width:
            raise _bad(f"{what} of another width than {width}")
        if not _numbers(row):
            raise _bad(f"{what} with something that is no finite number")


def _numbers(values: list[Any]) -> bool:
    return set(map(type, values)) <= _NUMBERS and _all_finite(values)


def _is_number(value: Any) -> bool:
    return type(value) in _NUMBERS and isfinite(value)


def _all_finite(values: list[Any]) -> bool:
    try:
        return all(isfinite(value) for value in values if type(value) in _NUMBERS)
    except OverflowError:  # an integer beyond all floats
        return False


#: What the name of a column of probabilities begins with.
PROBABILITY = "probability"
#: Longest part of a name in that of its column.
_LONGEST = 100


def columns_named(kind: str, names: Iterable[object], taken: Iterable[str]) -> list[str]:
    """A column's name for each class or column: `probability_yes`; what can't be shown stands as `_`.

    One that is `taken` or stands already gets a number behind it. None begins like a formula.
    """
    shown = (
        "".join(char if char.isprintable() else "_" for char in label_text(one)[:_LONGEST]) for one in names
    )
    return names_free((f"{kind}_{name}" for name in shown), taken)


def names_free(names: Iterable[str], taken: Iterable[str]) -> list[str]:
    """The names of columns of ours: one that is `taken` or stands already gets a number behind it."""
    used = set(taken)
    made = []
    for plain in names:
        name, number = plain, 2
        while name in used:
            name, number = f"{plain}_{number}", number + 1
        used.add(name)
        made.append(name)
    return made
