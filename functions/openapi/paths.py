"""The HTTP surface beside scoring, as data: one dict of OpenAPI path items per module of `functions/`."""

from __future__ import annotations

from functions.openapi.parts import (
    MAYBE_TEXT,
    NUMBER,
    OBJECT,
    REQUEST_ID,
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
from shared.domain.run.states import State

RUN_ID = path_parameter("id", "The run's id.", "bankmarketing-1-a1")
DATASET = path_parameter("dataset", "The dataset's name or slug.", "bankmarketing")

PAGE = [
    query_parameter("limit", "At most so many.", {"type": "integer", "minimum": 1, "maximum": 500}),
    query_parameter("cursor", "Where to go on: `cursor` of the answer before.", TEXT),
]

SCHEMAS: Doc = {
    "RunSummary": record(
        {
            "run_id": TEXT,
            "dataset": TEXT,
            "state": ref("RunState"),
            "cause": TEXT,
            "created_at": NUMBER,
            "entered_at": NUMBER,
        },
        rows={"type": ["integer", "null"]},
        best_algorithm=MAYBE_TEXT,
        AUC_weighted={"type": ["number", "null"]},
        gate=MAYBE_TEXT,
        error=MAYBE_TEXT,
    ),
    "RunState": {"type": "string", "enum": [str(state) for state in State]},
    "Run": record(
        {
            "run_id": TEXT,
            "dataset": TEXT,
            "state": ref("RunState"),
            "created_at": NUMBER,
            "history": listing(OBJECT),
        }
    ),
    "Dataset": record(
        {"dataset": TEXT, "slug": TEXT, "open_runs": listing(TEXT), "versions": NUMBER},
        champion=MAYBE_TEXT,
        endpoint=MAYBE_TEXT,
        model=MAYBE_TEXT,
        traffic={"type": "object", "additionalProperties": NUMBER},
    ),
    "Trial": record(
        {"name": TEXT, "status": TEXT, "metrics": {"type": "object", "additionalProperties": {}}}
    ),
    "PipelineRun": record(
        {"id": TEXT, "dataset": TEXT, "status": TEXT, "created_at": NUMBER},
        job=MAYBE_TEXT,
        run_id=MAYBE_TEXT,
        run_state=MAYBE_TEXT,
    ),
}

_RUN_LINKS = {
    name: link(name, "The newest one.", id="$response.body#/runs/0/run_id")
    for name in ("showRun", "showLeaderboard", "showLedger")
}

RUNS: Doc = {
    "/api/runs": {
        "get": operation(
            "listRuns",
            "runs",
            "Runs, newest first",
            parameters=[
                query_parameter("dataset", "Only this dataset's.", TEXT),
                query_parameter("state", "Only those in this state.", ref("RunState")),
                *PAGE,
            ],
            responses=responses(
                json_answer("The runs.", record({"runs": listing(ref("RunSummary"))}, cursor=MAYBE_TEXT)), 400
            ),
        )
    },
    "/api/runs/{id}": {
        "get": operation(
            "showRun",
            "runs",
            "One run, whole",
            parameters=[RUN_ID],
            responses=responses(json_answer("The run.", ref("Run")), 404),
        )
    },
    "/api/runs/{id}/leaderboard": {
        "get": operation(
            "showLeaderboard",
            "runs",
            "Its trials, best first",
            parameters=[RUN_ID],
            responses=responses(
                json_answer(
                    "The trials.",
                    record(
                        {"run_id": TEXT, "primary_metric": TEXT, "trials": listing(ref("Trial"))},
                        best=MAYBE_TEXT,
                    ),
                ),
                404,
            ),
        )
    },
    "/api/runs/{id}/ledger": {
        "get": operation(
            "showLedger",
            "runs",
            "Everything that happened to it, hash-chained",
            parameters=[RUN_ID],
            responses=responses(
                json_answer(
                    "The ledger; `broken_at` is the first entry whose chain does not hold.",
                    record(
                        {"run_id": TEXT, "entries": listing(OBJECT)},
                        broken_at={"type": ["integer", "null"]},
                    ),
                ),
                404,
            ),
        )
    },
    "/api/runs/{id}/retry": {
        "post": operation(
            "retryRun",
            "runs",
            "Try a failed or rejected run again",
            parameters=[RUN_ID],
            responses=responses(
                json_answer("The next attempt; asking twice starts one.", record({"run_id": TEXT})),
                404,
                409,
                status=202,
            ),
        )
    },
    "/api/datasets": {
        "get": operation(
            "listDatasets",
            "runs",
            "Datasets and their champions, by name",
            parameters=PAGE,
            responses=responses(
                json_answer(
                    "The datasets.", record({"datasets": listing(ref("Dataset"))}, cursor=MAYBE_TEXT)
                ),
                400,
            ),
        )
    },
    "/api/health": {
        "get": operation(
            "health",
            "health",
            "Is the app able to work?",
            security=[],
            responses={
                "200": json_answer("It is.", record({"status": {"const": "healthy"}})),
                "503": {"$ref": "#/components/responses/503"},
            },
        )
    },
}

PIPELINES: Doc = {
    "/api/pipelines/{dataset}/runs": {
        "get": operation(
            "listPipelineRuns",
            "pipelines",
            "The dataset's pipeline runs, newest first",
            parameters=[DATASET, *PAGE],
            responses=responses(
                json_answer(
                    "The pipeline runs.", record({"items": listing(ref("PipelineRun"))}, cursor=MAYBE_TEXT)
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
