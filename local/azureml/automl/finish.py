"""The last step of a job: put the best model together, save it, compile it, check it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from . import save
from .pipeline import AutoMLPipeline, StackEnsemble, VotingEnsemble
from .store import Facts, Store
from .worker_task import Task


def finish(store: Store, facts: Facts, task: Task) -> dict[str, Any]:
    """Options: members [trial folder], refit (bool), weights or coef and intercept, threshold, model_dir."""
    options = task.options
    refitted = options["refit"]
    encoder = store.object("all_encoder" if refitted else "fold0_encoder")
    members = [store.object(f"{name}/{'refit' if refitted else 'model0'}") for name in options["members"]]
    if options.get("weights") is not None:
        model: Any = VotingEnsemble(members, options["weights"])
    elif options.get("coef") is not None:
        model = StackEnsemble(members, options["coef"], options["intercept"], facts.n_classes)
    else:
        model = members[0]
    pipeline = AutoMLPipeline(facts.types, encoder, model, facts.labels, options.get("threshold"))
    start = time.time()
    report = save.save_model(pipeline, store.object("example"), Path(options["model_dir"]), facts.job)
    return {**report, "save_seconds": time.time() - start}
