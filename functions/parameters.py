"""What callers put into path, query and headers: one check for all doors, before anything reaches a service or a blob path."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import azure.functions as func

from shared.correlation import new_id
from shared.domain.errors import InvalidInput, NotFound
from shared.domain.names import guess, is_request_id
from shared.domain.problems import UnsupportedMedia

if TYPE_CHECKING:
    from shared.services.documents import Known

#: Longest query parameter. A cursor is the longest of ours; and Python refuses to read an integer of over 4,300 digits.
MAX_QUERY = 2000
#: The headers that are read and have no stricter rule of their own, and the longest that one may be.
HEADERS = ("content-type", "accept", "if-none-match")
MAX_HEADER = 1000
#: Parameters that the Functions host itself looks for, in any case: a key, and whose it is.
OF_THE_HOST = ("code", "clientid")
_SEE = "GET /api/swagger.json describes what each call takes."
_SLASH = re.compile("%2f", re.IGNORECASE)
#: https://www.w3.org/TR/trace-context/#traceparent-header-field-values; zeros alone are no id.
_TRACE = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
#: Each quoted part, without the `W/` of a weak one.
_ETAG = re.compile(r'"[^"]*"')
_REQUEST_ID = re.compile(r"[!-~]{1,128}")
#: A person's name: visible ASCII and single blanks.
_ACTOR = re.compile(r"[!-~]+(?: [!-~]+)*")
MAX_ACTOR = 80


def _named(value: str) -> bool:
    """A dataset's name is that of its file; what can't be shown (line ends, NUL, half a character) is in none."""
    return len(value) <= 1024 and value.isprintable()


#: Of each parameter in a route: whether anything could have such a name. The patterns are those of `shared.domain.names`.
ROUTE: dict[str, Callable[[str], object]] = {
    "dataset": _named,
    "id": re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch,
    "n": re.compile(r"[1-9][0-9]{0,8}").fullmatch,
    "trial": re.compile(r"[A-Za-z0-9_.-]{1,128}").fullmatch,
    "name": re.compile(r"[A-Za-z0-9-]{1,64}").fullmatch,
    "path": lambda value: len(value) <= 400 and value.isprintable(),
    "file": re.compile(r"[A-Za-z0-9._-]{1,64}").fullmatch,
}


def check(req: func.HttpRequest) -> None:
    """Raises NotFound (a path that can name nothing), InvalidInput (query, header) or UnsupportedMedia (a compressed body)."""
    for name, value in req.route_params.items():
        if not ROUTE[name](value):
            raise NotFound(f"There is no {name} {value[:80]!a}.", field=name)
    for name, value in req.params.items():
        if len(value) > MAX_QUERY or not value.isprintable():
            raise InvalidInput(
                _beyond("parameter", name, MAX_QUERY),
                remedy=_SEE,
                code="invalid-parameter",
                field=ascii(name[:40])[1:-1] or "(no name)",
            )
    for name in HEADERS:
        value = header(req, name)
        if value and (len(value) > MAX_HEADER or not (value.isascii() and value.isprintable())):
            raise InvalidInput(
                _beyond("header", name, MAX_HEADER), remedy=_SEE, code="invalid-header", field=name
            )
    encoding = header(req, "content-encoding").strip()
    if encoding and encoding.lower() != "identity":
        raise UnsupportedMedia(
            f"The body is encoded ({encoding[:40]!a}); it is taken as it is only.",
            remedy="Send it without Content-Encoding.",
            code="unsupported-encoding",
            field="Content-Encoding",
        )


def only(req: func.HttpRequest, *known: str) -> None:
    """Raises InvalidInput for a parameter of the query that the call doesn't take, with the one that was probably meant."""
    name = next((name for name in req.params if name not in known and name.lower() not in OF_THE_HOST), None)
    if name is None:
        return
    names = f"one of {', '.join(known)}" if known else "none"
    raise InvalidInput(
        f"There is no parameter {name[:40]!a}{guess(name[:40], known)}.",
        remedy=f"This call takes {names}. {_SEE}",
        code="unknown-parameter",
        field=ascii(name[:40])[1:-1] or "(no name)",
    )


def no_body(req: func.HttpRequest) -> None:
    """Raises InvalidInput for a body that says anything, where none is read: what it says would be overlooked."""
    if req.get_body().strip() not in (b"", b"{}"):
        raise InvalidInput(
            "This call reads no body, and one came with it.", remedy=f"Send none. {_SEE}", field="(body)"
        )


def _beyond(kind: str, name: str, most: int) -> str:
    return f"The {kind} {name[:40]!a} is longer than {most} characters or holds some that it can't."


def header(req: func.HttpRequest, name: str) -> str:
    """A header, empty where it is absent. The library's own `get` raises and catches where one is."""
    headers = req.headers
    return str(headers[name]) if name in headers else ""


def known(req: func.HttpRequest) -> Known:
    """Whether the caller has the answer of an ETag already: those of If-None-Match, weak ones, too, or `*` for any.

    https://www.rfc-editor.org/rfc/rfc9110#name-if-none-match compares weakly.
    """
    given = header(req, "if-none-match").strip()
    tags = frozenset(_ETAG.findall(given))
    return lambda etag: given == "*" or etag.removeprefix("W/") in tags


def dataset(req: func.HttpRequest) -> str:
    """The dataset that the path names; the host leaves an encoded slash as it is, for it parts no segments."""
    return _SLASH.sub("/", req.route_params["dataset"])


def function_key(req: func.HttpRequest) -> str:
    """The key that the host has checked, from where it looks for it; empty where it asks for none.

    The host takes the first that is sent, a parameter of the query in any case; what is sent more than once reaches us joined by
    commas, and would be another key each time.
    """
    given = header(req, "x-functions-key") or next(
        (v for n, v in req.params.items() if n.lower() == "code"), ""
    )
    return given.partition(",")[0].strip()


def request_id(req: func.HttpRequest) -> str:
    """The caller's x-request-id where it is 1 to 128 visible ASCII characters, else its trace's id, else a new one.

    What isn't the caller's own is a GUID, for an endpoint replaces any other id by one of its own.
    """
    given = header(req, "x-request-id")
    if given and _REQUEST_ID.fullmatch(given):
        return given
    trace = _TRACE.fullmatch(header(req, "traceparent"))
    digits = trace[1] if trace else new_id()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def idempotency_key(req: func.HttpRequest) -> str | None:
    """The Idempotency-Key, where there is one. Raises InvalidInput."""
    given: str | None = req.headers.get("idempotency-key")
    if given is not None and not is_request_id(given):
        raise InvalidInput(
            "The Idempotency-Key must be 1 to 64 letters, digits, dashes and underscores.",
            remedy="Use a UUID.",
            code="invalid-idempotency-key",
            field="Idempotency-Key",
        )
    return given


def actor(req: func.HttpRequest) -> str:
    """Who asks: x-dropml-actor, where there is one, else `http`. Raises InvalidInput.

    The host checks the function key and keeps its name to itself, so the name is the caller's own word.
    """
    given = header(req, "x-dropml-actor")
    if given and (len(given) > MAX_ACTOR or not _ACTOR.fullmatch(given)):
        raise InvalidInput(
            f"The header x-dropml-actor must be a name of at most {MAX_ACTOR} visible ASCII characters and single blanks.",
            remedy="Leave it out, or write the name without accents; a note in the body may hold any text.",
            code="invalid-actor",
            field="x-dropml-actor",
        )
    return given or "http"
