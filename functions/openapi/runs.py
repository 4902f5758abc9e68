"""OpenAPI of runs and datasets."""

from __future__ import annotations

from functions.openapi.parts import (
    ACTOR,
    NOTE,
    PAGE,
    TEXT,
    Doc,
    json_answer,
    link,
    operation,
    path_parameter,
    query_parameter,
    record,
    ref,
    responses,
    tagged,
    words,
)

RUN_ID = path_parameter("id", "The run's id.", "bankmarketing-1-a1")

DATASET = path_parameter("dataset", "The dataset's name or slug.", "bankmarketing")

_RUN_LINKS: Doc = {
    name: link(name, "The newest one.", id="$response.body#/runs/0/run_id")
    for name in ("showRun", "showLeaderboard", "showLedger")
}

PATHS: Doc = {
    "/api/runs": {
        "get": tagged(
            operation(
                "listRuns",
                "runs",
                "Runs, newest first",
                parameters=[
                    query_parameter("dataset", "Only this dataset's.", TEXT),
                    query_parameter("state", "Only those in this state.", ref("State")),
                    *PAGE,
                ],
                responses=responses(json_answer("The runs.", ref("RunList"), links=_RUN_LINKS), 400),
            )
        )
    },
    "/api/runs/{id}": {
        "get": operation(
            "showRun",
            "runs",
            "One run, whole",
            parameters=[RUN_ID],
            responses=responses(json_answer("The run.", ref("RunDetail")), 404),
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
                    ref("Leaderboard"),
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
                    ref("Ledger"),
                ),
                404,
            ),
        )
    },
    "/api/runs/{id}/retry": {
        "post": operation(
            "retryRun",
            "runs",
            "Try a failed, rejected or cancelled run again",
            parameters=[RUN_ID, ACTOR],
            requestBody=words(note=NOTE),
            responses=responses(
                json_answer(
                    "The next attempt; asking twice starts one.",
                    record({"run_id": TEXT}),
                    links={"attempt": link("showRun", "The attempt.", id="$response.body#/run_id")},
                ),
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
                json_answer("The datasets.", ref("DatasetList")),
                400,
            ),
        )
    },
    "/api/datasets/{dataset}": {
        "get": operation(
            "showDataset",
            "runs",
            "One dataset: what serves it, and when it is trained anew",
            parameters=[DATASET],
            responses=responses(json_answer("The dataset.", ref("DatasetDetail")), 404),
        )
    },
    "/api/datasets/{dataset}/drift": {
        "get": operation(
            "showDrift",
            "runs",
            "Whether what is scored is still what was trained on",
            parameters=[DATASET, PAGE[0]],
            responses=responses(json_answer("Windows, newest first.", ref("Drift")), 404),
        )
    },
    "/api/datasets/{dataset}/versions/{n}/profile": {
        "get": tagged(
            operation(
                "showProfile",
                "runs",
                "What each column of a version holds, and what is odd about it",
                parameters=[
                    DATASET,
                    path_parameter("n", "The version: a run's `n`.", "1"),
                ],
                responses=responses(json_answer("The profile.", ref("Profile")), 404),
            )
        )
    },
}
