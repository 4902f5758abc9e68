"""What an endpoint's answer other than 200 means.

The statuses: https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints#http-status-codes
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.domain.errors import Conflict, InvalidInput, Upstream
from shared.domain.problems import DeadlineExceeded, EndpointRefused, ModelRefused, TooLarge
from shared.domain.rows import payloads
from shared.domain.run.serving import Target
from shared.services.scoring.calling import Answer

#: A script's refusals of what a model of its kind never answers: the rows are not at fault, nor is the deployment.
LACKING = ("no-probabilities", "no-explanation")


def model_status(headers: Mapping[str, str]) -> int | None:
    """The container's own status behind a 424."""
    value = headers.get("ms-azureml-model-error-statuscode", "")
    return int(value) if value.isascii() and value.isdigit() else None


def is_gone(answer: Answer) -> bool:
    """The pinned deployment doesn't exist (any more)."""
    return answer.status == 404 or (answer.status == 424 and model_status(answer.headers) == 404)


def _code(answer: Answer) -> str:
    """Of a refusal of `scorer/score.py`; empty where there is none."""
    try:
        doc = payloads.load_json(answer.body)
    except InvalidInput:
        return ""
    return str(doc.get("code", "")) if isinstance(doc, dict) else ""


def check(answer: Answer, target: Target) -> None:
    """Raise the product's error for an endpoint's answer other than 200.

    The statuses: https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints#http-status-codes
    """
    status = answer.status
    if status == 200:
        return
    name, said = target.endpoint, _said(answer)
    if status == 424:
        inner = model_status(answer.headers)
        if inner == 400 and (lacking := _code(answer)) in LACKING:
            raise Conflict(f"The model behind {name} can't answer this: {said}", code=lacking)
        if inner in (400, 422):
            raise ModelRefused(f"The model refused the rows: {said}", remedy="Compare them with the swagger.")
        raise Upstream(
            f"The model behind {name} failed ({inner or 'no status'}): {said}",
            remedy="Look at the deployment's logs.",
            code="model-error",
        )
    if status == 403:
        raise EndpointRefused(f"The endpoint {name} forbids the call: {said}")
    if status == 408:
        raise DeadlineExceeded(f"The model behind {name} took longer than its own limit.")
    if status == 413:
        raise TooLarge(f"The endpoint {name} finds the request too large.", code="body-too-large")
    raise Upstream(f"The endpoint {name} answered {status}: {said}", code="endpoint-error")


def _said(answer: Answer) -> str:
    """The endpoint's own words: the message of its JSON error, or the start of its text."""
    text: Any = answer.body[:2000].decode("utf-8", "replace").strip()
    try:
        doc = payloads.load_json(answer.body)
    except InvalidInput:
        doc = None
    if isinstance(doc, dict):
        text = doc.get("message") or doc.get("error") or text
    return str(text)[:300] or "no message"
