"""Building blocks of the OpenAPI document: responses, parameters, components."""

from __future__ import annotations

import re
from typing import cast

from shared.domain.errors import Conflict, DropMLError, NotFound, Upstream
from shared.domain.problems import (
    PROBLEM_JSON,
    Busy,
    DeadlineExceeded,
    InvalidRows,
    MalformedBody,
    RateLimited,
    RowIssue,
    TooLarge,
    UnsupportedMedia,
    problem,
)
from shared.domain.rows.remarks import MOST

Doc = dict[str, object]

#: Status -> what it means here. 401 comes from the Functions host, before any of our code, and has no code.
REFUSALS = {
    400: "The request can't be read; `code` says why.",
    401: "The function key is missing or wrong.",
    404: "No such dataset, run, refused file, batch, blob or endpoint.",
    409: "Not in this state, or the same thing is under way.",
    413: "Too many rows or bytes.",
    415: "Neither JSON nor CSV, compressed, or a CSV in a charset that isn't read.",
    422: "Rows that don't fit the model's schema; `errors` names row and field.",
    429: "The function key was used too often; see Retry-After.",
    500: "A fault of ours; the log has it under the request id.",
    502: "The endpoint, storage or Azure answered with an error.",
    503: "The endpoint or storage is not available now; see Retry-After.",
    504: "No answer within the deadline.",
}
ALWAYS = (400, 401, 413, 415, 429, 500, 502, 503)


def literal(text: str) -> str:
    """A text of the data's inside a description, which is markdown (CommonMark): a code span, in which nothing else is."""
    shown = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    padding = " " if longest or not shown else ""
    return f"{fence}{padding}{shown}{padding}{fence}"


def ref(name: str) -> Doc:
    return {"$ref": f"#/components/schemas/{name}"}


def problems(*statuses: int) -> Doc:
    """Documented refusals; those that any call may meet are added."""
    return {
        str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted({*statuses, *ALWAYS})
    }


def responses(ok: Doc, *refusals: int, status: int = 200) -> Doc:
    return {str(status): ok, **problems(*refusals)}


def json_answer(
    description: str,
    schema: Doc,
    *,
    example: object = None,
    examples: Doc | None = None,
    as_csv: bool = False,
    headers: Doc | None = None,
    links: Doc | None = None,
) -> Doc:
    media: Doc = {"schema": schema}
    if example is not None:
        media["example"] = example
    if examples:
        media["examples"] = examples
    answer: Doc = {
        "description": description,
        "headers": {"x-request-id": REQUEST_ID_HEADER, **(headers or {})},
        "content": {"application/json": media, **({"text/csv": {"schema": TEXT}} if as_csv else {})},
    }
    return answer | ({"links": links} if links else {})


def link(operation_id: str, description: str, **parameters: str) -> Doc:
    """From an answer to the call that goes on with it."""
    return {"operationId": operation_id, "description": description, "parameters": parameters}


def path_parameter(name: str, description: str, example: str = "") -> Doc:
    doc: Doc = {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string", "minLength": 1, "maxLength": 80},
    }
    return doc | ({"example": example} if example else {})


def query_parameter(name: str, description: str, schema: Doc) -> Doc:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def header_parameter(name: str, description: str, schema: Doc) -> Doc:
    return {"name": name, "in": "header", "description": description, "schema": schema}


def idempotency(description: str) -> Doc:
    return header_parameter(
        "Idempotency-Key", description, {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}
    )


def words(**fields: Doc) -> Doc:
    """A body that may be left out, and so may each of its fields."""
    schema: Doc = {"type": "object", "properties": fields, "additionalProperties": False}
    return {"required": False, "content": {"application/json": {"schema": schema}}}


def operation(operation_id: str, tag: str, summary: str, **rest: object) -> Doc:
    return {"operationId": operation_id, "tags": [tag], "summary": summary, **rest}


def tagged(operation: Doc) -> Doc:
    """The operation, whose answer has an ETag, and which answers 304 to it."""
    documented = cast("dict[str, Doc]", operation["responses"])
    ok = documented["200"]
    headers = {**cast("Doc", ok["headers"]), "ETag": _ETAG}
    unchanged: Doc = {"description": "Nothing has changed since.", "headers": {"ETag": _ETAG}}
    return operation | {
        "parameters": [*cast("list[Doc]", operation["parameters"]), _IF_NONE_MATCH],
        "responses": documented | {"200": ok | {"headers": headers}, "304": unchanged},
    }


REQUEST_ID_HEADER: Doc = {
    "description": "The caller's x-request-id, else the id of its traceparent, else one made here.",
    "schema": {"type": "string"},
}
REQUEST_ID = header_parameter(
    "x-request-id",
    "Passed on to the endpoint and back to you. One that is not 1 to 128 visible ASCII characters is replaced.",
    {"type": "string"},
)
ACTOR = header_parameter(
    "x-dropml-actor",
    "Who asks, for the ledger; `http` where it is left out.",
    {"type": "string", "maxLength": 80, "pattern": "^([!-~]+( [!-~]+)*)?$"},
)
_ETAG: Doc = {"description": "Another one once the answer is.", "schema": {"type": "string"}}
_IF_NONE_MATCH = header_parameter(
    "If-None-Match",
    "ETags of answers that you have, or `*`: 304 without a body where this one is among them.",
    {"type": "string", "maxLength": 1000, "pattern": "^[ -~]*$"},
)
NUMBER: Doc = {"type": "number"}
TEXT: Doc = {"type": "string"}
NOTE: Doc = {"type": "string", "maxLength": MOST, "description": "Why, for the ledger."}
MAYBE_TEXT: Doc = {"type": ["string", "null"]}
OBJECT: Doc = {"type": "object"}


#: Parameters of a paged list.
PAGE = [
    query_parameter("limit", "At most so many.", {"type": "integer", "minimum": 1, "maximum": 500}),
    query_parameter("cursor", "Where to go on: `cursor` of the answer before.", TEXT),
]


def record(required: dict[str, Doc], **optional: Doc) -> Doc:
    """An object schema whose listed members are required, then optional ones."""
    return {"type": "object", "properties": {**required, **optional}, "required": list(required)}


def listing(schema: Doc) -> Doc:
    return {"type": "array", "items": schema}


#: One real document per status.
EXAMPLES: dict[int, DropMLError] = {
    400: MalformedBody(
        "The body is not JSON: Expecting value at line 1, column 1.",
        remedy="See the examples.",
        code="invalid-json",
    ),
    404: NotFound(
        "No model of the dataset 'bank' is in service.", remedy="GET /api/datasets.", code="no-live-model"
    ),
    409: Conflict("The endpoint bank-1a2b3c takes Azure AD tokens.", code="no-keys-in-use"),
    413: TooLarge("The request holds 6000 rows; at most 5000 are scored at once.", code="too-many-rows"),
    415: UnsupportedMedia(
        "The content type 'text/xml' is not taken.", remedy="Use application/json or text/csv."
    ),
    422: InvalidRows(
        [RowIssue("wrong-type", 'Field "age" must be a whole number, not "old".', "age", 1)], total=1
    ),
    429: RateLimited(
        "This function key was used more than 10 times a second.", remedy="Wait.", retry_after=1
    ),
    500: DropMLError("Something went wrong here.", remedy="The log has it under the request id."),
    502: Upstream("The endpoint bank-1a2b3c answered 500: no message", code="endpoint-error"),
    503: Busy("The endpoint bank-1a2b3c has more requests than it can handle (HTTP 429).", retry_after=2),
    504: DeadlineExceeded("The endpoint gave no answer within 30.0 s.", remedy="Send fewer rows."),
}


def _refusal(status: int, description: str) -> Doc:
    if status == 401:
        return {"description": description}
    example = problem(EXAMPLES[status], request_id="7f8a0107331a4a20bc3c0edf63964dda")
    media = {"schema": ref("Problem"), "example": example}
    doc: Doc = {"description": description, "content": {PROBLEM_JSON: media}}
    if status in (429, 503):
        doc["headers"] = {
            "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
        }
    return doc


RESPONSES: Doc = {str(status): _refusal(status, text) for status, text in REFUSALS.items()}
