"""What each column contributes to a row's score: Shapley values of the members, carried through to the answer.

The margins of each member are shared out exactly (members.py: TreeSHAP, linear, kernels). How far a difference of
margins moves the score is told by average slopes (slopes.py), link by link: to the member's answer, through the mean
(Shapley values are linear) or the stack. So base + sum of contributions is the score, for every row.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from scorer.compiled import CompiledScorer
from scorer.errors import RequestError, UnexplainedError
from scorer.links import LINKS, Floats, meta_inputs, stack_link
from scorer.slopes import link_slopes, log_slopes

METHOD = "Shapley values of the members' margins (TreeSHAP of trees), through the links by average slopes"


def explain(
    scorer: CompiledScorer, columns: list[str], data: list[list[Any]], result: list[Any]
) -> dict[str, Any]:
    """`columns` in the model's order, `values` (rows, columns), `base` and `of` for each row, and the `method`.

    `of`: the label whose probability is explained, the second of two, of more the one answered (`result`); None for
    regression, where the number is. Raises SignatureError, and RequestError for a model whose files lack what it takes.
    """
    x = scorer.encoded(columns, data)
    owners = np.zeros((x.shape[1], len(scorer.columns)))
    owners[np.arange(x.shape[1]), scorer.sources] = 1.0
    answer: dict[str, Any] = {
        "columns": scorer.columns,
        "method": METHOD,
        "base": [],
        "values": [],
        "of": None,
    }
    if scorer.labels is not None:
        answer["of"] = [scorer.labels[1]] * len(x) if len(scorer.labels) == 2 else result
    if not len(x):
        return answer
    try:
        parts = [member.attributed(x, owners) for member in scorer.members]
    except UnexplainedError:
        message = "the model was saved by a release that kept nothing to explain it by: train it again."
        raise RequestError(400, "no-explanation", message) from None
    scores = scorer.model(x)
    for number in range(len(x)):
        output = 0 if scorer.labels is None else scorer.labels.index(answer["of"][number])
        base, shares = _carried(scorer, [_Margins(b, v[number]) for b, v in parts], output)
        base, shares = _whole(base, shares, float(scores[number, output]))
        if not math.isfinite(base) or not np.isfinite(shares).all():
            message = "the row has no finite contributions; are its values in range?"
            faults = [{"row": number, "message": message}]
            raise RequestError(400, "invalid-rows", f"row {number}: {message}", faults)
        answer["base"].append(base)
        answer["values"].append(shares.tolist())
    return answer


class _Margins(NamedTuple):
    """Of one member and one row: what every row starts from (outputs,), and what columns add (outputs, columns)."""

    base: Floats
    parts: Floats


def _carried(scorer: CompiledScorer, rows: list[_Margins], output: int) -> tuple[float, Floats]:
    """Base and contributions (columns,) of one output of the model's answer."""
    links = [member.link for member in scorer.members]
    found = [_answers(link, margins) for link, margins in zip(links, rows, strict=True)]
    combine = scorer.combine
    if combine["kind"] == "mean":
        weights = combine["weights"]
        base = sum(
            weight * float(before[output]) for weight, (before, _, _) in zip(weights, found, strict=True)
        )
        shares = [weight * parts[output] for weight, (_, _, parts) in zip(weights, found, strict=True)]
        return base, np.sum(shares, axis=0)
    inputs = [_inputs(*one, scorer) for one in found]
    coef = np.array(combine["coef"])
    before = coef @ np.concatenate([start for start, _ in inputs]) + np.array(combine["intercept"])
    parts = coef @ np.concatenate([parts for _, parts in inputs])
    link = stack_link(scorer.outputs, classification=scorer.labels is not None)
    start, _, carried = _answers(link, _Margins(before, parts))
    return float(start[output]), carried[output]


def _answers(link: str, margins: _Margins) -> tuple[Floats, Floats, Floats]:
    """Behind a link: what every row starts from, what this row ends at, and what columns add (outputs, columns)."""
    after = margins.base + margins.parts.sum(axis=1)
    before_and_after = LINKS[link](np.stack([margins.base, after]))
    return before_and_after[0], before_and_after[1], link_slopes(link, margins.base, after) @ margins.parts


def _inputs(before: Floats, after: Floats, parts: Floats, scorer: CompiledScorer) -> tuple[Floats, Floats]:
    """What a stack makes of a member's answer: where every row starts, and what columns add."""
    classification = scorer.labels is not None
    start = meta_inputs(before[None], scorer.outputs, classification=classification)[0]
    if not classification:
        return start, parts
    parts = log_slopes(before, after)[:, None] * parts
    return start, parts[1:] - parts[:1] if scorer.outputs == 2 else parts


def _whole(base: float, shares: Floats, score: float) -> tuple[float, Floats]:
    """What rounding left, in proportion."""
    off, size = score - base - shares.sum(), np.abs(shares).sum()
    return (base, shares + off * np.abs(shares) / size) if size else (score, shares)
