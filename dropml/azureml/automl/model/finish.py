"""Saves a trial's model: briefly for any trial, fully for the best one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dropml.azureml.automl.model import explain, save
from dropml.azureml.automl.model.mixture import Mixture, assemble
from dropml.azureml.automl.scratch import Facts, Scratch


@dataclass(frozen=True)
class Finish:
    """What the best trial's model is to become. `explain_dir` None: nothing is explained."""

    mixture: Mixture
    refitted: bool
    model_dir: Path
    explain_dir: Path | None


def save_best(scratch: Scratch, facts: Facts, wanted: Finish, deadline: float) -> dict[str, Any]:
    """Save, compile and check the best model; explain it if time is left before `deadline` (unix seconds)."""
    pipeline = assemble(scratch, facts, wanted.mixture, refitted=wanted.refitted)
    example = scratch.object("example")
    report = save.save_best(pipeline, example, wanted.model_dir, facts.job)
    if wanted.explain_dir is not None:
        report["explained"] = explain.explain(pipeline, example, wanted.explain_dir, 1, facts.seed, deadline)
    return report


def save_trial(scratch: Scratch, facts: Facts, out: str, mixture: Mixture) -> None:
    """The model of a trial as its first fold left it, in reference form only."""
    folder = scratch.root / out / "outputs" / "mlflow-model"
    pipeline = assemble(scratch, facts, mixture, refitted=False)
    save.save_other(pipeline, scratch.object("example"), folder, facts.job)
