"""The door that every HTTP function has: parameters checked, JSON out, errors as problem+json, nothing secret in either."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from typing import NamedTuple

import azure.functions as func

from functions import parameters
from shared import bootstrap
from shared.correlation import OPERATION
from shared.domain.errors import DropMLError
from shared.domain.problems import PROBLEM_JSON, TooLarge, problem, retry_after
from shared.redaction import redact

log = logging.getLogger(__name__)

REQUEST_ID = "x-request-id"
#: For all answers (https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html#security-headers): taken as
#: what they are, kept nowhere, shown in nobody's frame, and nothing in them runs or loads.
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

#: Bytes of a body in which somebody asks for something in words; bodies of rows have bounds of their own.
MAX_WORDS = 64 * 1024

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
    return respond(json.dumps(body, default=str), "application/json", status, headers)


def tagged(req: func.HttpRequest, body: object | None, etag: str) -> func.HttpResponse:
    """A document with its ETag; 304 where the caller has it already, or `body` is None for that."""
    if body is None or parameters.known(req)(etag):
        return respond(None, "application/json", 304, {"ETag": etag})
    return answer(body, headers={"ETag": etag})


def respond(
    body: str | bytes | None,
    mimetype: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> func.HttpResponse:
    """Every answer of ours is made here: it carries the security headers, except where `headers` has its own."""
    carried = {**SECURITY_HEADERS, **headers} if headers else SECURITY_HEADERS
    return func.HttpResponse(body, status_code=status, mimetype=mimetype, headers=carried)


def door(handler: Handler) -> Handler:
    """A function's handler behind the door; it may hold a worker of those that are there for all but scoring.

    It takes no parameters in its query: `door_with` names those of a handler that does.
    """
    return door_with()(handler)


def door_with(*query: str) -> Callable[[Handler], Handler]:
    """As `door`, for a handler that reads the parameters `query`; any other is refused, for it would be overlooked."""

    def behind(handler: Handler) -> Handler:
        def bounded(req: func.HttpRequest) -> func.HttpResponse:
            parameters.only(req, *query)
            if len(req.get_body()) > MAX_WORDS:
                raise TooLarge(
                    f"The body has {len(req.get_body()):,} bytes; at most {MAX_WORDS:,} are taken here.",
                    remedy="Leave out what the call doesn't take; GET /api/swagger.json describes it.",
                    code="body-too-large",
                )
            return handler(req)

        return _placed(handler, bounded)

    return behind


def wide_door(handler: Handler) -> Handler:
    """As `door`, for a body of rows, whose size the handler sees to."""
    return _placed(handler, handler)


def _placed(handler: Handler, work: Handler) -> Handler:
    def placed(req: func.HttpRequest) -> func.HttpResponse:
        with bootstrap.workers().place("doors", "The app"):
            return work(req)

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
    token = OPERATION.set(request_id)
    try:
        if limited and (limit := bootstrap.rate_limit()).rate:
            limit.check(parameters.function_key(req))
        parameters.check(req)
        outcome = Outcome(handler(req))
    except DropMLError as error:
        outcome = refused(error, request_id)
    except Exception:
        log.exception("unexpected error, request %s", request_id)
        hidden = DropMLError("Something went wrong here.", remedy="The log has it under the request id.")
        outcome = refused(hidden, request_id)
    finally:
        OPERATION.reset(token)
    outcome.response.headers.add(REQUEST_ID, request_id)
    return outcome


def refused(error: DropMLError, request_id: str) -> Outcome:
    wait = retry_after(error)
    document = problem(error, request_id=request_id) | {"detail": redact(error.message)}
    response = respond(
        json.dumps(document), PROBLEM_JSON, error.status, {"Retry-After": wait} if wait else None
    )
    return Outcome(response, error.error_code)
