"""OpenAPI of the scoring doors. Each dataset in service has paths of its own, with its exact schema and real rows."""

from __future__ import annotations

from collections.abc import Collection

from functions.openapi.answers import SHARE, answer_examples, answer_schema
from functions.openapi.parts import (
    PAGE,
    REQUEST_ID,
    TEXT,
    Doc,
    header_parameter,
    idempotency,
    json_answer,
    link,
    literal,
    operation,
    path_parameter,
    query_parameter,
    ref,
    responses,
    tagged,
)
from functions.openapi.rows import body, only
from shared.domain.batches import BLOB_PATH_PATTERN, MAX_BLOB_PATH
from shared.domain.rows.payloads import MIN_DEADLINE_MS
from shared.domain.run.serving import ServingEntry
from shared.domain.schema import Schema
from shared.services.scoring.exchange import EXPLAIN_ROWS

SCORE_REFUSALS = (400, 404, 409, 413, 415, 422, 502, 504)
BATCH_ID = path_parameter("id", "The batch's id.")

#: Of all datasets.
PATHS: Doc = {
    "/api/batches": {
        "get": tagged(
            operation(
                "listBatches",
                "batch",
                "Batches, newest first: asked for, and of files that were dropped to be scored",
                parameters=[query_parameter("dataset", "Only this dataset's.", TEXT), *PAGE],
                responses=responses(json_answer("The batches.", ref("BatchList")), 400),
            )
        )
    }
}

_TRUTH: Doc = {"type": "string", "enum": ["true", "false"]}
_PROBA = query_parameter(
    "proba",
    "Whether the answer holds a probability of each class; where it is left out, `SCORE_PROBABILITIES` says. 409 "
    "`no-probabilities` where it is true and the model gives none.",
    _TRUTH,
)
_SCORE_PARAMETERS = [
    query_parameter(
        "shape",
        "Of the answer: an object with `result` (default), the bare list, or CSV.",
        {"type": "string", "enum": ["result", "list", "csv"]},
    ),
    _PROBA,
    query_parameter(
        "explain",
        f"What each column adds to each row's score, of at most {EXPLAIN_ROWS} rows; 409 `no-explanation` where there is none.",
        _TRUTH,
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
    "x-dropml-threshold": {
        "description": "The probability from which on the second of two classes was answered; absent where none decided.",
        "schema": SHARE,
    },
    "x-dropml-warnings": {
        "description": "How many values were never seen in training.",
        "schema": {"type": "integer", "minimum": 1},
    },
}
_IDEMPOTENCY = idempotency(
    "The same key with the same request is the same batch; with another one it is refused."
)


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
    return json_answer(
        "One result per row, in order.",
        answer_schema(schema),
        examples=answer_examples(schema),
        as_csv=True,
        headers=_SCORE_HEADERS,
    )


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
                description=f"Predicts {literal(entry.schema.label)}. In service: {literal(model)} behind "
                f"{literal(entry.target.endpoint)}.",
                parameters=_SCORE_PARAMETERS,
                requestBody=body(slug, entry.schema),
                responses=responses(_answers(entry.schema), *SCORE_REFUSALS),
            )
        },
        **_batch_paths(slug, suffix, name),
    }


def _batch_paths(slug: str, suffix: str, name: str) -> Doc:
    return {
        f"/api/score/{slug}/batch": {
            "post": operation(
                f"batch{suffix}",
                "batch",
                f"Score a whole CSV with the live model of {name}",
                description="The output has a column of probabilities for each class where they are asked for; the classes "
                "are those of the model that is live when the batch is taken.",
                parameters=[_PROBA, _IDEMPOTENCY, REQUEST_ID],
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
                    *(400, 404, 409, 413, 415, 422),
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
