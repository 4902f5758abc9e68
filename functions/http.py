"""What all HTTP doors share: JSON out, the product's errors as problem+json, nothing secret in either."""

from __future__ import annotations

import functools
import json
import logging
import uuid
from collections.abc import Callable
from typing import Any

import azure.functions as func

from shared.domain.errors import DropMLError
from shared.domain.problems import PROBLEM_JSON, problem, retry_after

log = logging.getLogger(__name__)

Handler = Callable[[func.HttpRequest], func.HttpResponse]


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> func.HttpResponse:
    return func.HttpResponse(
        json.dumps(body, default=str), status_code=status, mimetype="application/json", headers=headers or {}
    )


def door(handler: Handler) -> Handler:
    """Turn what the service raises into problem+json; an unknown error is logged with its trace and hidden."""

    @functools.wraps(handler)
    def wrapped(req: func.HttpRequest) -> func.HttpResponse:
        request_id = req.headers.get("x-request-id") or uuid.uuid4().hex
        try:
            response = handler(req)
        except DropMLError as error:
            response = refusal(error, request_id)
        except Exception:
            log.exception("unexpected error, request %s", request_id)
            hidden = DropMLError("Something went wrong here.", remedy="The log has it under the request id.")
            response = refusal(hidden, request_id)
        response.headers["x-request-id"] = request_id
        return response

    return wrapped


def refusal(error: DropMLError, request_id: str) -> func.HttpResponse:
    headers = {"Retry-After": wait} if (wait := retry_after(error)) else {}
    return func.HttpResponse(
        json.dumps(problem(error, request_id=request_id)),
        status_code=error.status,
        mimetype=PROBLEM_JSON,
        headers=headers,
    )
