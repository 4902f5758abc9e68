"""What the dashboard's pages come with: their files, the address that they were asked at, the fields of their forms."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from urllib.parse import parse_qsl

import azure.functions as func

from functions import parameters
from functions.http import respond
from shared.domain.errors import InvalidInput, NotFound

STATIC = Path(__file__).parent / "static" / "dashboard"
ASSETS = {
    "style.css": "text/css",
    "app.js": "text/javascript",
    "htmx.min.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
#: Nothing runs or loads but our own files; no page stands in another's frame, no form goes elsewhere.
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
}
_FOR_GOOD = {**PAGE_HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}
#: Bytes and fields of a form.
MOST_FORM, MOST_FIELDS = 64 * 1024, 40


def origin(req: func.HttpRequest) -> str:
    return "/".join(req.url.split("/", 3)[:3])


def secure(req: func.HttpRequest) -> bool:
    return req.url.startswith("https:") or parameters.header(req, "x-forwarded-proto") == "https"


def lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def form(req: func.HttpRequest) -> dict[str, str]:
    """The fields of a form. Raises InvalidInput."""
    body = req.get_body()
    kind = parameters.header(req, "content-type").partition(";")[0].strip().lower()
    if len(body) > MOST_FORM or kind != "application/x-www-form-urlencoded":
        raise InvalidInput(
            f"A form of at most {MOST_FORM // 1024} kB is taken here.", remedy="Use the page's own form."
        )
    try:
        pairs = parse_qsl(
            body.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"
        )
    except ValueError as error:
        raise InvalidInput("The form can't be read.", remedy="Use the page's own form.") from error
    return dict(pairs)


def static(name: str, accepts: str) -> func.HttpResponse:
    if name not in ASSETS:
        raise NotFound("There is no such file.", remedy="Open /api/dashboard.")
    plain, packed = _file(name)
    if "gzip" in accepts:
        return respond(
            packed, ASSETS[name], headers={**_FOR_GOOD, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        )
    return respond(plain, ASSETS[name], headers={**_FOR_GOOD, "Vary": "Accept-Encoding"})


@lru_cache(maxsize=len(ASSETS))
def _file(name: str) -> tuple[bytes, bytes]:
    """As it is, and compressed."""
    import gzip

    raw = (STATIC / name).read_bytes()
    return raw, gzip.compress(raw, 9, mtime=0)


@lru_cache(maxsize=1)
def version() -> str:
    """Changes with any file that pages load, so that a browser keeps each for good."""
    return hashlib.sha256(b"".join(_file(name)[0] for name in sorted(ASSETS))).hexdigest()[:12]
