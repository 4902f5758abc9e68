"""Timers: advance what is open, retrain on a schedule."""

from __future__ import annotations

from datetime import UTC, datetime

import azure.functions as func

from shared import bootstrap, bootstrap_upkeep

bp = func.Blueprint()  # type: ignore[no-untyped-call]


@bp.timer_trigger(arg_name="timer", schedule="%LIFECYCLE_SCHEDULE%", use_monitor=False)
def advance(timer: func.TimerRequest) -> None:
    """Every open run and pipeline run, as far as it goes, and what keeps house; none of them waits for another's fault."""
    from shared import checkup
    from shared.services import turns
    from shared.services.run import loop

    checkup.came("advance")

    def runs() -> None:
        if bootstrap.store().anything_open():
            turns.each(
                bootstrap.log,
                runs=lambda: loop.tick(bootstrap.context()),
                pipelines=lambda: bootstrap.pipeline_runs().tick(),
            )

    turns.each(
        bootstrap.log, upgrade=bootstrap.upgraded, open=runs, house=lambda: bootstrap.housekeeping().tick()
    )


@bp.timer_trigger(arg_name="timer", schedule="%RETRAIN_SCHEDULE%", use_monitor=True)
def retrain(timer: func.TimerRequest) -> None:
    """A new run for each dataset in production that has no schedule of its own, where there is anything new to learn.

    The minute names the occurrence, so two hosts start one run.
    """
    bootstrap_upkeep.retrainer().on_app_schedule(datetime.now(UTC).strftime("%Y-%m-%dT%H:%M"))


@bp.timer_trigger(arg_name="timer", schedule="%LIFECYCLE_SCHEDULE%", use_monitor=False)
def watch_data(timer: func.TimerRequest) -> None:
    """Judges windows of what was scored, then trains anew what is due; most ticks have nothing to do."""
    from shared.services import turns

    turns.each(
        bootstrap.log,
        drift=lambda: bootstrap_upkeep.drift_watch().tick(),
        retraining=lambda: bootstrap_upkeep.retrainer().tick(),
    )
