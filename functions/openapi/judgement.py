"""OpenAPI of what the gate saw, and of how live models do on fresh data."""

from __future__ import annotations

from functions.openapi.parts import Doc, json_answer, link, operation, path_parameter, ref, responses

_DATASET = path_parameter("dataset", "The dataset's name or slug.", "bankmarketing")

PATHS: Doc = {
    "/api/datasets/{dataset}/performance": {
        "get": operation(
            "showPerformance",
            "runs",
            "How its live models did on each new file, before anything was trained on it",
            parameters=[_DATASET],
            responses=responses(
                json_answer(
                    "The series, in order of time; without points where no new file has met a live model.",
                    ref("Performance"),
                    links={"run": link("showRun", "The run.", id="$response.body#/points/0/run_id")},
                ),
                404,
            ),
        )
    },
}
