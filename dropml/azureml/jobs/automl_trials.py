"""Events of the AutoML engine as the runs that Azure shows: children with their algorithm, score and metrics."""

from __future__ import annotations

import json
from typing import Any

from dropml.azureml.core.store import Doc
from dropml.azureml.jobs.automl_job import METRICS
from dropml.azureml.jobs.runs import TERMINAL, Runs


def apply_event(runs: Runs, name: str, event: Doc) -> None:
    """One line of `events.jsonl`. Applying a line twice changes nothing."""
    kind = event.get("type")
    if kind == "trial":
        _trial(runs, name, event)
    elif kind == "phase":
        runs.change(name, phase=event.get("phase"))
    elif kind == "guardrails":
        _guardrails(runs, name, event.get("guardrails") or [])
    elif kind in ("completed", "failed"):
        _outcome(runs, name, event)


def _trial(runs: Runs, name: str, event: Doc) -> None:
    parent = runs.get(name)
    if parent is None:
        return
    trial = runs.get(event["id"])
    if trial is None:
        properties = {"displayName": event["id"], "experimentName": parent["experiment"]}
        trial = runs.create(event["id"], "Trial", properties, parent=parent, iteration=event.get("iteration"))
        runs.change(trial["name"], status="NotStarted")
    # A run that was closed (by a restart, say) is not reopened by an older line.
    if trial["status"] in TERMINAL and event.get("status") not in TERMINAL:
        return
    runs.edit(trial["name"], lambda run: _copy(run, parent, event))


def _copy(run: Doc, parent: Doc, event: Doc) -> None:
    metric = METRICS[parent["properties"]["taskDetails"]["primaryMetric"]]
    metrics = {k: v for k, v in (event.get("metrics") or {}).items() if isinstance(v, int | float)}
    moment = event.get("end") or event.get("time")
    run |= {
        "status": event.get("status") or run["status"],
        "start": event.get("start"),
        "end": event.get("end"),
        "artifacts": event.get("artifacts") or [],
        "metrics": {k: [[v, moment, 0]] for k, v in metrics.items()},
        "run_properties": _properties(parent, event, metric, metrics.get(metric)),
        "tags": {"model_explanation": "False"} if event.get("status") == "Completed" else {},
    }
    if event.get("error"):
        run["error"] = {"code": "UserError", "message": str(event["error"])}


def _properties(parent: Doc, event: Doc, metric: str, score: float | None) -> dict[str, Any]:
    """As run history shows them: https://learn.microsoft.com/azure/machine-learning/how-to-understand-automated-ml ."""
    minimised = "error" in metric
    found = {
        "runTemplate": "automl_child",
        "pipeline_id": f"{event.get('algorithm')}-{event.get('iteration')}",
        "training_percent": "100",
        "iteration": str(event.get("iteration")),
        "_aml_system_scenario_identification": "Remote.Child",
        "_azureml.ComputeTargetType": "amlctrain",
        "azureml.runsource": "automl",
        "run_algorithm": event.get("algorithm"),
        "run_preprocessor": event.get("preprocessor") or "",
        "primary_metric": metric,
        "goal": f"{metric}_{'min' if minimised else 'max'}",
        "model_output_path": "outputs/model.pkl",
        "parent_run_id": parent["name"],
    }
    if score is not None:
        found["score"] = repr(float(score))
    if event.get("start") and event.get("end"):
        found["fit_time"] = repr(round(event["end"] - event["start"], 6))
    return found


def _guardrails(runs: Runs, name: str, guardrails: list[Doc]) -> None:
    """Kept as the artifact that the service writes."""
    outputs = runs.folder(name) / "outputs"
    outputs.mkdir(parents=True, exist_ok=True)
    document = {"schema_version": "1.0.0", "faults": [_fault(g) for g in guardrails]}
    (outputs / "verifier_results.json").write_text(json.dumps(document, indent=1))
    runs.change(name, guardrails=guardrails)


def _fault(guardrail: Doc) -> Doc:
    """A guardrail in the words of the service's file; the link to learn more stands apart."""
    said, learn, link = str(guardrail.get("description") or "").partition("Learn more about")
    return {
        "friendly_type": guardrail.get("type"),
        "result": str(guardrail.get("status") or "").upper(),
        "friendly_result": said.strip(),
        "friendly_learn_more": (learn + link).strip(),
        "friendly_parameters": (guardrail.get("parameters") or {}).get("details") or [],
    }


def _outcome(runs: Runs, name: str, event: Doc) -> None:
    def apply(run: Doc) -> None:
        run["outcome"] = event
        if event["type"] == "completed":
            run["tags"] = run["tags"] | _best_tags(runs, run, event.get("best"))
            best = runs.get(str(event.get("best")))
            run["metrics"] = best["metrics"] if best else {}

    runs.edit(name, apply)


def _best_tags(runs: Runs, run: Doc, best: str | None) -> dict[str, str]:
    """The parent's tags once it is done: `<..>;` lists over the trials, and the best one's id."""
    trials = [t for t in runs.children(run["name"]) if t["status"] == "Completed"]
    columns = {
        "pipeline_id": "pipeline_id",
        "score": "score",
        "iteration": "iteration",
        "run_preprocessor": "run_preprocessor",
        "run_algorithm": "run_algorithm",
        "fit_time": "fit_time",
        "training_percent": "training_percent",
    }
    tags = {
        tag: "".join(f"<{t['run_properties'].get(key, '')}>;" for t in trials) for tag, key in columns.items()
    }
    tags["predicted_cost"] = "<0>;" * len(trials)
    if best:
        tags["automl_best_child_run_id"] = best
    return tags
