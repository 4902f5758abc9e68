"""`step`: at most one external effect, then one conditional write of the run. `tick`: every open run, in turn."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

from shared.correlation import operation
from shared.domain.errors import Conflict
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.run.parts import RunProblem
from shared.domain.run.states import State
from shared.services.guard import guarded, safely, told
from shared.services.run import (
    admitting,
    canary,
    deploying,
    failing,
    fresh,
    gate,
    live_threshold,
    superseding,
    training,
    trouble,
    watching,
)
from shared.services.run.aside import given_up, put_aside
from shared.services.run.context import Context
from shared.services.run.levers import approving, cancelling, shifting, sleeping
from shared.services.run.levers.pausing import unless_paused
from shared.services.run.patience import in_state, paced
from shared.services.run.rounds import AGAIN_SECONDS, Rounds

Step = Callable[[Run, Context], Run]
STEPS: dict[State, Step] = {
    State.DROPPED: training.dropped,
    State.VALIDATING: training.validating,
    State.REGISTERED: unless_paused(fresh.shown(admitting.admitted(training.registered))),
    State.TRAINING: training.training,
    State.TRAINED: training.trained,
    State.MODEL_REGISTERED: sleeping.awake(deploying.model_registered),
    State.DEPLOYING: deploying.deploying,
    State.VERIFYING: gate.verifying,
    State.GATE: unless_paused(sleeping.awake(gate.gate)),
    State.AWAITING_APPROVAL: approving.awaiting,
    State.CANARY: canary.canary,
}
TURN = "turn.json"


@dataclass(frozen=True)
class Turn:
    """Where a tick that its deadline cut left off: the dataset that is first next time, and the run within each."""

    first: str = ""
    within: dict[str, str] = field(default_factory=dict)


def step(run_id: str, ctx: Context) -> bool:
    """One step of one run. True when it moved and may move again at once; False when it must wait or is done."""
    return _stepped(*ctx.store.load(run_id), ctx)[2]


def _stepped(loaded: Run, etag: str, ctx: Context) -> tuple[Run, str, bool]:
    """The run as it was written, and whether it may move again at once.

    Lines that are still pending are told with those of the step, or alone where it changes nothing.
    """
    if not loaded.is_open:
        return *ctx.store.settle(loaded, etag), False
    run = replace(paced(loaded, ctx), waits_for=None, held=None)
    after, again = _taken(run, loaded.held, ctx)
    if loaded.waits_for and not after.waits_for:
        after = replace(after, paced_at=ctx.active())  # what it waited for a person is no fault of its own
    hours = failing.open_hours(after, ctx.pace.open_run_hours)
    patience = hours * 3600 + (ctx.canary.seconds if after.state is State.CANARY else 0.0)
    if after.is_open and not after.waits_for and in_state(after, ctx) > patience:
        after = failing.overdue(after, ctx)
    after = admitting.told(after, loaded, ctx)
    if after == loaded:
        return *(ctx.store.settle(loaded, etag) if loaded.pending else (loaded, etag)), False
    if after.entered_at != run.entered_at:
        after = replace(after, paced_at=ctx.active())
    return *ctx.store.save(after, etag), again and after.is_open


def _taken(run: Run, held: RunProblem | None, ctx: Context) -> tuple[Run, bool]:
    """The run after its step, and whether it may move again at once. Trouble changes nothing about what it was `held` for."""
    try:
        after = _step_of(run, ctx)(run, ctx)
    except Exception as error:  # noqa: BLE001 - one run's fault, of whatever kind, is that run's alone
        problem = told(error)
        safely(ctx.log, "step failed", run_id=run.run_id, state=str(run.state), **problem.to_dict())
        after = trouble.after(run, problem, ctx)
        return replace(after, held=held) if after.state is run.state else after, False
    return trouble.found_again(after), after != run


def _step_of(run: Run, ctx: Context) -> Step:
    if run.cancelling and not _in_force(run, ctx):
        return cancelling.ending
    return superseding.ending if superseding.is_over(run) else STEPS[run.state]


def _in_force(run: Run, ctx: Context) -> bool:
    """Whether the run has become champion before its cancelling was seen: then it goes on to live."""
    dataset = ctx.store.dataset(run.slug)
    return dataset is not None and dataset.champion == run.run_id


def advance(run_id: str, ctx: Context, deadline: float) -> bool:
    """Step until the run must wait or the deadline (by `ctx.active`) comes. Losing a race to another host ends quietly.

    Returns whether it may share live traffic now.
    """
    try:
        with operation(run_id):
            run, etag = ctx.store.load(run_id)
            again = True
            while again and ctx.active() < deadline:
                run, etag, again = _stepped(run, etag, ctx)
            return run.state in (State.CANARY, State.LIVE)
    except Conflict:
        safely(ctx.log, "another host works on this run", run_id=run_id)
    except Exception as error:  # noqa: BLE001 - one run's fault, of whatever kind, is that run's alone
        problem = told(error)
        safely(ctx.log, "the run can't be worked on", run_id=run_id, **problem.to_dict())
        if given_up(run_id, problem, ctx.store, ctx.clock()):
            put_aside(run_id, problem, ctx.store, ctx.clock())
    return True


def tick(ctx: Context) -> int:
    """Every open run, each as far as it goes, several datasets at a time; returns how many datasets were worked on.

    A tick costs what is open. One that its deadline cuts leaves word where the next one begins, so that none starves.
    """
    marks = ctx.store.open_datasets()
    if not marks:
        return 0
    deadline = ctx.active() + ctx.pace.tick_seconds
    ctx.pulse.beat()
    turn = ctx.store.hint(TURN, Turn) or Turn()
    slugs = sorted(marks)
    slugs = [s for s in slugs if s >= turn.first] + [s for s in slugs if s < turn.first]
    cut: dict[str, str] = {}
    rounds = Rounds()

    def work(slug: str, mark: str, until: float, first: str = "") -> None:
        if ctx.active() >= until:
            cut.setdefault(slug, "")
            return
        rounds.begun(slug, mark, ctx.active())
        before = cut.pop(slug, "") or turn.within.get(slug, "")
        with ctx.store.glance():
            worked = _dataset(slug, mark, first or before, until, ctx)
        if worked.left is not None:
            cut[slug] = worked.left
        rounds.shared(slug, now=worked.shared)

    with ThreadPoolExecutor(max_workers=ctx.pace.workers, thread_name_prefix="dropml-run") as pool:
        each = {
            pool.submit(
                guarded,
                ctx.log,
                "dataset not worked on",
                partial(work, slug, marks[slug], deadline),
                slug=slug,
            ): slug
            for slug in slugs
        }
        rounds.go_on(pool, each, work, partial(_live, ctx=ctx), ctx)
    left = next((slug for slug in slugs if slug in cut), "")
    next_turn = Turn(left, {slug: run_id for slug, run_id in cut.items() if run_id})
    if next_turn != turn:
        ctx.store.write(TURN, next_turn)
    return len(slugs) - len(cut.keys() & marks.keys())


def _live(slug: str, ctx: Context) -> None:
    """What callers meet, while another run of the dataset takes its time: as another host would look at it."""
    dataset = ctx.store.dataset(slug)
    if dataset is None:
        return
    _looked_after(dataset, ctx)
    if dataset.promoting and ctx.store.load(dataset.promoting)[0].state is State.CANARY:
        advance(dataset.promoting, ctx, ctx.active() + AGAIN_SECONDS)


def _looked_after(dataset: Dataset, ctx: Context) -> None:
    slug = dataset.slug
    if dataset.shifting:
        guarded(ctx.log, "traffic could not be shifted", partial(shifting.follow, slug, ctx), slug=slug)
    if dataset.watch:
        guarded(ctx.log, "live traffic could not be watched", partial(watching.look, dataset, ctx), slug=slug)


@dataclass(frozen=True)
class Worked:
    """The run that the deadline left for the next tick, if any, and whether the dataset's live traffic may be shared now."""

    left: str | None = None
    shared: bool = False


def _dataset(slug: str, mark: str, first: str, deadline: float, ctx: Context) -> Worked:
    """Every open run of one dataset, one after the other."""
    dataset = ctx.store.dataset(slug)
    if dataset is not None and dataset.sleep:
        guarded(ctx.log, "endpoint's sleep", partial(sleeping.follow, dataset, ctx), slug=slug)
        dataset = ctx.store.dataset(slug)
    if dataset is None or not dataset.busy:
        ctx.store.rest(slug, mark)
        return Worked()
    _looked_after(dataset, ctx)
    if dataset.change and dataset.sleep:
        sleeping.wake(slug, ctx)
    elif dataset.change:
        guarded(ctx.log, "threshold not set", partial(live_threshold.follow, dataset, ctx), slug=slug)
    shared = [dataset.watch is not None]

    def go_on(run_id: str) -> None:
        shared.append(advance(run_id, ctx, deadline))

    runs = list(dataset.open)
    at = runs.index(first) if first in runs else 0
    for run_id in runs[at:] + runs[:at]:
        if ctx.active() >= deadline:
            return Worked(run_id, True)
        guarded(ctx.log, "run could not be advanced", partial(go_on, run_id), run_id=run_id)
    return Worked(None, any(shared))
