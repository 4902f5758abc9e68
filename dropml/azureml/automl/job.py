"""Runs one job: data, trials, ensembles, refit, model; tells of each step in events.jsonl."""

from __future__ import annotations

import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from dropml.azureml.automl.events import Events
from dropml.azureml.automl.scratch import Scratch
from dropml.azureml.automl.search.clock import Clock
from dropml.azureml.automl.search.pool import Pool, kill_children
from dropml.azureml.automl.spec import JobSpec, UserError, read_spec


class Cancelled(BaseException):
    """SIGTERM arrived."""


def run(job_dir: Path) -> int:
    """Exit code: 0 completed, 1 failed, 143 cancelled."""
    start = _process_start()
    events = Events(job_dir / "events.jsonl")
    signal.signal(signal.SIGTERM, _raise_cancelled)
    scratch = Scratch(job_dir / "work")
    try:
        spec = read_spec(job_dir)
        pool = Pool(scratch, spec.memory_mb)  # its imports go on while the data is read
        best = _run(spec, job_dir, events, scratch, pool, Clock(start, spec.limits.timeout_s))
        events.emit("completed", best=best)
        return 0
    except Cancelled:
        return 143
    except UserError as error:
        events.emit("failed", message=str(error), code="UserError")
    except MemoryError:
        events.emit("failed", message="The data does not fit into this compute's memory.", code="UserError")
    except Exception as error:  # noqa: BLE001  the control plane must hear of anything
        traceback.print_exc(file=sys.stderr)
        events.emit(
            "failed", message=f"The job failed inside: {type(error).__name__}: {error}", code="SystemError"
        )
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        kill_children()
        scratch.remove()
        events.close()
    return 1


def _process_start() -> float:
    """When this process was started: the time limit counts from there, imports included."""
    import psutil

    from dropml.common import family

    return time.monotonic() - family.age(family.started(psutil.Process()))


def _raise_cancelled(*_: Any) -> None:
    raise Cancelled


def _run(spec: JobSpec, job_dir: Path, events: Events, scratch: Scratch, pool: Pool, clock: Clock) -> str:
    from dropml.azureml.automl.data import guardrails, load
    from dropml.azureml.automl.fit import featurize
    from dropml.azureml.automl.search import portfolio
    from dropml.azureml.automl.search.best import Best
    from dropml.azureml.automl.search.board import Board
    from dropml.azureml.automl.search.trials import Search

    portfolio.allowed(spec)
    events.phase("DatasetEvaluation")
    data = load.load(spec)
    events.phase("FeaturesGeneration")
    splits = load.make_splits(spec, data)
    encoder = featurize.encoder_for(spec, data)
    facts = featurize.facts_for(spec, data, len(splits))
    scratch.save_facts(facts)
    featurize.store_example(scratch, data, spec.seed)
    events.phase("DatasetFeaturization" if len(splits) == 1 else "DatasetCrossValidationSplit")
    for k, split in enumerate(splits):
        featurize.store_fold(scratch, k, split, featurize.encoder_for(spec, data), data)
    events.phase("ModelSelection")
    board = Board(spec.job, job_dir, events, scratch, facts)
    try:
        search = Search(spec, board, pool, clock)
        search.start()
        # The first trial runs; what only later steps need is done beside it.
        events.emit("guardrails", guardrails=guardrails.check(spec, data, encoder.purposes, splits))
        featurize.store_all(scratch, encoder, data)
        del data, splits
        search.run()
        return Best(spec, board, pool, clock, search.refits).save()
    except Cancelled:
        board.cancel_running()
        raise
