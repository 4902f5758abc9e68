"""Which deployment is asked, what it is told of what the caller wants, and whether its answer holds that."""

from __future__ import annotations

import json
from functools import lru_cache

from shared.domain.errors import Conflict
from shared.domain.rows.predictions import Prediction
from shared.domain.rows.refit import body_for
from shared.domain.rows.wanted import PLAIN, Wanted
from shared.domain.run.serving import ServingEntry, Version
from shared.domain.schema import Schema


def fitted(
    entry: ServingEntry, deployment: str, body: bytes, made_for: Schema, wanted: Wanted
) -> tuple[str, bytes]:
    """Whom to ask, and the body in the types of that version's own schema: one that can't take a row is not asked.

    Nor one that can't answer what is wanted while another with traffic can. Raises Conflict where none can.
    """
    if wanted is not PLAIN and wanted.needs_script:
        for name in (deployment, *entry.sharing):
            if entry.version(name).mode == "script":
                made = body_for(body, made_for, entry.schema_of(name))
                if made is not None:
                    return name, made
        check_able(entry, deployment, wanted)
    made = body_for(body, made_for, entry.schema_of(deployment))
    if made is not None:
        return deployment, made
    return entry.newest, body_for(body, made_for, entry.schema) or body


def asked(body: bytes, version: Version, wanted: Wanted) -> bytes:
    """An encoded body with what the deployment is to answer; only those of a scoring script take that."""
    if version.mode != "script":
        return body
    if wanted is PLAIN and version.threshold is None:  # what nearly all callers want
        return body[:-1] + _RESULTS
    return body[:-1] + _params(wanted.probabilities, wanted.explain, version.threshold)


_RESULTS = b',"params":{"method":"predict"}}'


@lru_cache(maxsize=512)
def _params(probabilities: bool, explain: bool, threshold: float | None) -> bytes:
    """The end of the body: `,"params":{...}}`. Without a method a script answers probabilities where its model has them."""
    params: dict[str, object] = {} if probabilities else {"method": "predict"}
    if threshold is not None:
        params["threshold"] = threshold
    if explain:
        params["explain"] = True
    return (f',"params":{json.dumps(params, separators=(",", ":"))}}}' if params else "}").encode()


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
