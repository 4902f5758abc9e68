"""MLflow's search of runs: its filter, page by page."""

from __future__ import annotations

import re
from typing import Any

from dropml.azureml.core.store import Doc
from dropml.azureml.jobs.runs import Runs
from dropml.azureml.tracking.mlflow_shapes import MlflowError, run_shape, run_tags

#: `metrics.AUC_weighted > 0.9 and tags.x = 'y'`: the comparisons of MLflow's search syntax.
_TERM = re.compile(
    r"""^\s*(metrics?|tags?|params?|parameters?|attributes?)\.[`"]?([^`"=<>!]+?)[`"]?\s*(!=|>=|<=|=|>|<)\s*(.+?)\s*$"""
)


def search(runs: Runs, body: Doc) -> Doc:
    wanted = set(body.get("experiment_ids") or [])
    names = {e["name"] for _, _, e in runs.c.store.find("experiment") if not wanted or e["id"] in wanted}
    limit = int(body.get("max_results") or 1000)
    terms = _terms(body.get("filter") or body.get("filter_string") or "")
    token = body.get("page_token")
    found: list[Doc] = []
    before = int(token) if token else None
    while len(found) < limit:
        rows = runs.c.store.find("run", before=before, limit=500)
        if not rows:
            before = None
            break
        for seq, _, run in rows:
            before = seq
            if run["experiment"] in names and all(_holds(runs, run, *t) for t in terms):
                found.append(run_shape(runs, run))
                if len(found) == limit:
                    break
    answer: Doc = {"runs": found}
    if before is not None and len(found) == limit:
        answer["next_page_token"] = str(before)
    return answer


def _holds(runs: Runs, run: Doc, kind: str, key: str, operator: str, wanted: str) -> bool:
    if kind == "metric":
        values = run["metrics"].get(key)
        return bool(values) and _compare(float(values[-1][0]), operator, float(wanted))
    if kind == "attribute":
        info = run_shape(runs, run)["info"]
        names = {"run_name": "run_name", "status": "status", "run_id": "run_id"}
        return _compare(str(info.get(names.get(key, key))), operator, wanted)
    source = run_tags(run) if kind == "tag" else run["params"]
    return key in source and _compare(str(source[key]), operator, wanted)


def _terms(text: str) -> list[tuple[str, str, str, str]]:
    found = []
    for part in re.split(r"\s+and\s+", text.strip(), flags=re.IGNORECASE) if text.strip() else []:
        match = _TERM.match(part)
        if not match:
            raise MlflowError(400, "INVALID_PARAMETER_VALUE", f"Invalid clause in the filter: {part}")
        kind, key, operator, value = match.groups()
        kind = {"m": "metric", "t": "tag", "p": "param", "a": "attribute"}[kind[0]]
        found.append((kind, key.strip(), operator, value.strip("'\"")))
    return found


def _compare(left: Any, operator: str, right: Any) -> bool:
    holds: bool = {
        "=": left == right, "!=": left != right, ">": left > right, "<": left < right,
        ">=": left >= right, "<=": left <= right,
    }[operator]  # fmt: skip
    return holds
