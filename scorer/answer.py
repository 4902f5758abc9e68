"""What a deployment answers: labels or numbers, and how sure the model is of them."""

from __future__ import annotations

import math
from typing import Any, Protocol

from scorer.compiled import CompiledScorer
from scorer.errors import RequestError, SignatureError, ThresholdError
from scorer.request import Asked, missing_inputs
from scorer.signature import Signature

Answer = dict[str, Any]
#: The environment variable of a deployment that has a threshold of its own.
THRESHOLD = "DROPML_THRESHOLD"
#: Of what is wrong with rows, so much is told.
_MOST_FAULTS = 20


class Served(Protocol):
    """A model in whatever form. `labels`: None where it has no probabilities."""

    columns: list[str] | None
    optional: frozenset[str]
    labels: list[Any] | None
    signature: Signature | None

    def answer(
        self,
        columns: list[str] | None,
        rows: list[list[Any]],
        *,
        probabilities: bool,
        threshold: float | None = None,
    ) -> Answer:
        """`result` and what goes with it; `threshold` stands in for the model's own. Raises RequestError, SignatureError."""

    def explanation(
        self, columns: list[str] | None, rows: list[list[Any]], result: list[Any]
    ) -> dict[str, Any]:
        """`contributions` of the columns to the scores of rows that were answered with `result`. Raises RequestError."""


class CompiledModel:
    """The compiled form; no pandas is imported."""

    optional: frozenset[str] = frozenset()

    def __init__(self, scorer: CompiledScorer) -> None:
        self._scorer = scorer
        self.columns: list[str] | None = scorer.columns
        self.labels = scorer.labels
        self.signature: Signature | None = Signature(scorer.types)

    def answer(
        self,
        columns: list[str] | None,
        rows: list[list[Any]],
        *,
        probabilities: bool,
        threshold: float | None = None,
    ) -> Answer:
        scorer = self._scorer
        columns = columns or scorer.columns
        if scorer.labels is None:
            return {"result": scorer.predict(columns, rows)}
        threshold = scorer.threshold if threshold is None else threshold
        shares = scorer.predict_proba(columns, rows)
        result = [decided(row, scorer.labels, threshold) for row in shares]
        return labelled(result, scorer.labels, threshold, shares if probabilities else None)

    def explanation(
        self, columns: list[str] | None, rows: list[list[Any]], result: list[Any]
    ) -> dict[str, Any]:
        from scorer.explain import explain  # most deployments never answer one

        return explain(self._scorer, columns or self._scorer.columns, rows, result)


def decided(shares: list[float], labels: list[Any], threshold: float | None) -> Any:
    """The second of two labels from its threshold on; without one the more probable label."""
    if threshold is not None:
        return labels[shares[1] >= threshold]
    return labels[shares.index(max(shares))]


def labelled(
    result: list[Any], labels: list[Any] | None, threshold: float | None, shares: list[list[float]] | None
) -> Answer:
    """`threshold`: the one that has decided, None where none has."""
    answer: Answer = {"result": result}
    if labels is not None and shares is not None:
        answer |= {"probabilities": shares, "classes": labels}
    if threshold is not None:
        answer["threshold"] = threshold
    return answer


def standing(said: str | None, model: Served) -> float | None:
    """The deployment's own threshold, which its environment has as text; None where it says nothing.

    Raises ThresholdError where it can't hold: the deployment fails with it.
    """
    if said is None or not said.strip():
        return None
    try:
        threshold = float(said)
    except ValueError:
        threshold = -1.0
    if not 0 <= threshold <= 1:
        raise ThresholdError(f"{THRESHOLD} is {said[:80]!r}: it takes a number from 0 to 1.")
    if not _two_classes(model):
        raise ThresholdError(f"{THRESHOLD} is {said[:80]}: {_no_threshold(model)}")
    return threshold


def _two_classes(model: Served) -> bool:
    return model.labels is not None and len(model.labels) == 2


def _no_threshold(model: Served) -> str:
    has = "no probabilities" if model.labels is None else f"{len(model.labels)} classes"
    return f"only a model of two classes has a threshold, and this one has {has}."


def answer(model: Served, asked: Asked, threshold: float | None = None) -> Answer:
    """The answer to a request. Raises RequestError, which names rows, columns and values.

    `threshold`: the deployment's, which a request's own goes before.
    """
    if asked.threshold is not None and not _two_classes(model):
        raise RequestError(400, "no-threshold", _no_threshold(model))
    threshold = threshold if asked.threshold is None else asked.threshold
    if asked.method == "predict_proba" and model.labels is None:
        raise RequestError(
            400, "no-probabilities", "this model has no probabilities: it answers results only."
        )
    columns = asked.columns
    if model.columns is not None and columns is not None and columns != model.columns:
        have = model.optional.union(columns)
        missing = [name for name in model.columns if name not in have]
        if missing:
            raise missing_inputs(missing, columns, model.columns)
    try:
        found = model.answer(
            columns, asked.rows, probabilities=asked.method != "predict", threshold=threshold
        )
    except SignatureError as error:
        raise _refused(model, asked, error) from None
    _finite(found)
    if asked.explain:
        found["contributions"] = model.explanation(columns, asked.rows, found["result"])
    return found


def _refused(model: Served, asked: Asked, error: SignatureError) -> RequestError:
    columns = asked.columns or model.columns
    faults = []
    if model.signature is not None and columns is not None:
        faults = model.signature.faults(columns, asked.rows, _MOST_FAULTS)
    if not faults:
        return RequestError(400, "invalid-rows", str(error))
    first = faults[0]
    where = f"row {first['row']}"
    if "column" in first:
        where += f", column {first['column']!r}, value {first['value']!r}"
    return RequestError(400, "invalid-rows", f"{where}: {first['message']}", faults)


def _finite(found: Answer) -> None:
    """Numbers too large for the model end as NaN, which is no JSON."""
    values = found.get("probabilities") or found["result"]
    for number, value in enumerate(values):
        numbers = value if isinstance(value, list) else [value]
        if any(isinstance(one, float) and not math.isfinite(one) for one in numbers):
            message = "the model finds no finite number for it; are its values in range?"
            raise RequestError(
                400, "invalid-rows", f"row {number}: {message}", [{"row": number, "message": message}]
            )
