"""What a caller wants beside the results, and how a deployment is told of it."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Literal, NamedTuple

from shared.domain.errors import Conflict, InvalidInput
from shared.domain.rows.predictions import Prediction
from shared.domain.run.serving import ServingEntry, Version

AnswerShape = Literal["result", "list", "csv"]
CONTENT_TYPES: dict[AnswerShape, str] = {
    "result": "application/json",
    "list": "application/json",
    "csv": "text/csv",
}


def answer_shape(shape: str, accept: str) -> AnswerShape:
    """`?shape=` wins; else CSV for whoever accepts text/csv, else `result`. Raises InvalidInput."""
    if shape:
        if shape not in CONTENT_TYPES:
            raise InvalidInput(
                f"There is no answer shape {shape[:40]!r}.",
                remedy="Use shape=result, shape=list or shape=csv.",
                code="unknown-shape",
                field="shape",
            )
        return shape
    return "csv" if accept.partition(",")[0].partition(";")[0].strip().lower() == "text/csv" else "result"


class Wanted(NamedTuple):
    """`demanded`: the request itself asks for the probabilities, so that an answer without them is none."""

    probabilities: bool = False
    demanded: bool = False
    explain: bool = False

    @property
    def needs_script(self) -> bool:
        """Whether a deployment that answers results alone can't answer this."""
        return self.demanded or self.explain


#: Results alone, as nearly all callers want them.
PLAIN = Wanted()


def wanted_of(proba: str, explain: str, shape: AnswerShape, *, usual: bool) -> Wanted:
    """Of the query's `proba` and `explain`, empty where they are not given; `usual` stands in for the first.

    The bare list stays one unless the request itself asks for more. Raises InvalidInput.
    """
    demanded, explained = _truth("proba", proba), _truth("explain", explain)
    if explained and shape != "result":
        raise InvalidInput(
            f"Explanations are answered as JSON with `result`, not in the shape {shape}.",
            remedy="Leave out shape and Accept: text/csv, or explain.",
            code="unknown-shape",
            field="explain",
        )
    probabilities = usual and shape != "list" if demanded is None else demanded
    return Wanted(probabilities, bool(demanded), bool(explained))


def demanded(proba: str) -> bool | None:
    """Of the query's `proba`; None where it is not given. Raises InvalidInput."""
    return _truth("proba", proba)


def _truth(name: Literal["proba", "explain"], text: str) -> bool | None:
    if not text:
        return None
    lower = text.lower()
    if lower not in ("true", "false"):
        raise InvalidInput(
            f"The parameter {name} is {text[:40]!a}; it takes true or false.",
            remedy="Leave it out for the usual answer.",
            code="invalid-parameter",
            field=name,
        )
    return lower == "true"


def asked(body: bytes, version: Version, wanted: Wanted) -> bytes:
    """An encoded body with what the deployment is to answer; only those of a scoring script take that."""
    if version.mode != "script":
        return body
    return body[:-1] + _params(wanted.probabilities, wanted.explain, version.threshold)


@lru_cache(maxsize=512)
def _params(probabilities: bool, explain: bool, threshold: float | None) -> bytes:
    """The end of the body: `,"params":{...}}`. Without a method a script answers probabilities where its model has them."""
    params: dict[str, object] = {} if probabilities else {"method": "predict"}
    if threshold is not None:
        params["threshold"] = threshold
    if explain:
        params["explain"] = True
    return (f',"params":{json.dumps(params, separators=(",", ":"))}}}' if params else "}").encode()


def decided(found: Prediction, version: Version) -> float | None:
    """The threshold that has decided the labels: the one that the answer tells, else the one that it was asked with."""
    if found.threshold is not None:
        return found.threshold
    return version.threshold if version.mode == "script" else None


def check_given(found: Prediction, wanted: Wanted, model: str) -> None:
    """Raises Conflict where the model has answered less than was demanded."""
    if wanted.demanded and found.probabilities is None and found.intervals is None:
        raise no_probabilities(f"The model {model} gives no probabilities: it answers results alone.")
    if wanted.explain and found.contributions is None:
        raise Conflict(
            f"The model {model} gives no explanations.",
            remedy="Leave out explain=true.",
            code="no-explanation",
            field="explain",
        )


def check_able(entry: ServingEntry, deployment: str, wanted: Wanted) -> None:
    """Raises Conflict where the deployment is one that answers results alone, whatever it is asked."""
    if not wanted.needs_script or entry.version(deployment).mode == "script":
        return
    remedy = "With DEPLOYMENT_MODE=script the next version of the model can"
    model = entry.version(deployment).model or deployment
    if wanted.demanded:
        raise no_probabilities(
            f"The deployment {deployment} of {model} answers labels alone (an MLflow no-code deployment).",
            f"{remedy}; drop the file again or retrain, or leave out proba=true.",
        )
    raise Conflict(
        f"The deployment {deployment} of {model} can't explain its answers (an MLflow no-code deployment).",
        remedy=f"{remedy}; drop the file again or retrain, or leave out explain=true.",
        code="no-explanation",
        field="explain",
    )


def check_classes(entry: ServingEntry) -> None:
    """Raises Conflict where no version with traffic gives probabilities, as far as can be told without asking it."""
    if not entry.schema.classes:
        raise no_probabilities(f"The model of {entry.dataset} predicts a number: there are no classes.")
    check_able(entry, entry.script or entry.live, Wanted(True, True))


def no_probabilities(message: str, remedy: str = "Leave out proba=true.") -> Conflict:
    return Conflict(message, remedy=remedy, code="no-probabilities", field="proba")
