"""The door that every HTTP function has: parameters checked, JSON out, errors as problem+json, nothing secret in either."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import NamedTuple

import azure.functions as func

from functions import parameters
from shared.domain.errors import DropMLError
from shared.domain.problems import PROBLEM_JSON, problem, retry_after

log = logging.getLogger(__name__)

Handler = Callable[[func.HttpRequest], func.HttpResponse]


class Outcome(NamedTuple):
    """What the caller gets, and the code of the error it tells; empty where all went well."""

    response: func.HttpResponse
    code: str = ""


def answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> func.HttpResponse:
    """A document as JSON: a dataclass, or what JSON has already."""
    if is_dataclass(body):
        from shared.domain.documents import to_json

        body = to_json(body)
    return func.HttpResponse(
        json.dumps(body, default=str), status_code=status, mimetype="application/json", headers=headers or {}
    )


def door(handler: Handler) -> Handler:
    """A function's handler behind the door."""

    @functools.wraps(handler)
    def wrapped(req: func.HttpRequest) -> func.HttpResponse:
        return pass_through(handler, req, parameters.request_id(req)).response

    return wrapped


def pass_through(handler: Handler, req: func.HttpRequest, request_id: str) -> Outcome:
    """Check, handle, and turn what is raised into problem+json; an unknown error is logged with its trace and hidden."""
    try:
        parameters.check(req)
        outcome = Outcome(handler(req))
    except DropMLError as error:
        outcome = refused(error, request_id)
    except Exception:
        log.exception("unexpected error, request %s", request_id)
        hidden = DropMLError("Something went wrong here.", remedy="The log has it under the request id.")
        outcome = refused(hidden, request_id)
    outcome.response.headers["x-request-id"] = request_id
    return outcome


def refused(error: DropMLError, request_id: str) -> Outcome:
    response = func.HttpResponse(
        json.dumps(problem(error, request_id=request_id)),
        status_code=error.status,
        mimetype=PROBLEM_JSON,
        headers={"Retry-After": wait} if (wait := retry_after(error)) else {},
    )
    return Outcome(response, error.error_code)
