"""What schemathesis can't learn from the document: CSV text, and what every refusal holds (loaded through SCHEMATHESIS_HOOKS)."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path
from typing import Any

import schemathesis

PAGE = Path(__file__).resolve().parents[2] / "docs" / "errors.md"
CODES = frozenset(re.findall(r"`([a-z0-9-]+)`", PAGE.read_text()))
HEADER, *ROWS = os.environ["CONTRACT_CSV"].strip().splitlines()


def csv_text(seed: str) -> str:
    """The documented example with its rows repeated and in any order, under any delimiter that is taken."""
    chance = random.Random(seed)
    lines = [HEADER, *chance.choices(ROWS, k=chance.randint(1, 20))]
    return "\n".join(lines).replace(",", chance.choice(",;\t|"))


def _rows(body: Any) -> list[Any]:
    if isinstance(body, list):
        return body
    rows = body.get("data", body.get("input_data", {}))
    rows = rows.get("data", []) if isinstance(rows, dict) else rows
    return rows if isinstance(rows, list) else []


@schemathesis.hook
def map_case(ctx: Any, case: Any) -> Any:
    """The document can only say that CSV and cursors are text; where valid data is wanted, make it valid."""
    if case.query and (case.meta is None or not case.meta.is_negative_at("query")):
        case.query = {
            name: value
            for name, value in case.query.items()
            if name != "cursor" and (not isinstance(value, str) or value.isprintable())
        }
    if case.query and isinstance(case.body, list | dict) and len(_rows(case.body)) > 20:
        case.query.pop("explain", None)  # so many are not explained, which no schema of the body can say
    if case.media_type == "text/csv" and isinstance(case.body, str):
        wanted_valid = case.meta is None or not case.meta.is_negative_at("body")
        if wanted_valid and not case.body.startswith(HEADER):
            case.body = csv_text(case.body)
    return case


@schemathesis.hook
def filter_case(ctx: Any, case: Any) -> bool:
    """Leave out mistakes that no app could reject.

    A header that nobody declared is none in HTTP; blanks around a header's value are no part of it, and one without any
    means what its absence does; and the Functions host drops query parameters without a value.
    """
    headers = case.headers or {}
    padded = any(str(value) != str(value).strip() for value in headers.values())
    padded = padded or headers.get("x-dropml-deadline-ms", "1") in ("", [], {}, True, False, None)
    undeclared = "x-schemathesis-unknown-property" in (case.headers or {})
    known = (
        headers.get("If-None-Match") == "*"
    )  # what is answered with 304, whose body nothing can be held against
    valueless = any(value in ("", {}, []) for value in (case.query or {}).values())
    return not undeclared and not padded and not valueless and not known


@schemathesis.check
def refusals_are_problems(ctx: Any, response: Any, case: Any) -> None:
    """Each is problem+json with a documented code, and says where: RFC 9457. All answers carry the security headers."""
    headers = {name.lower(): " ".join(values) for name, values in response.headers.items()}
    if "x-request-id" not in headers:  # the Functions host's own word, before any of our code
        assert response.status_code in (400, 401, 404, 413, 414, 431), response.status_code
        return
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    if response.status_code < 400:
        return
    assert headers["content-type"] == "application/problem+json"
    told = response.json()
    assert told["status"] == response.status_code
    assert told["code"] in CODES, told["code"]
    assert told["detail"]
    assert told["request_id"] == headers["x-request-id"]
    if (
        response.status_code in (400, 422)
        and told["code"].startswith("invalid-")
        and told["code"] != "invalid-json"
    ):
        assert told.get("field") or told.get("line") or told.get("errors"), told
    if response.status_code in (429, 503):
        assert int(headers["retry-after"]) >= 1
