"""OpenAPI of retraining pipelines."""

from __future__ import annotations

from functions.openapi.parts import (
    MAYBE_TEXT,
    PAGE,
    REQUEST_ID,
    TEXT,
    Doc,
    header_parameter,
    json_answer,
    link,
    listing,
    operation,
    path_parameter,
    record,
    ref,
    responses,
)

DATASET = path_parameter("dataset", "The dataset's name or slug.", "bankmarketing")

PATHS: Doc = {
    "/api/pipelines/{dataset}/runs": {
        "get": operation(
            "listPipelineRuns",
            "pipelines",
            "The dataset's pipeline runs, newest first",
            parameters=[DATASET, *PAGE],
            responses=responses(
                json_answer(
                    "The pipeline runs.",
                    record({"items": listing(ref("PipelineRun")), "cursor": MAYBE_TEXT, "etag": TEXT}),
                ),
                400,
                404,
            ),
        ),
        "post": operation(
            "triggerPipeline",
            "pipelines",
            "Run the published retraining pipeline",
            parameters=[
                DATASET,
                header_parameter(
                    "Idempotency-Key",
                    "The same key is the same pipeline run.",
                    {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
                ),
                REQUEST_ID,
            ],
            responses=responses(
                json_answer(
                    "Taken; Location says where to look.",
                    ref("PipelineRun"),
                    headers={"Location": {"schema": TEXT}},
                    links={"progress": link("showPipelineRun", "Its progress.", id="$response.body#/id")},
                ),
                400,
                404,
                status=202,
            ),
        ),
    },
    "/api/pipelines/{dataset}/runs/{id}": {
        "get": operation(
            "showPipelineRun",
            "pipelines",
            "A pipeline run and the run that came out of it",
            parameters=[DATASET, path_parameter("id", "The pipeline run's id.")],
            responses=responses(json_answer("The pipeline run.", ref("PipelineRun")), 404),
        )
    },
}
