"""The bodies a caller may send, and what the deployment takes.

| shape | body |
|---|---|
| `data` | `{"data": [{field: value, ...}, ...]}` |
| `input_data` | `{"input_data": {"columns": [...], "index": [...], "data": [[...], ...]}}` |
| `records` | `[{field: value, ...}, ...]` |
| `csv` | `text/csv` with a header line |

An MLflow no-code deployment takes `input_data` alone, so all of them become that.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from shared.domain.problems import MalformedBody, TooLarge
from shared.domain.rows.csv_text import read_csv
from shared.domain.rows.media import encoding_of, kind_of
from shared.domain.rows.validation import Checked, RowValidator

Shape = Literal["data", "input_data", "records", "csv"]

SHAPES_HELP = (
    'Send {"data": [{field: value}]}, {"input_data": {"columns": [...], "data": [[...]]}}, a list of '
    "objects, or CSV with a header as text/csv. GET /api/swagger.json shows an example of this dataset."
)
#: Objects and lists of a request: more than twice as many as rows would be none of the shapes.
MAX_OPENINGS = 100_000
#: One without an end goes to the body's: were it none, each quotation mark in it would be looked at to the end again.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
#: Shortest deadline that a caller may ask for, in milliseconds.
MIN_DEADLINE_MS = 50
#: JSON's names of what stands where rows should; all else is a number.
_NAMES = {type(None): "null", bool: "true or false", str: "a text", list: "a list"}


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON value")


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """RFC 8259, section 4: with a name twice, readers differ in what they make of it."""
    found = dict(pairs)
    if len(found) < len(pairs):
        # Counted in one go: a body may hold half a million members.
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"the member {twice[:60]!r} stands twice in one object")
    return found


_decode = json.JSONDecoder(parse_constant=_no_constant, object_pairs_hook=_members).decode
to_text = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False).encode


@dataclass
class Payload:
    """The rows of one request, as they came."""

    shape: Shape
    rows: list[Any]
    columns: list[str] | None = None

    def check(self, validator: RowValidator) -> Checked:
        """Raises InvalidRows."""
        if self.columns is None:
            return validator.check_records(self.rows)
        return validator.check_table(self.columns, self.rows, cells=self.shape == "csv")


def parse(body: bytes, content_type: str, *, max_rows: int) -> Payload:
    """Read a scoring request's body. Raises UnsupportedMedia, MalformedBody, TooLarge."""
    if kind_of(content_type, "Use application/json or text/csv.") == "csv":
        payload = _csv(body, max_rows, encoding_of(content_type))
    else:
        _check_crumbs(body, max_rows)
        payload = _json(body)
    if not payload.rows:
        raise MalformedBody("The request holds no rows.", remedy=SHAPES_HELP, code="no-rows")
    if len(payload.rows) > max_rows:
        raise _too_many(f"{len(payload.rows)} rows" if payload.shape != "csv" else "more", max_rows)
    return payload


def _too_many(found: str, max_rows: int) -> TooLarge:
    return TooLarge(
        f"The request holds {found}; at most {max_rows} rows are scored at once.",
        remedy="Send fewer rows, or use POST /api/score/{dataset}/batch.",
        code="too-many-rows",
    )


def _check_crumbs(body: bytes, max_rows: int) -> None:
    """Before anything is made of it: of an object or a list of two bytes Python makes one of a hundred. Raises TooLarge."""
    most = max(MAX_OPENINGS, 2 * max_rows)
    if body.count(b"{") + body.count(b"[") > most:
        bare = _STRING.sub(b"", body)
        if bare.count(b"{") + bare.count(b"[") > most:
            raise _too_many(f"more than {most} objects and lists", max_rows)


def load_json(body: bytes, remedy: str = SHAPES_HELP) -> Any:
    """Strict JSON: UTF-8, no NaN, no Infinity. Raises MalformedBody with the line and column; `remedy` says what to send."""
    check_arrived(body, remedy)
    try:
        return _decode(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise MalformedBody(
            f"The body is not UTF-8 (byte {error.start}).", remedy="Encode it as UTF-8.", code="not-utf8"
        ) from None
    except json.JSONDecodeError as error:
        raise MalformedBody(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.",
            remedy=remedy,
            code="invalid-json",
        ) from None
    except (ValueError, RecursionError) as error:  # NaN; an integer of over 4,300 digits; nesting without end
        what = (
            "it is nested too deeply" if isinstance(error, RecursionError) else str(error).partition(";")[0]
        )
        raise MalformedBody(
            f"The body is not JSON we take: {what}.", remedy=remedy, code="invalid-json"
        ) from None


def _json(body: bytes) -> Payload:
    doc = load_json(body)
    if isinstance(doc, list):
        return Payload("records", doc)
    if isinstance(doc, dict):
        if len(doc) == 1 and isinstance(doc.get("data"), list):
            return Payload("data", doc["data"])
        if len(doc) == 1 and isinstance(doc.get("input_data"), dict):
            return _split(doc["input_data"])
    raise MalformedBody(
        f"The body is {_kind(doc)}, which is none of the shapes taken.",
        remedy=SHAPES_HELP,
        code="unknown-shape",
    )


def _kind(doc: object) -> str:
    if isinstance(doc, dict):
        keys = ", ".join(json.dumps(key[:40]) for key in list(doc)[:5])
        return f"an object with {keys or 'no members'}"
    return _NAMES.get(type(doc), "a number")


def _split(table: dict[str, object]) -> Payload:
    columns, data, index = table.get("columns"), table.get("data"), table.get("index")
    if not isinstance(columns, list) or not all(isinstance(c, str) for c in columns):
        raise _split_error("columns", "must be a list of names")
    if not isinstance(data, list):
        raise _split_error("data", "must be a list of lists of values")
    if index is not None and (not isinstance(index, list) or len(index) != len(data)):
        raise _split_error("index", "must be left out or hold one entry per row")
    strangers = table.keys() - {"columns", "data", "index"}
    if strangers:
        raise _split_error(min(strangers)[:60], "is not a member of input_data")
    return Payload("input_data", data, columns)


def _split_error(name: str, what: str) -> MalformedBody:
    clean = name.encode("utf-8", "replace").decode()
    return MalformedBody(
        f'"input_data"."{clean}" {what}.', remedy=SHAPES_HELP, code="unknown-shape", field=clean
    )


def check_arrived(body: bytes, remedy: str = SHAPES_HELP) -> None:
    """Raises MalformedBody for a body of nothing."""
    if not body or body.isspace():
        raise MalformedBody(
            "The body arrived empty.",
            remedy=f"Send it whole, with a Content-Length: a chunked body does not reach the app. {remedy}",
            code="empty-body",
        )


def _csv(body: bytes, max_rows: int, encoding: str) -> Payload:
    check_arrived(body)
    columns, rows = read_csv(body, max_rows, encoding)
    return Payload("csv", rows, columns)


def encode(checked: Checked) -> bytes:
    """The `input_data` body for a deployment."""
    rows = checked.rows
    return to_text(
        {"input_data": {"columns": checked.columns, "index": list(range(len(rows))), "data": rows}}
    ).encode()
