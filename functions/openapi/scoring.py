"""OpenAPI of the scoring doors. Each dataset in service has paths of its own, with its exact schema and real rows."""

from __future__ import annotations

from collections.abc import Collection

from functions.openapi.parts import (
    NUMBER,
    OBJECT,
    REQUEST_ID,
    REQUEST_ID_HEADER,
    TEXT,
    Doc,
    header_parameter,
    json_answer,
    link,
    listing,
    operation,
    path_parameter,
    query_parameter,
    record,
    ref,
    responses,
)
from functions.openapi.rows import body, only, result_schema
from shared.domain.batches import BLOB_PATH_PATTERN, MAX_BLOB_PATH
from shared.domain.rows.payloads import MIN_DEADLINE_MS
from shared.domain.run.serving import ServingEntry
from shared.domain.schema import Schema

SCORE_REFUSALS = (400, 404, 413, 415, 422, 502, 504)
ENDPOINT = path_parameter("name", "The endpoint's name.")
BATCH_ID = path_parameter("id", "The batch's id.")

_SCORE_PARAMETERS = [
    query_parameter(
        "shape",
        "Of the answer: an object with `result` (default), the bare list, or CSV.",
        {"type": "string", "enum": ["result", "list", "csv"]},
    ),
    header_parameter(
        "x-dropml-deadline-ms",
        "Give up after so many milliseconds; also the endpoint is not waited for any longer.",
        {"type": "integer", "minimum": MIN_DEADLINE_MS},
    ),
    REQUEST_ID,
]
_SCORE_HEADERS: Doc = {
    "x-dropml-model": {"description": "Model and version that answered.", "schema": TEXT},
    "x-dropml-run": {"description": "The run that made it.", "schema": TEXT},
    "x-dropml-warnings": {
        "description": "How many values were never seen in training.",
        "schema": {"type": "integer", "minimum": 1},
    },
}
_IDEMPOTENCY = header_parameter(
    "Idempotency-Key",
    "The same key with the same request is the same batch; with another one it is refused.",
    {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
)

SCHEMAS: Doc = {
    "Batch": record(
        {
            "id": TEXT,
            "dataset": TEXT,
            "status": {"type": "string", "enum": ["queued", "running", "completed", "failed"]},
            "progress": {"type": "number", "minimum": 0, "maximum": 1},
            "rows": {"type": "integer"},
            "rows_failed": {"type": "integer"},
            "source": TEXT,
            "output": TEXT,
            "created_at": NUMBER,
            "updated_at": NUMBER,
        },
        models={"type": "object", "additionalProperties": {"type": "integer"}},
        rows_per_second=NUMBER,
        error={"type": ["object", "null"]},
    ),
    "Rotation": record(
        {
            "endpoint": TEXT,
            "id": TEXT,
            "status": {"type": "string", "enum": ["queued", "running", "completed", "failed"]},
            "rotated": listing({"type": "string", "enum": ["primary", "secondary"]}),
            "requested_at": NUMBER,
            "updated_at": NUMBER,
            "error": {"type": ["object", "null"]},
        }
    ),
    "BenchmarkOptions": {
        "type": "object",
        "properties": {
            "requests": {"type": "integer", "minimum": 1, "maximum": 500, "default": 100},
            "concurrency": {"type": "integer", "minimum": 1, "maximum": 8, "default": 1},
            "rows": {"type": "integer", "minimum": 1, "maximum": 100, "default": 2},
        },
        "additionalProperties": False,
    },
    "Benchmark": record(
        {
            "endpoint": TEXT,
            "deployment": TEXT,
            "requests": {"type": "integer"},
            "requests_per_second": NUMBER,
            "latency_ms": OBJECT,
            "errors": OBJECT,
        }
    ),
}


def blob_source(containers: Collection[str]) -> Doc:
    """What a batch may be read from."""
    names = "|".join(sorted(containers))
    blob = {
        "type": "string",
        "description": "container/path",
        "pattern": f"^({names})/{BLOB_PATH_PATTERN}$",
        "maxLength": MAX_BLOB_PATH,
        "examples": [f"{min(containers)}/in/rows.csv"],
    }
    return only("blob", blob)


def _answers(schema: Schema) -> Doc:
    result = listing(result_schema(schema))
    shaped = {
        "anyOf": [
            {
                **record({"result": result}, probabilities=listing({}), warnings=listing(ref("Issue"))),
                "additionalProperties": False,
            },
            result,
        ]
    }
    example = {"result": [schema.classes[0]] * max(1, len(schema.example))} if schema.classes else None
    answer = json_answer("One result per row, in order.", shaped, example=example, headers=_SCORE_HEADERS)
    answer["content"]["text/csv"] = {"schema": TEXT}
    return answer


def dataset_paths(entry: ServingEntry) -> Doc:
    """The paths of one dataset in service."""
    slug, name = entry.slug, entry.dataset
    suffix = "".join(part.capitalize() for part in slug.split("-"))
    model = entry.version(entry.live).model
    return {
        f"/api/score/{slug}": {
            "post": operation(
                f"score{suffix}",
                "scoring",
                f"Score rows with the live model of {name}",
                description=f"Predicts `{entry.schema.label}`. In service: {model} behind {entry.target.endpoint}.",
                parameters=_SCORE_PARAMETERS,
                requestBody=body(slug, entry.schema),
                responses=responses(_answers(entry.schema), *SCORE_REFUSALS),
            )
        },
        f"/api/score/{slug}/batch": {
            "post": operation(
                f"batch{suffix}",
                "batch",
                f"Score a whole CSV with the live model of {name}",
                parameters=[_IDEMPOTENCY, REQUEST_ID],
                requestBody={
                    "required": True,
                    "content": {
                        "application/json": {"schema": ref("BlobSource")},
                        "text/csv": {"schema": {"type": "string", "minLength": 1}},
                    },
                },
                responses=responses(
                    json_answer(
                        "Taken. Location says where its progress is; the output appears when it is complete.",
                        ref("Batch"),
                        headers={"Location": {"schema": TEXT}},
                        links={
                            "progress": link(f"showBatch{suffix}", "Its progress.", id="$response.body#/id")
                        },
                    ),
                    *(400, 404, 409, 413, 422),
                    status=202,
                ),
            )
        },
        f"/api/score/{slug}/batch/{{id}}": {
            "get": operation(
                f"showBatch{suffix}",
                "batch",
                "Progress of a batch",
                parameters=[BATCH_ID, REQUEST_ID],
                responses=responses(json_answer("The batch.", ref("Batch")), 404),
            )
        },
    }


def any_score(entries: list[ServingEntry]) -> Doc:
    """`/api/score`, for when there is only one dataset. It takes that dataset's rows."""
    if len(entries) == 1:
        entry = entries[0]
        rows, answers = body(entry.slug, entry.schema), _answers(entry.schema)
    else:
        rows = {
            "required": True,
            "content": {"application/json": {"schema": {}}, "text/csv": {"schema": TEXT}},
        }
        answers = json_answer("One result per row, in order.", {}, headers=_SCORE_HEADERS)
    return {
        "/api/score": {
            "post": operation(
                "score",
                "scoring",
                "Score rows with the only model in service",
                parameters=_SCORE_PARAMETERS,
                requestBody=rows,
                responses=responses(answers, *SCORE_REFUSALS),
            )
        }
    }


PATHS: Doc = {
    "/api/endpoints/{name}/swagger.json": {
        "get": operation(
            "endpointSwagger",
            "endpoints",
            "The endpoint's own swagger",
            parameters=[
                ENDPOINT,
                query_parameter("version", "2 (default) or 3.", {"type": "string", "enum": ["2", "3"]}),
                REQUEST_ID,
            ],
            responses=responses(json_answer("As the endpoint gave it.", OBJECT), 400, 404, 502, 504),
        )
    },
    "/api/endpoints/{name}/rotate-key": {
        "post": operation(
            "rotateKey",
            "endpoints",
            "Replace both keys of an endpoint without a failed request",
            description="Keys that others hold stop working. While a rotation is open, asking again means that one.",
            parameters=[ENDPOINT, REQUEST_ID],
            responses=responses(
                json_answer(
                    "Taken; Location says where its progress is.",
                    ref("Rotation"),
                    headers={"Location": {"schema": TEXT}},
                    links={"progress": link("showRotation", "Its progress.", name="$request.path.name")},
                ),
                *(404, 409, 502),
                status=202,
            ),
        )
    },
    "/api/endpoints/{name}/rotation": {
        "get": operation(
            "showRotation",
            "endpoints",
            "The latest rotation of an endpoint's keys",
            parameters=[ENDPOINT, REQUEST_ID],
            responses=responses(json_answer("The rotation.", ref("Rotation")), 404),
        )
    },
    "/api/endpoints/{name}/benchmark": {
        "post": operation(
            "benchmark",
            "endpoints",
            "Measure an endpoint for at most 20 seconds",
            parameters=[ENDPOINT, REQUEST_ID],
            requestBody={
                "content": {
                    "application/json": {
                        "schema": ref("BenchmarkOptions"),
                        "example": {"requests": 100, "concurrency": 1, "rows": 2},
                    }
                }
            },
            responses=responses(
                json_answer("The measurement.", ref("Benchmark")), *(400, 404, 413, 422, 502, 504)
            ),
        )
    },
    "/api/swagger.json": {
        "get": operation(
            "swagger",
            "docs",
            "This document",
            parameters=[REQUEST_ID],
            responses=responses(json_answer("OpenAPI 3.1.", OBJECT)),
        )
    },
    "/api/docs": {
        "get": operation(
            "docs",
            "docs",
            "Swagger UI; asks for the function key",
            security=[],
            responses={
                "200": {
                    "description": "The page.",
                    "headers": {"x-request-id": REQUEST_ID_HEADER},
                    "content": {"text/html": {"schema": TEXT}},
                },
                "500": {"$ref": "#/components/responses/500"},
                "503": {"$ref": "#/components/responses/503"},
            },
        )
    },
}
