"""MLflow's searches of runs and experiments: filtered, sorted, page by page."""

from __future__ import annotations

import math
from typing import Any

from dropml.azureml.core.store import Doc
from dropml.azureml.jobs.runs import Runs
from dropml.azureml.tracking.filters import Key, conditions, orders
from dropml.azureml.tracking.mlflow_errors import MlflowError
from dropml.azureml.tracking.mlflow_shapes import experiment_shape, latest, run_shape, run_tags

_MOST = 50_000  # max_results of MLflow
#: `run_view_type`: whether archived runs are left out (False), alone there (True), or both.
_VIEWS = {"ACTIVE_ONLY": False, "DELETED_ONLY": True, "ALL": None}


def search(runs: Runs, body: Doc) -> Doc:
    """POST runs/search. Newest first where no order is given, and among runs that are equal in it."""
    wanted = {str(e) for e in body.get("experiment_ids") or []}
    names = {e["name"] for _, _, e in runs.c.store.find("experiment") if not wanted or e["id"] in wanted}
    terms = list(conditions(body.get("filter") or ""))
    order = orders(body.get("order_by") or [])
    limit, start = _page(body)
    found = [
        run
        for _, _, run in runs.c.store.find(
            "run", archived=_VIEWS.get(body.get("run_view_type") or "ACTIVE_ONLY")
        )
        if run["experiment"] in names and all(term.holds(_value_of(runs, run, term.key)) for term in terms)
    ]
    for key, largest_first in reversed(order):
        found = _sorted([(_value_of(runs, run, key), run) for run in found], largest_first)
    answer: Doc = {"runs": [run_shape(runs, run) for run in found[start : start + limit]]}
    if len(found) > start + limit:
        answer["next_page_token"] = str(start + limit)
    return answer


def search_experiments(runs: Runs, body: Doc) -> Doc:
    """Experiments/search, newest first. None is ever deleted here."""
    terms = list(conditions(body.get("filter") or "", experiments=True))
    order = orders(body.get("order_by") or [], experiments=True)
    limit, start = _page(body)
    shapes = [experiment_shape(found) for _, _, found in runs.c.store.find("experiment")]
    if body.get("view_type") == "DELETED_ONLY":
        shapes = []

    def value(shape: Doc, key: Key) -> Any:
        if key.kind == "attribute":
            return shape[key.name]
        return next((tag["value"] for tag in shape["tags"] if tag["key"] == key.name), None)

    found = [shape for shape in shapes if all(term.holds(value(shape, term.key)) for term in terms)]
    for key, largest_first in reversed(order):
        found = _sorted([(value(shape, key), shape) for shape in found], largest_first)
    answer: Doc = {"experiments": found[start : start + limit]}
    if len(found) > start + limit:
        answer["next_page_token"] = str(start + limit)
    return answer


def _page(body: Doc) -> tuple[int, int]:
    try:
        limit, start = int(body.get("max_results", 1000)), int(body.get("page_token") or 0)
    except (TypeError, ValueError):
        raise MlflowError(400, "INVALID_PARAMETER_VALUE", "Invalid page token or max_results.") from None
    if not 0 < limit <= _MOST or start < 0:
        raise MlflowError(
            400, "INVALID_PARAMETER_VALUE", f"max_results must be from 1 to {_MOST}, not {limit}."
        )
    return limit, start


def _sorted(found: list[tuple[Any, Doc]], largest_first: bool) -> list[Doc]:
    """By the value beside each; NaN and then what has no value come last, whichever way."""
    having: list[tuple[Any, Doc]] = []
    nan: list[Doc] = []
    without: list[Doc] = []
    for value, run in found:
        if value is None:
            without.append(run)
        elif isinstance(value, float) and math.isnan(value):
            nan.append(run)
        else:
            having.append((value, run))
    having.sort(key=lambda pair: pair[0], reverse=largest_first)
    return [*(run for _, run in having), *nan, *without]


def _value_of(runs: Runs, run: Doc, key: Key) -> Any:
    if key.kind == "metric":
        values = run["metrics"].get(key.name)
        return float(latest(values)[0]) if values else None
    if key.kind == "attribute":
        return run_shape(runs, run)["info"].get(key.name)
    found = (run_tags(run) if key.kind == "tag" else run["params"]).get(key.name)
    return None if found is None else str(found)
