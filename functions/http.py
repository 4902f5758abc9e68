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
from shared import bootstrap
from shared.domain.errors import DropMLError
from shared.domain.problems import PROBLEM_JSON, problem, retry_after
from shared.redaction import redact

log = logging.getLogger(__name__)

#: For all answers (https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html#security-headers): taken as
#: what they are, kept nowhere, shown in nobody's frame, and nothing in them runs or loads.
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=31536000",
}

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
    """A function's handler behind the door; it may hold a worker of those that are there for all but scoring."""

    def placed(req: func.HttpRequest) -> func.HttpResponse:
        with bootstrap.workers().place("doors", "The app"):
            return handler(req)

    @functools.wraps(handler)
    def wrapped(req: func.HttpRequest) -> func.HttpResponse:
        return pass_through(placed, req, parameters.request_id(req)).response

    return wrapped


def page(handler: Handler) -> Handler:
    """A handler for strangers, which answers from memory: behind the door, and free of any limit on keys and workers."""

    @functools.wraps(handler)
    def wrapped(req: func.HttpRequest) -> func.HttpResponse:
        return pass_through(handler, req, parameters.request_id(req), limited=False).response

    return wrapped


def pass_through(
    handler: Handler, req: func.HttpRequest, request_id: str, *, limited: bool = True
) -> Outcome:
    """Check, handle, and turn what is raised into problem+json; an unknown error is logged with its trace and hidden."""
    try:
        if limited:
            bootstrap.rate_limit().check(parameters.function_key(req))
        parameters.check(req)
        outcome = Outcome(handler(req))
    except DropMLError as error:
        outcome = refused(error, request_id)
    except Exception:
        log.exception("unexpected error, request %s", request_id)
        hidden = DropMLError("Something went wrong here.", remedy="The log has it under the request id.")
        outcome = refused(hidden, request_id)
    return Outcome(secured(outcome.response, request_id), outcome.code)


def secured(response: func.HttpResponse, request_id: str) -> func.HttpResponse:
    """The headers that all our answers carry; a page's own are kept."""
    headers = response.headers
    for name, value in SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    headers["x-request-id"] = request_id
    return response


def refused(error: DropMLError, request_id: str) -> Outcome:
    response = func.HttpResponse(
        json.dumps(problem(error, request_id=request_id) | {"detail": redact(error.message)}),
        status_code=error.status,
        mimetype=PROBLEM_JSON,
        headers={"Retry-After": wait} if (wait := retry_after(error)) else {},
    )
    return Outcome(response, error.error_code)
