"""Puts a model together from its members and saves it: briefly for any trial, fully for the best one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dropml.azureml.automl.model import explain, save
from dropml.azureml.automl.model.pipeline import AutoMLPipeline, StackEnsemble, VotingEnsemble
from dropml.azureml.automl.search.worker_task import Task
from dropml.azureml.automl.store import Facts, Store


def assemble(store: Store, facts: Facts, options: dict[str, Any]) -> AutoMLPipeline:
    """Options: members (trial folders), refit, and what `best.parts` gives."""
    refitted = options["refit"]
    encoder = store.object("all_encoder" if refitted else "fold0_encoder")
    members = [store.object(f"{name}/{'refit' if refitted else 'model0'}") for name in options["members"]]
    if options.get("weights") is not None:
        model: Any = VotingEnsemble(members, options["weights"])
    elif options.get("coef") is not None:
        model = StackEnsemble(members, options["coef"], options["intercept"], facts.n_classes)
    else:
        model = members[0]
    return AutoMLPipeline(facts.types, encoder, model, facts.labels, options.get("threshold"))


def finish(store: Store, facts: Facts, task: Task) -> dict[str, Any]:
    """Save, compile and check the best model in `model_dir`; explain it into `explain_dir` if time is left."""
    options = task.options
    pipeline = assemble(store, facts, options)
    example = store.object("example")
    report = save.save_best(pipeline, example, Path(options["model_dir"]), facts.job)
    if options["explain_dir"]:
        folder = Path(options["explain_dir"])
        report["explained"] = explain.explain(pipeline, example, folder, 1, facts.seed, task.deadline)
    return report


def save_trial(store: Store, facts: Facts, out: str, options: dict[str, Any]) -> None:
    """The model of a trial as its first fold left it, in reference form only."""
    folder = store.root / out / "outputs" / "mlflow-model"
    save.save_other(
        assemble(store, facts, {**options, "refit": False}), store.object("example"), folder, facts.job
    )
