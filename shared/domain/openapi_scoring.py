"""OpenAPI of the scoring doors. Each dataset in service has paths of its own, with its exact schema and real rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection
from typing import Any

from shared.domain.batches import BLOB_PATH_PATTERN, MAX_BLOB_PATH
from shared.domain.openapi_parts import (
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
from shared.domain.payloads import MIN_DEADLINE_MS
from shared.domain.schema import Column, Schema
from shared.domain.serving import ServingEntry
from shared.domain.validation import INT64_MAX, INT64_MIN

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
    {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
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
        "examples": [f"{sorted(containers)[0]}/in/rows.csv"],
    }
    return _only("blob", blob)


def column_schema(column: Column) -> Doc:
    """JSON Schema of one field. Seen categories are told in words: an unseen one is a warning, not an error."""
    doc: Doc = {"type": "string" if column.type == "datetime" else column.type}
    if column.type == "integer":
        doc |= {"format": "int64", "minimum": INT64_MIN, "maximum": INT64_MAX}
    elif column.type == "number":
        doc["format"] = "double"
    elif column.type == "datetime":
        doc["anyOf"] = [{"format": "date"}, {"format": "date-time"}]
    told = []
    if column.categories:
        told.append("Seen in training: " + ", ".join(column.categories[:50]) + ".")
    if column.minimum is not None and column.maximum is not None:
        told.append(f"In training from {column.minimum:g} to {column.maximum:g}.")
    if told:
        doc["description"] = " ".join(told)
    if column.nullable:
        doc["type"] = [doc["type"], "null"]
    return doc


def row_schema(schema: Schema) -> Doc:
    return {
        "type": "object",
        "properties": {column.name: column_schema(column) for column in schema.columns},
        "required": [column.name for column in schema.columns if not column.nullable],
        "additionalProperties": False,
    }


def example_rows(schema: Schema) -> list[dict[str, Any]]:
    """The schema's real rows, with the features alone."""
    names = [column.name for column in schema.columns]
    return [{name: row[name] for name in names if name in row} for row in schema.example]


def _input_data(schema: Schema) -> Doc:
    """The table form. That a row has as many values as there are columns is beyond JSON Schema; `prefixItems` says
    what stands where for the columns in file order, which this form fixes."""
    names = [column.name for column in schema.columns]
    row = {
        "type": "array",
        "prefixItems": [column_schema(column) for column in schema.columns],
        "items": False,
        "minItems": len(names),
    }
    table = {
        "type": "object",
        "properties": {
            "columns": {"const": names},
            "data": {"type": "array", "items": row, "minItems": 1},
        },
        "required": ["columns", "data"],
        "additionalProperties": False,
    }
    return _only("input_data", table)


def _only(name: str, schema: Doc) -> Doc:
    return {"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": False}


def _body(slug: str, schema: Schema) -> Doc:
    rows = example_rows(schema)
    names = [column.name for column in schema.columns]
    data = [[row.get(name) for name in names] for row in rows]
    examples: Doc = {
        "data": {"summary": "Records under data", "value": {"data": rows}},
        "input_data": {
            "summary": "A table, as MLflow takes it",
            "value": {"input_data": {"columns": names, "data": data}},
        },
        "records": {"summary": "A list of records", "value": rows},
    }
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([names, *data])
    return {
        "required": True,
        "content": {
            "application/json": {
                "schema": ref(f"Rows-{slug}"),
                **({"examples": examples} if rows else {}),
            },
            "text/csv": {"schema": TEXT, **({"example": out.getvalue()} if rows else {})},
        },
    }


def _result(schema: Schema) -> Doc:
    """What one row gives: a class label, or a number for regression. Labels come as the training file typed them."""
    if not schema.classes:
        return NUMBER
    return {"description": "One of the classes: " + ", ".join(schema.classes[:50])}


def _answers(schema: Schema) -> Doc:
    result = listing(_result(schema))
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


def dataset_schemas(entry: ServingEntry) -> Doc:
    row = ref(f"Row-{entry.slug}")
    some = {"type": "array", "items": row, "minItems": 1}
    return {
        f"Row-{entry.slug}": row_schema(entry.schema),
        f"Rows-{entry.slug}": {"anyOf": [_only("data", some), _input_data(entry.schema), some]},
    }


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
                requestBody=_body(slug, entry.schema),
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
        body, answers = _body(entry.slug, entry.schema), _answers(entry.schema)
    else:
        body = {
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
                requestBody=body,
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
            description="Keys that others hold stop working. Broken off, it can be run again; run twice, it rotates twice.",
            parameters=[ENDPOINT, REQUEST_ID],
            responses=responses(
                json_answer(
                    "Both keys are new.",
                    record({"endpoint": TEXT, "rotated": listing(TEXT), "in_use": TEXT}),
                ),
                *(404, 409, 502, 504),
            ),
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
