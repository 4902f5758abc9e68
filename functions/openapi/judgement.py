"""OpenAPI of what the gate saw, and of how live models do on fresh data."""

from __future__ import annotations

from functions.openapi.parts import Doc, json_answer, link, operation, path_parameter, ref, responses, tagged
from functions.openapi.runs import RUN_ID
from shared.domain.automl_names import GATE_METRICS

_DATASET = path_parameter("dataset", "The dataset's name or slug.", "bankmarketing")

_NUMBER: Doc = {"type": "number", "minimum": 0, "maximum": 1}
_TERMS: Doc = {
    "type": "object",
    "properties": {
        "metric": {
            "type": "string",
            "enum": list(dict.fromkeys(GATE_METRICS["classification"] + GATE_METRICS["regression"])),
            "description": "One of the run's task.",
        },
        "margin": _NUMBER,
        "floor": {"type": "number", "minimum": -1, "maximum": 1},
        "policy": {"type": "string", "enum": ["not_worse", "better"]},
        "insufficient_evidence": {"type": "string", "enum": ["promote", "reject"]},
    },
    "additionalProperties": False,
    "description": "What is left out is as it was.",
}

PATHS: Doc = {
    "/api/runs/{id}/diff": {
        "get": tagged(
            operation(
                "showDiff",
                "runs",
                "Where its model and the live one differ, on the rows that the gate asked both",
                parameters=[RUN_ID],
                responses=responses(
                    json_answer("Confusions, up to 200 rows that flip, and segments.", ref("Diff")), 404
                ),
            )
        )
    },
    "/api/runs/{id}/gate": {
        "post": operation(
            "askWhatIf",
            "runs",
            "What the gate would have said by another metric, margin, policy or floor; changes nothing",
            parameters=[RUN_ID],
            requestBody={
                "required": False,
                "content": {
                    "application/json": {
                        "schema": _TERMS,
                        "examples": {
                            "metric": {"value": {"metric": "balanced_accuracy", "margin": 0.01}},
                            "stricter": {"value": {"policy": "better"}},
                        },
                    }
                },
            },
            responses=responses(
                json_answer("What it did, and what it would have done.", ref("WhatIf")), *(400, 404, 409, 413)
            ),
        )
    },
    "/api/datasets/{dataset}/performance": {
        "get": tagged(
            operation(
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
        )
    },
}
