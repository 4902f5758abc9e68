"""Saves a trial's model: briefly for any trial, fully for the best one."""

from __future__ import annotations

from pathlib import Path

from dropml.azureml.automl.model import explain, save
from dropml.azureml.automl.model.mixture import Mixture, assemble
from dropml.azureml.automl.scratch import Facts, Scratch


def save_best(
    scratch: Scratch,
    facts: Facts,
    mixture: Mixture,
    *,
    refitted: bool,
    model_dir: Path,
    explain_dir: Path | None,
    deadline: float,
) -> None:
    """Save, compile and check the best model; explain it if time is left before `deadline` (unix seconds)."""
    pipeline = assemble(scratch, facts, mixture, refitted=refitted)
    example = scratch.object("example")
    iteration = model_dir.parents[1].name
    save.save_best(pipeline, example, model_dir, f"{facts.job}_{iteration}")
    if explain_dir is not None:
        explain.explain(pipeline, example, explain_dir, 1, facts.seed, deadline)


def save_trial(scratch: Scratch, facts: Facts, out: str, mixture: Mixture) -> None:
    """The model of a trial as its first fold left it, in reference form only."""
    folder = scratch.root / out / "outputs" / "mlflow-model"
    pipeline = assemble(scratch, facts, mixture, refitted=False)
    save.save_other(pipeline, scratch.object("example"), folder, f"{facts.job}_{out.removeprefix('trial')}")
