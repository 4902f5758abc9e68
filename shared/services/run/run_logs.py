"""The end of the log that tells most of a run."""

from __future__ import annotations

from dataclasses import dataclass

from shared.services.run.context import Context

LINES = 60


@dataclass(frozen=True)
class LogView:
    """`of` says whose log it is: `failure`, `deployment NAME` or `job NAME`; empty where nothing has written one."""

    run_id: str
    of: str = ""
    log: str = ""


def log_of(run_id: str, ctx: Context) -> LogView:
    """What the run has kept of its failure; else asked of Azure. Raises NotFound."""
    run, _ = ctx.store.load(run_id)
    if run.problem and run.problem.log_tail:
        return LogView(run_id, "failure", run.problem.log_tail)
    if run.placement and run.placement.deployment:
        name = run.placement.deployment
        if ctx.azureml.deployment(run.placement.endpoint, name):
            return LogView(
                run_id, f"deployment {name}", ctx.azureml.logs(run.placement.endpoint, name, LINES)
            )
    if run.training:
        return LogView(run_id, f"job {run.training.name}", ctx.azureml.job_log(run.training.name))
    return LogView(run_id)
