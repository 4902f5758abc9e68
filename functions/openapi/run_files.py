"""OpenAPI of what a training leaves: charts, explanation, guardrails, logs."""

from __future__ import annotations

from functions.openapi.parts import Doc, json_answer, operation, path_parameter, ref, responses
from functions.openapi.runs import RUN_ID

_TRIAL = path_parameter("trial", "A trial's name, as the leaderboard has it.", "bankmarketing-1-a1_3")


def _get(operation_id: str, summary: str, answer: str, schema: str, *more: Doc) -> Doc:
    return {
        "get": operation(
            operation_id,
            "runs",
            summary,
            parameters=[RUN_ID, *more],
            responses=responses(json_answer(answer, ref(schema)), 404, 502),
        )
    }


PATHS: Doc = {
    "/api/runs/{id}/trials/{trial}/charts": _get(
        "showCharts",
        "ROC, precision-recall, calibration and confusion matrix of a trial, or residuals",
        "The charts' figures; `null` and empty where the service left none.",
        "Charts",
        _TRIAL,
    ),
    "/api/runs/{id}/explanation": _get(
        "showExplanation",
        "What each column weighs in the model's answers",
        "The weightiest first.",
        "Explanation",
    ),
    "/api/runs/{id}/guardrails": _get(
        "showGuardrails", "What AutoML checked of the data", "Its checks, in its own words.", "Guardrails"
    ),
    "/api/runs/{id}/logs": _get(
        "showLog", "The end of the log that tells most of a run", "The log; empty where there is none.", "Log"
    ),
}
