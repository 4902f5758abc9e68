"""What goes wrong on the way, whatever it is: told, counted, and in the end the end of that run alone."""

from __future__ import annotations

from dataclasses import replace

from shared.domain.errors import Conflict, DropMLError, NotFound, Transient, Upstream
from shared.domain.failures import instead_of
from shared.domain.run.documents import Run
from shared.domain.run.parts import Canary, RunProblem, Trouble, brief
from shared.domain.run.states import State
from shared.services.run.context import Context
from shared.services.run.patience import Gone, in_state

#: Refusals by the service, or faults of our own, before a run gives up.
STRIKES = 3
#: So long the gate waits for a live model that may answer again.
SILENT_SECONDS = 3600.0
#: States in which something was just made that the step looks for.
MAKING = frozenset(
    {State.REGISTERED, State.TRAINING, State.MODEL_REGISTERED, State.DEPLOYING, State.VERIFYING}
)
#: Refusals closer together count as one (seconds): trigger and timer may ask at the same moment.
STRIKE_SECONDS = 2.0


def after(run: Run, error: DropMLError, ctx: Context) -> Run:
    """The run after a step went wrong: ended, or with its trouble noted, to try the same step at the next tick.

    What may pass is tried until the run is overdue. What is missing that should be there is waited for. What the service
    refuses, and what nobody foresaw, is tried STRIKES times: another host may just have done the very same thing, and what it
    did is found by name the next time. A step's own verdict ends the run.
    """
    now, before = ctx.clock(), run.trouble or Trouble(0, "", 0.0)
    absent = isinstance(error, Gone | NotFound)
    passing = isinstance(error, Transient | Conflict) or (absent and _may_still_come(run, before, ctx))
    verdict = not isinstance(error, Upstream | NotFound | Conflict)
    count = before.count + (not passing and abs(now - before.at) > STRIKE_SECONDS)
    if not passing and (count >= STRIKES or verdict):
        return _ended(run, error, now, verdict=verdict)
    found = Trouble(count, brief(error.message), now, absent)
    return run if replace(found, at=before.at) == before else replace(run, trouble=found)


def _may_still_come(run: Run, before: Trouble, ctx: Context) -> bool:
    """Reads lag behind writes: what was just made is waited for, and of what is older no single look is believed."""
    if not before.absent:
        return True
    if run.state in MAKING:
        return in_state(run, ctx) <= ctx.pace.settle_seconds
    made = max((moment.at for moment in run.history if moment.state in MAKING), default=0.0)
    return abs(ctx.clock() - made) <= ctx.pace.settle_seconds


def hopeless(run: Run, error: DropMLError, ctx: Context) -> bool:
    """Whether what went wrong would end the run, or has gone on for SILENT_SECONDS (half of what a run may stand still at most)
    where it may pass.
    """
    if isinstance(error, Transient | Conflict):
        return in_state(run, ctx) > min(SILENT_SECONDS, ctx.pace.open_run_hours * 1800)
    if isinstance(error, Upstream | NotFound):
        return (run.trouble.count if run.trouble else 0) >= STRIKES - 1
    return True


def found_again(run: Run) -> Run:
    """The run after a step that met with nothing missing."""
    if run.trouble is None or not run.trouble.absent:
        return run
    return replace(run, trouble=replace(run.trouble, absent=False))


def _ended(run: Run, error: DropMLError, now: float, *, verdict: bool) -> Run:
    """A canary first goes back to the champion: ending here would leave callers with a split that nobody watches."""
    canary = run.canary or Canary(0)
    if run.state is State.CANARY and not (verdict and canary.breach):
        breach = canary.breach or brief(error.message)
        return replace(
            run,
            canary=replace(canary, breach=breach),
            trouble=Trouble(STRIKES, brief(error.message), now, isinstance(error, Gone | NotFound)),
        )
    problem = RunProblem.of(error)
    return run.fail(now, problem if verdict else instead_of(problem))


def overdue(run: Run, hours: float) -> RunProblem:
    """Why a run that stood still for too long has ended."""
    last = f" The last trouble: {run.trouble.message}" if run.trouble else ""
    return RunProblem(
        code="stuck",
        message=f"The run stayed in {run.state} for more than {hours:g} hours.{last}",
        remedy="Check the resource it waits for in the studio, then POST /api/runs/{id}/retry.",
    )
