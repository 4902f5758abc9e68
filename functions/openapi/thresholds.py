"""OpenAPI of thresholds: the curve of a run, what the live model answers by, another one."""

from __future__ import annotations

from functions.openapi.parts import (
    ACTOR,
    NOTE,
    Doc,
    json_answer,
    link,
    operation,
    path_parameter,
    record,
    ref,
    responses,
)
from functions.openapi.runs import RUN_ID
from shared.domain.threshold.counts import METRICS

_DATASET = path_parameter("dataset", "The dataset's name or slug.", "bankmarketing")
_SHARE: Doc = {"type": "number", "minimum": 0, "maximum": 1}
_PRICE: Doc = {"type": "number", "minimum": 0, "maximum": 1e12}
_POSITIVE: Doc = {
    "type": "string",
    "description": "The class that the rule speaks of; the rarer one by default.",
}
_CURVE: Doc = {"curve": link("showCurve", "What there is to choose from.", id="$response.body#/run_id")}


def _rule(name: str, schema: Doc) -> Doc:
    """Exactly one rule."""
    return record({name: schema}, positive=_POSITIVE, note=NOTE) | {"additionalProperties": False}


SCHEMAS: Doc = {
    "ThresholdRequest": {
        "oneOf": [
            record(
                {"threshold": {"type": ["number", "null"], "minimum": 0, "maximum": 1}},
                note=NOTE,
            )
            | {
                "additionalProperties": False,
                "description": "From this probability of the second class on it is answered; null: the more probable class.",
            },
            _rule("maximise", {"type": "string", "enum": list(METRICS)}),
            _rule("min_precision", _SHARE),
            _rule("min_recall", _SHARE),
            _rule(
                "cost",
                {
                    "type": "object",
                    "properties": {"false_positive": _PRICE, "false_negative": _PRICE},
                    "additionalProperties": False,
                    "description": "Of one wrong answer of each kind; 1 where it isn't said.",
                },
            ),
        ]
    }
}

PATHS: Doc = {
    "/api/runs/{id}/threshold": {
        "get": operation(
            "showCurve",
            "runs",
            "What each threshold of its model trades, over the holdout",
            parameters=[RUN_ID],
            responses=responses(json_answer("The curve, ascending by threshold.", ref("Curve")), 404),
        )
    },
    "/api/datasets/{dataset}/threshold": {
        "get": operation(
            "showThreshold",
            "runs",
            "The threshold that the live model answers by, and what it is worth",
            parameters=[_DATASET],
            responses=responses(
                json_answer("The threshold.", ref("LiveThreshold"), links=_CURVE), *(404, 409)
            ),
        ),
        "post": operation(
            "setThreshold",
            "runs",
            "Have the live model answer by another threshold, without training",
            parameters=[_DATASET, ACTOR],
            requestBody={
                "required": True,
                "content": {
                    "application/json": {
                        "schema": ref("ThresholdRequest"),
                        "examples": {
                            "number": {"value": {"threshold": 0.3, "note": "the campaign of May"}},
                            "none": {"value": {"threshold": None}},
                            "rule": {"value": {"maximise": "f1"}},
                            "cost": {"value": {"cost": {"false_positive": 1, "false_negative": 5}}},
                        },
                    }
                },
            },
            responses=responses(
                json_answer(
                    "In force for calls of the proxy; `pending` while the endpoint's own deployment is still given it.",
                    ref("LiveThreshold"),
                    links=_CURVE,
                ),
                *(400, 404, 409, 413),
            ),
        ),
    },
}
