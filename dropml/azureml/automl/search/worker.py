"""What runs inside a worker process: one trial, one ensemble, one refit, or the saving of the best model.

The fork server imports this module before it forks, so that a worker starts in milliseconds.
"""

from __future__ import annotations

import signal
import sys
import time
import traceback
from pathlib import Path

import lightgbm  # noqa: F401  imported ahead of time, once, in the fork server
import sklearn.ensemble
import sklearn.linear_model
import sklearn.metrics  # noqa: F401 - imported ahead of time, once, in the fork server
import xgboost  # noqa: F401 - imported ahead of time, once, in the fork server

from dropml.azureml.automl.lifeline import die_with_parent
from dropml.azureml.automl.model import finish
from dropml.azureml.automl.scratch import Facts, Scratch
from dropml.azureml.automl.search import fits, mixes
from dropml.azureml.automl.search.task import Finish, Fit, Refit, Result, Stack, Task, Vote


def main(root: str, task: Task) -> None:
    """Entry point of a worker process."""
    die_with_parent()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    perform(root, task)


def perform(root: str, task: Task) -> None:
    """Do the task; store {"ok": ..., "seconds": ...} or {"error": ...} as `task.result`."""
    scratch = Scratch(Path(root))
    (scratch.root / task.out).mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    try:
        result = _work(scratch, scratch.facts(), task)
        scratch.save_object(task.result, {"ok": result, "seconds": time.monotonic() - start})
    except Exception as error:  # noqa: BLE001  whatever a fit raises is this trial's failure, not the job's
        traceback.print_exc(file=sys.stderr)
        scratch.save_object(task.result, {"error": f"{type(error).__name__}: {error}"})


def _work(scratch: Scratch, facts: Facts, task: Task) -> Result | None:
    match task.work:
        case Fit() as work:
            return fits.fit_folds(scratch, facts, task, work)
        case Refit() as work:
            fits.fit_all_rows(scratch, facts, task, work)
        case Vote() as work:
            return mixes.vote(scratch, facts, task, work)
        case Stack() as work:
            return mixes.stack(scratch, facts, task, work)
        case Finish() as work:
            finish.save_best(
                scratch,
                facts,
                work.mixture,
                refitted=work.refitted,
                model_dir=work.model_dir,
                explain_dir=work.explain_dir,
                deadline=task.deadline,
            )
    return None
