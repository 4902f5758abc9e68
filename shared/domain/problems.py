"""Errors of the HTTP surface and their RFC 9457 form (application/problem+json).

The codes are stable: callers may branch on them. `docs/errors.md` lists them all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from shared.domain.errors import Conflict, DropMLError, InvalidInput, Transient, Upstream

PROBLEM_JSON = "application/problem+json"
#: A report lists this many row errors; `total_errors` counts them all.
MAX_LISTED = 20


@dataclass(frozen=True)
class RowIssue:
    """One thing wrong (or odd) in one cell. `row` counts from 0, as sent; None concerns all rows."""

    code: str
    message: str
    field: str | None = None
    row: int | None = None

    def to_dict(self) -> dict[str, object]:
        doc: dict[str, object] = {"code": self.code, "message": self.message}
        if self.row is not None:
            doc["row"] = self.row
        if self.field is not None:
            doc["field"] = self.field
        return doc


@dataclass(frozen=True)
class Fault:
    """An error as it stands in a batch's or a rotation's document."""

    code: str
    message: str
    remedy: str = ""

    @staticmethod
    def of(error: DropMLError) -> Fault:
        return Fault(error.error_code, error.message, error.remedy)


class MalformedBody(InvalidInput):
    """The body can't be read at all: not JSON, not CSV, or none of the documented shapes."""

    code = "malformed-body"


class UnsupportedMedia(InvalidInput):
    code = "unsupported-media-type"
    status = 415


class TooLarge(InvalidInput):
    code = "too-large"
    status = 413


class InvalidRows(InvalidInput):
    """Rows that don't fit the live model's schema. Carries the issues found."""

    code = "invalid-rows"
    status = 422
    REMEDY = "Correct the rows and fields that `errors` names (rows count from 0); /api/docs shows the model's columns."

    def __init__(self, issues: list[RowIssue], total: int) -> None:
        first = issues[0]
        more = f" ({total - 1} more)" if total > 1 else ""
        super().__init__(first.message + more, remedy=self.REMEDY, row=first.row, field=first.field)
        self.issues = issues
        self.total = total

    def to_dict(self) -> dict[str, object]:
        listed = [issue.to_dict() for issue in self.issues[:MAX_LISTED]]
        return super().to_dict() | {"errors": listed, "total_errors": self.total}


class ModelRefused(InvalidInput):
    """The rows passed our validation, yet the model's own container refused them."""

    code = "model-refused"
    status = 422


class KeyReused(Conflict):
    """An Idempotency-Key that was already used with another request."""

    code = "idempotency-key-reused"


class DeadlineExceeded(Transient):
    code = "deadline-exceeded"
    status = 504


class Wait(Transient):
    """Not now: the same call is welcome after `retry_after` seconds."""

    def __init__(
        self, message: str, *, retry_after: float, remedy: str = "", code: str | None = None, **where: object
    ) -> None:
        super().__init__(message, remedy=remedy, code=code, **where)
        self.retry_after = retry_after
        self.where["retry_after"] = round(retry_after, 3)


class Busy(Wait):
    """The endpoint throttles; it asked for so long a wait."""

    code = "endpoint-busy"


class Waking(Wait):
    """The endpoint sleeps, and is being woken."""

    code = "waking"


class Overloaded(Wait):
    """More calls of one kind are under way than may hold the app's workers."""

    code = "overloaded"


class CircuitOpen(Wait):
    """The endpoint gave no answer several times in a row, and is left alone for a while."""

    code = "endpoint-circuit-open"


class RateLimited(Wait):
    """A function key was used more often than the app allows."""

    code = "rate-limited"
    status = 429


class Unreachable(Transient):
    """No connection to the endpoint came about, or none that lasted."""

    code = "endpoint-unreachable"


class EndpointRefused(Upstream):
    """The endpoint takes none of its keys, or forbids the call."""

    code = "endpoint-unauthorized"


_TITLES = {
    400: "Bad request",
    404: "Not found",
    409: "Conflict",
    413: "Too large",
    415: "Unsupported media type",
    422: "Rows don't fit the model's schema",
    429: "Too many requests",
    500: "Internal error",
    502: "The endpoint answered with an error",
    503: "Not available now",
    504: "No answer in time",
}


@dataclass(frozen=True)
class Problem:
    """An error over HTTP, RFC 9457. Beside these members stands where it happened: field, row, line, file."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    remedy: str = ""
    request_id: str = ""
    errors: tuple[RowIssue, ...] = ()
    total_errors: int = 0


def problem(error: DropMLError, *, request_id: str = "") -> dict[str, object]:
    """The problem+json document of an error; members that have nothing to say are left out."""
    head = Problem(
        type=f"urn:dropml:problem:{error.error_code}",
        title=_TITLES.get(error.status, "Error"),
        status=error.status,
        detail=error.message,
        code=error.error_code,
        request_id=request_id,
    )
    rest = {name: value for name, value in error.to_dict().items() if name not in ("code", "message")}
    return {name: value for name, value in vars(head).items() if value} | rest


def retry_after(error: DropMLError) -> str | None:
    """Value of the Retry-After header (whole seconds, at least 1) where the error asks for one."""
    if isinstance(error, Wait):
        return str(max(1, math.ceil(error.retry_after)))
    return "1" if error.status == 503 else None
