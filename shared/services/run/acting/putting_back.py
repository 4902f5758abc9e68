"""Rollback and promotion by a person: another version that stands is put in force, for callers of the proxy at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from shared.domain.errors import InvalidInput, Refused, Transient
from shared.domain.run.acts import BACK, Act, Shift, ShiftCause
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.run.states import FORMER, State
from shared.services.run.acting.asking import carry_on, promote_canary
from shared.services.run.context import Context
from shared.services.run.levers.shifting import shifted
from shared.services.run.training import placement_of


@dataclass(frozen=True)
class InForce:
    """The run that answers the dataset's callers now, and the shift of traffic that brought it there, where one did.

    `moved` says whether this very call changed anything.
    """

    dataset: str
    slug: str
    run_id: str
    state: State
    model: str | None
    deployment: str | None
    moved: bool
    shift: Shift | None = None


def rollback(name: str, to: str | None, act: Act, key: str | None, ctx: Context) -> InForce:
    """Back to the version before, or to the run `to`. A canary is ended by it, and the champion has all traffic again.

    After a rollback, asking again without `to` changes nothing: it never goes back and forth. The same `key` is the same
    wish for good. Raises NotFound, InvalidInput, Conflict.
    """
    if to == "":
        raise InvalidInput(
            "`to` is empty; it takes the id of the run that is to answer.",
            remedy='Send one, as in {"to": "people-3-a1"}, or leave `to` out for the version before.',
            field="to",
        )
    slug = ctx.store.find_dataset(name).slug
    delivery = f"rollback:{key}" if key else None
    moved = False
    stands: dict[str, bool] = {}

    def decide(found: Dataset) -> Dataset:
        nonlocal moved
        moved = False
        if delivery and delivery in found.drops:
            if to and found.drops[delivery] != to:
                raise Refused(
                    f"This Idempotency-Key has rolled back to {found.drops[delivery]} already.",
                    remedy="Use a new key for a new request.",
                    code="idempotency-key-reused",
                )
            return found
        target, away = _back(found, to, ctx)
        if target is None:
            return found.remembering(delivery, away)
        if target not in stands:
            stands[target] = _stands(target, ctx, kept=to is None)
        moved = True
        ctx.store.mark_open(slug)  # between the reading and the writing of the dataset: see `rest`
        shift = Shift(target, away, "rollback", act.actor, act.at, act.note)
        return shifted(found, shift).remembering(delivery, target)

    ctx.store.change_dataset(slug, decide)
    carry_on(slug, ctx)
    return _in_force(slug, ctx, moved=moved)


def outlook(name: str, ctx: Context) -> tuple[str | None, str]:
    """What a rollback would do now: the run that would answer (None where nothing would change), and the one that is left.

    Raises NotFound, Conflict.
    """
    return _back(ctx.store.find_dataset(name), None, ctx)


def may_promote(run_id: str, ctx: Context) -> None:
    """Raises NotFound, and Conflict where a promotion would be refused by what is written down."""
    run = ctx.store.load(run_id)[0]
    dataset = ctx.store.find_dataset(run.slug)
    if dataset.champion == run_id:
        raise Refused(f"{run_id} answers all callers already.", code="in-force")
    _promotable(run)
    if run.state is not State.CANARY:
        _no_canary(dataset, ctx)
        _kept(run_id, dataset)


def promote(run_id: str, act: Act, ctx: Context) -> InForce:
    """A canary takes all traffic now; a version that was live before, and stands, takes it again.

    What was proven worse never does. Raises NotFound, Conflict.
    """
    run = ctx.store.load(run_id)[0]
    dataset = ctx.store.find_dataset(run.slug)
    if dataset.champion == run_id:
        return _in_force(run.slug, ctx, moved=False)
    _promotable(run)
    if run.state is State.CANARY:
        moved = not (run.canary and run.canary.passed)
        promote_canary(run_id, act, ctx)
        return _in_force(run.slug, ctx, moved=moved)
    _stands(run_id, ctx, kept=False)

    def decide(found: Dataset) -> Dataset:
        if found.champion == run_id:
            return found
        _no_canary(found, ctx)
        _kept(run_id, found)
        ctx.store.mark_open(run.slug)
        return shifted(found, _shift(found, run_id, "promote", act))

    ctx.store.change_dataset(run.slug, decide)
    carry_on(run.slug, ctx)
    return _in_force(run.slug, ctx, moved=True)


def _shift(found: Dataset, to: str, cause: ShiftCause, act: Act) -> Shift:
    return Shift(to, str(found.champion), cause, act.actor, act.at, act.note)


def _back(found: Dataset, to: str | None, ctx: Context) -> tuple[str | None, str]:
    """`(run to go back to, run to leave)`; None and the champion where it is in force already."""
    champion = found.champion
    if champion is None:
        raise Refused(
            "No model of this dataset is in service, so there is nothing to roll back.",
            remedy="GET /api/datasets shows what is.",
            code="nothing-in-force",
        )
    canary = _canary(found, ctx)
    if canary and to in (None, champion):
        going = found.shifting is not None and found.shifting.away == canary
        return (None, champion) if going else (champion, canary)
    if to == champion or (to is None and _went_back(found)):
        return None, champion
    target = to or _before(found, champion, ctx)
    _no_canary(found, ctx)
    run = _of(target, found, ctx)
    _kept(target, found)
    if run.state not in FORMER | {State.LIVE}:
        raise Refused(
            f"The run {target} is {run.state}; only one that was live can be gone back to.",
            remedy=f"GET /api/runs?dataset={found.slug}&state=retired lists those that were.",
            code="never-live",
        )
    return target, champion


def _went_back(found: Dataset) -> bool:
    shift = found.shift
    return shift is not None and shift.to == found.champion and shift.cause in BACK


def _before(found: Dataset, champion: str, ctx: Context) -> str:
    """The run that had the traffic before the champion."""
    if found.shift and found.shift.to == champion:
        return found.shift.away
    gate = ctx.store.load(champion)[0].gate
    if gate is None or gate.champion_run is None:
        raise Refused(
            f"{champion} is the first model of this dataset: there is none before it.",
            remedy=f"POST /api/datasets/{found.slug}/pause keeps the next one from being promoted.",
            code="nothing-before",
        )
    return gate.champion_run


def _canary(found: Dataset, ctx: Context) -> str | None:
    """The run that shares the traffic with the champion now."""
    if found.promoting is None or found.promoting == found.champion:
        return None
    return found.promoting if ctx.store.load(found.promoting)[0].state is State.CANARY else None


def _no_canary(found: Dataset, ctx: Context) -> None:
    canary = _canary(found, ctx)
    if canary:
        raise Refused(
            f"The run {canary} shares the traffic with {found.champion} now.",
            remedy=f"POST /api/runs/{canary}/cancel ends that first; then ask again.",
            code="canary-under-way",
        )


def _of(run_id: str, found: Dataset, ctx: Context) -> Run:
    run = ctx.store.load(run_id)[0]
    if run.slug != found.slug:
        raise InvalidInput(
            f"The run {run_id} is not of the dataset {found.dataset!r}.",
            remedy=f"GET /api/runs?dataset={found.slug} lists its runs.",
            field="to",
        )
    return run


def _kept(run_id: str, found: Dataset) -> None:
    """Raises Refused where its deployment was taken away; decided by the same document as the rollback itself."""
    if found.sleep:
        raise Refused(
            f"The endpoint of {found.dataset!r} sleeps: nobody had called it (IDLE_HOURS), and only {found.champion} comes back.",
            remedy=f"POST /api/score/{found.slug} wakes it; drop the file of {run_id} again for another model.",
            code="asleep",
        )
    if run_id in found.undeployed:
        when = datetime.fromtimestamp(found.undeployed[run_id], UTC)
        raise Refused(
            f"The deployment of {run_id} was taken away on {when:%Y-%m-%d} at {when:%H:%M} UTC, to save its cost "
            "(KEEP_PREVIOUS_HOURS).",
            remedy=f"Drop the file of {run_id} again, which trains and deploys it; its model is kept.",
            code="deployment-gone",
        )


def _stands(run_id: str, ctx: Context, *, kept: bool) -> bool:
    """Raises Conflict where the run's deployment is gone. One that DropML keeps (`kept`) is taken to stand while Azure can't
    be asked: the proxy's callers don't need its control plane.
    """
    run = ctx.store.load(run_id)[0]
    endpoint, name = placement_of(run)
    try:
        found = ctx.azureml.deployment(endpoint, name)
    except Transient as error:
        if not kept:
            raise
        ctx.log("rolled back without asking Azure", run_id=run_id, **error.to_dict())
        return True
    if found is None or found.state in ("Deleting", "Failed"):
        raise Refused(
            f"The deployment {name} of {run_id} does not stand any more at {endpoint}.",
            remedy=(
                f"Drop the file of {run_id} again, or POST /api/datasets/{run.slug}/rollback with `to` and another run."
            ),
            code="deployment-gone",
        )
    return True


def _promotable(run: Run) -> None:
    """Raises Conflict, with the way that there is."""
    numbers = run.gate.numbers if run.gate else None
    if numbers and numbers.high is not None and numbers.high < 0:
        raise Refused(
            f"The run {run.run_id} was proven worse than {(run.gate and run.gate.champion_run) or 'the champion'}: "
            f"{numbers.reason}. Nobody can promote it.",
            remedy=f"POST /api/runs/{run.run_id}/retry trains it again; better data helps more.",
            code="proven-worse",
        )
    if run.state in FORMER | {State.CANARY}:
        return
    remedies = {
        State.AWAITING_APPROVAL: f"POST /api/runs/{run.run_id}/approve lets it go on.",
        State.REJECTED: (
            f"Its deployment was taken away: POST /api/runs/{run.run_id}/retry after a change of `gate` in the dataset's yaml."
        ),
    }
    raise Refused(
        f"The run is {run.state}; only a canary, or a version that was live, can be promoted.",
        remedy=remedies.get(
            run.state, "Wait until it is a canary: GET /api/runs/{id} tells what it waits for."
        ),
        code="not-promotable",
    )


def _in_force(slug: str, ctx: Context, *, moved: bool) -> InForce:
    now = ctx.store.find_dataset(slug)
    run = ctx.store.load(str(now.champion))[0]
    return InForce(
        now.dataset,
        now.slug,
        run.run_id,
        run.state,
        run.model.label if run.model else None,
        run.placement.deployment if run.placement else None,
        moved,
        now.shift if now.shift and now.shift.to == run.run_id else None,
    )
