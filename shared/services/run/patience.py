"""How long a run has been where it is, and what is missing that should be there. Both in the lifecycle's own time."""

from __future__ import annotations

from dataclasses import replace

from shared.domain.errors import DropMLError
from shared.domain.run.documents import Run
from shared.services.run.context import Context


class Gone(DropMLError):
    """Something that the run has made can't be found: reads lag behind writes, so it may still come."""

    code = "gone"


def paced(run: Run, ctx: Context) -> Run:
    """With the time at which its state was entered; of a run that was never looked at, what the clock says."""
    if run.paced_at is not None:
        return run
    return replace(run, paced_at=ctx.active() - max(0.0, ctx.clock() - run.entered_at))


def in_state(run: Run, ctx: Context) -> float:
    """Seconds of the lifecycle's own time that the run has been in its state."""
    return ctx.active() - run.paced_at if run.paced_at is not None else 0.0
