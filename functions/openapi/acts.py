"""OpenAPI of what people do to runs and datasets."""

from __future__ import annotations

from functions.openapi.parts import (
    ACTOR,
    NOTE,
    Doc,
    idempotency,
    json_answer,
    link,
    operation,
    path_parameter,
    ref,
    responses,
    words,
)

_RUN = path_parameter("id", "The run's id.", "bankmarketing-2-a1")
_DATASET = path_parameter("dataset", "The dataset's name or slug.", "bankmarketing")
_TO: Doc = {
    **NOTE,
    "minLength": 1,
    "description": "The run to go back to; left out, the one before the live one.",
}


def _act(
    operation_id: str,
    summary: str,
    answered: str,
    view: str,
    where: Doc,
    *,
    status: int = 200,
    refusals: tuple[int, ...] = (404, 409),
    parameters: tuple[Doc, ...] = (),
    body: Doc | None = None,
) -> Doc:
    links: Doc | None = (
        {"run": link("showRun", "The run.", id="$response.body#/run_id")} if view != "Paused" else None
    )
    return {
        "post": operation(
            operation_id,
            "acts",
            summary,
            parameters=[where, ACTOR, *parameters],
            requestBody=body or words(note=NOTE),
            responses=responses(json_answer(answered, ref(view), links=links), *refusals, status=status),
        )
    }


PATHS: Doc = {
    "/api/datasets/{dataset}/rollback": _act(
        "rollbackDataset",
        "Put the version before in force, at once",
        "The run in force. Asking again goes no further back; `to` does.",
        "InForce",
        _DATASET,
        refusals=(404, 409, 502),
        parameters=(idempotency("Repeating the request with the same key rolls back once for good."),),
        body=words(note=NOTE, to=_TO),
    ),
    "/api/datasets/{dataset}/pause": _act(
        "pauseDataset",
        "Take files and score, but train and promote nothing",
        "The dataset, paused.",
        "Paused",
        _DATASET,
    ),
    "/api/datasets/{dataset}/resume": _act(
        "resumeDataset", "Go on with a paused dataset", "The dataset.", "Paused", _DATASET
    ),
    "/api/runs/{id}/promote": _act(
        "promoteRun",
        "Give a canary all traffic now, or a version that was live before",
        "The run in force; a canary takes over once the endpoint says so.",
        "InForce",
        _RUN,
        refusals=(404, 409, 502),
    ),
    "/api/runs/{id}/cancel": _act(
        "cancelRun",
        "End a run with its job and its deployment",
        "The run; it ends as cancelled within a tick or two.",
        "Asked",
        _RUN,
        status=202,
    ),
    "/api/runs/{id}/approve": _act(
        "approveRun",
        "Let a run that waits for approval go on",
        "The run, on its way through the gate.",
        "Asked",
        _RUN,
        status=202,
    ),
    "/api/runs/{id}/reject": _act(
        "rejectRun", "Refuse a run that waits for approval", "The run.", "Asked", _RUN, status=202
    ),
}
