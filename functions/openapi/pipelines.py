"""OpenAPI of retraining pipelines."""

from __future__ import annotations

from functions.openapi.parts import (
    ACTOR,
    MAYBE_TEXT,
    NOTE,
    PAGE,
    REQUEST_ID,
    TEXT,
    Doc,
    idempotency,
    json_answer,
    link,
    listing,
    operation,
    path_parameter,
    record,
    ref,
    responses,
    tagged,
    words,
)

DATASET = path_parameter("dataset", "The dataset's name or slug.", "bankmarketing")


_PARAMETERS: dict[str, Doc] = {
    "timeout_minutes": {
        "type": "number",
        "minimum": 0.1,
        "maximum": 8640,
        "description": "Limit of the AutoML job; at most OVERRIDE_MAX_TIMEOUT_MINUTES or EXPERIMENT_TIMEOUT_MINUTES.",
    },
    "max_trials": {
        "type": "integer",
        "minimum": 1,
        "maximum": 1000,
        "description": "Most trials; at most MAX_TRIALS.",
    },
}


def _shown(id_: str, description: str) -> Doc:
    return link("showPipelineRun", description, dataset="$request.path.dataset", id=id_)


PATHS: Doc = {
    "/api/pipelines/{dataset}/runs": {
        "get": tagged(
            operation(
                "listPipelineRuns",
                "pipelines",
                "The dataset's pipeline runs, newest first",
                parameters=[DATASET, *PAGE],
                responses=responses(
                    json_answer(
                        "The pipeline runs.",
                        record({"items": listing(ref("PipelineRun")), "cursor": MAYBE_TEXT, "etag": TEXT}),
                        links={"newest": _shown("$response.body#/items/0/id", "The newest one.")},
                    ),
                    400,
                    404,
                ),
            )
        ),
        "post": operation(
            "triggerPipeline",
            "pipelines",
            "Run the published retraining pipeline",
            parameters=[
                DATASET,
                idempotency("The same key is the same pipeline run."),
                ACTOR,
                REQUEST_ID,
            ],
            requestBody=words(**_PARAMETERS),
            responses=responses(
                json_answer(
                    "Taken; Location says where to look.",
                    ref("PipelineRun"),
                    headers={"Location": {"schema": TEXT}},
                    links={"progress": _shown("$response.body#/id", "Its progress.")},
                ),
                400,
                404,
                409,
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
    "/api/pipelines/{dataset}/runs/{id}/cancel": {
        "post": operation(
            "cancelPipelineRun",
            "pipelines",
            "End a pipeline run, its job and the run that came of it",
            parameters=[DATASET, path_parameter("id", "The pipeline run's id."), ACTOR],
            requestBody=words(note=NOTE),
            responses=responses(
                json_answer("As it is by now.", ref("PipelineRun")), 400, 404, 409, status=202
            ),
        )
    },
    "/api/pipelines/{dataset}/publish": {
        "post": operation(
            "publishPipeline",
            "pipelines",
            "Publish the retraining pipeline as the dataset's configuration is now",
            parameters=[DATASET, idempotency("The same key is the same publication."), ACTOR],
            responses=responses(
                json_answer(
                    "Taken; Location says where to look.",
                    ref("PipelineRun"),
                    headers={"Location": {"schema": TEXT}},
                    links={"progress": _shown("$response.body#/id", "Its progress.")},
                ),
                404,
                409,
                status=202,
            ),
        )
    },
}
