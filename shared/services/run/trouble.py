"""What goes wrong on the way, whatever it is: told, counted, and in the end the end of that run alone."""

from __future__ import annotations

from dataclasses import replace

from shared.domain.errors import Conflict, DropMLError, NotFound, Transient, Upstream
from shared.domain.run.documents import Run
from shared.domain.run.parts import Canary, RunProblem, Trouble
from shared.domain.run.states import State
from shared.services.run.context import Context

#: Refusals by the service, or faults of our own, before a run gives up.
STRIKES = 3
#: Refusals closer together count as one (seconds): trigger and timer may ask at the same moment.
STRIKE_SECONDS = 2.0


def after(run: Run, error: DropMLError, ctx: Context) -> Run:
    """The run after a step went wrong: ended, or with its trouble noted, to try the same step at the next tick.

    What may pass is tried until the run is overdue. What the service refuses, and what nobody foresaw, is tried STRIKES
    times: another host may just have done the very same thing, and what it did is found by name the next time. A step's
    own verdict ends the run.
    """
    now = ctx.clock()
    passing = isinstance(error, Transient | Conflict)
    verdict = not isinstance(error, Upstream | NotFound | Conflict)
    before = run.trouble or Trouble(0, "", 0.0)
    count = before.count + (not passing and now - before.at > STRIKE_SECONDS)
    if not passing and (count >= STRIKES or verdict):
        return _ended(run, error, now, verdict=verdict)
    if (count, error.message) == (before.count, before.message):
        return run
    return replace(run, trouble=Trouble(count, error.message, now))


def _ended(run: Run, error: DropMLError, now: float, *, verdict: bool) -> Run:
    """A canary first goes back to the champion: ending here would leave callers with a split that nobody watches."""
    canary = run.canary or Canary(0)
    if run.state is State.CANARY and not (verdict and canary.breach):
        breach = canary.breach or error.message
        return replace(
            run, canary=replace(canary, breach=breach), trouble=Trouble(STRIKES, error.message, now)
        )
    return run.fail(now, RunProblem.of(error))


def overdue(run: Run, hours: float) -> RunProblem:
    """Why a run that stood still for too long has ended."""
    last = f" The last trouble: {run.trouble.message}" if run.trouble else ""
    return RunProblem(
        code="stuck",
        message=f"The run stayed in {run.state} for more than {hours:g} hours.{last}",
        remedy="Check the resource it waits for in the studio, then POST /api/runs/{id}/retry.",
    )
