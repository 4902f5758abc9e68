"""An endpoint that nobody calls costs nothing: its deployment is taken away, its model kept, and the next call brings it back.

The dataset's document decides (`sleep`); callers of the proxy are told first, Azure follows, in steps that are found again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from shared.domain import names
from shared.domain.errors import Conflict, DropMLError, Transient
from shared.domain.notify.notices import unserved
from shared.domain.run.acts import Sleep
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.run.serving import ServingEntry
from shared.services.run import moves, serving_documents
from shared.services.run.context import Context
from shared.services.run.traffic import SETTLED, deployment_of, traffic_is, write_serving
from shared.services.run.training import deployment_spec, placement_of

WAKE = "wake/"
#: Between two tries to deploy again what the service let fail (seconds).
AGAIN_SECONDS = 300.0
#: Tries to wake it after which the dataset's next model goes on without.
TRIES = 3
DAY = 86400.0
Step = Callable[[Run, Context], Run]


def fallen(found: Dataset, at: float, before: str | None) -> Dataset:
    """With the word that its endpoint is to sleep, unless anything is going on. What was kept for a rollback goes with it."""
    if found.busy or found.promoting or found.sleep or found.champion is None:
        return found
    gone = found.undeploying(before, at) if before else found
    return replace(gone, sleep=Sleep(found.champion, "falling", at))


def wake(slug: str, ctx: Context) -> None:
    """Have the lifecycle bring the endpoint back. Repeating changes nothing."""
    ctx.store.documents.mark(f"{WAKE}{slug}", {"at": str(ctx.clock())})
    ctx.store.mark_open(slug)


def awake(step: Step) -> Step:
    """The step, but a run whose dataset's endpoint sleeps has it woken first: the gate compares with what is live.

    One that can't be woken holds no better model up: the run goes on as where the live model doesn't answer.
    """

    def wrapped(run: Run, ctx: Context) -> Run:
        dataset = ctx.store.dataset(run.slug)
        if dataset is None or dataset.sleep is None or dataset.sleep.tries >= TRIES:
            return step(run, ctx)
        wake(run.slug, ctx)
        return replace(run, waits_for="Its endpoint sleeps and is being woken; it goes on by itself.")

    return wrapped


def follow(dataset: Dataset, ctx: Context) -> None:
    """One step of falling asleep or waking."""
    sleep = dataset.sleep
    if sleep is None:
        return
    if sleep.stage == "falling":
        _fall(dataset, sleep, ctx)
    elif sleep.stage == "waking":
        _rise(dataset, sleep, ctx)
    elif _called(dataset.slug, ctx):
        _become(dataset.slug, sleep, replace(sleep, stage="waking", at=ctx.clock()), ctx)


def _called(slug: str, ctx: Context) -> bool:
    """Whether it is to be woken; the mark itself comes before those of datasets whose names begin alike."""
    first, _ = ctx.store.documents.page(f"{WAKE}{slug}", 1)
    return any(entry.path == f"{WAKE}{slug}" for entry in first)


def lie_down(slug: str, ctx: Context) -> None:
    """Callers of the proxy are told to come again, and wake it by that."""
    now = ctx.store.hint(f"serving/{slug}.json", ServingEntry)
    if now is not None and not now.asleep:
        entry = replace(now, asleep=True, traffic={}, watched=False, updated_at=ctx.clock())
        serving_documents.write(entry, ctx.store)


def _fall(dataset: Dataset, sleep: Sleep, ctx: Context) -> None:
    lie_down(dataset.slug, ctx)
    champion, _ = ctx.store.load(sleep.run_id)
    endpoint = ctx.azureml.endpoint(placement_of(champion)[0])
    if endpoint is None:  # somebody deleted it
        _become(dataset.slug, sleep, replace(sleep, stage="asleep", at=ctx.clock()), ctx)
        return
    if endpoint.state not in SETTLED:
        return
    if not traffic_is(endpoint, {}):
        moves.begin(dataset, endpoint.name, {}, ctx)
        return
    ours = {deployment_of(champion)}.union(*map(_deployments, dataset.undeployed))
    listed = [each for each in ctx.azureml.deployments(endpoint.name) if names.deployed(each.name)]
    standing = [each for each in listed if each.name in ours]
    for each in standing:
        if each.state in SETTLED:
            ctx.azureml.begin_delete_deployment(endpoint.name, each.name)
            return
    if not standing:
        if listed:  # of runs that nobody remembers here; what keeps one from being deleted keeps nothing from sleeping
            ctx.store.mark_ended(dataset.slug)
        ctx.log("endpoint-asleep", slug=dataset.slug, run_id=sleep.run_id, endpoint=endpoint.name)
        _become(dataset.slug, sleep, replace(sleep, stage="asleep", at=ctx.clock()), ctx)


def _deployments(run_id: str) -> frozenset[str]:
    """By its id alone: a run whose document can't be read has its deployment taken away all the same."""
    parsed = names.parse_run_id(run_id)
    return names.deployments(*parsed[1:]) if parsed else frozenset()


def _rise(dataset: Dataset, sleep: Sleep, ctx: Context) -> None:
    champion, _ = ctx.store.load(sleep.run_id)
    due = sleep.tries == 0 or abs(ctx.clock() - sleep.at) >= AGAIN_SECONDS
    endpoint, name = ctx.azureml.endpoint(placement_of(champion)[0]), deployment_of(champion)
    if endpoint is None:
        if due:
            _not_awake(dataset, sleep, "its endpoint was deleted", ctx)
        return
    found = ctx.azureml.deployment(endpoint.name, name)
    if endpoint.state not in SETTLED:
        return
    if found is None:
        if due:
            _deployed(dataset, sleep, champion, ctx)
        return
    if found.state in ("Failed", "Canceled"):
        if endpoint.traffic.get(name):  # as an earlier release left it: with traffic it can't be deleted
            moves.begin(dataset, endpoint.name, {}, ctx)
            return
        ctx.azureml.begin_delete_deployment(endpoint.name, name)
        _not_awake(dataset, sleep, found.error, ctx)
        return
    if found.state != "Succeeded":
        return
    wanted = {name: 100}
    if not traffic_is(endpoint, wanted):
        moves.begin(dataset, endpoint.name, wanted, ctx)
        return
    write_serving(champion, endpoint, None, ctx)
    ctx.store.documents.delete(f"{WAKE}{dataset.slug}")
    ctx.log("endpoint-awake", slug=dataset.slug, run_id=sleep.run_id, endpoint=endpoint.name)
    _become(dataset.slug, sleep, None, ctx)


def _deployed(dataset: Dataset, sleep: Sleep, champion: Run, ctx: Context) -> None:
    try:
        ctx.azureml.begin_deployment(deployment_spec(champion))
    except (Transient, Conflict):
        raise
    except DropMLError as error:  # the service doesn't take it
        _not_awake(dataset, sleep, error.message, ctx)


def _not_awake(dataset: Dataset, sleep: Sleep, why: str, ctx: Context) -> None:
    """Another try is over; people are told of the last one that newer models wait for."""
    ctx.log("endpoint-not-awake", slug=dataset.slug, run_id=sleep.run_id, why=why)
    if sleep.tries + 1 == TRIES:
        sentence = (
            f"The endpoint of {dataset.dataset} ({sleep.run_id}) can't be woken: {why or 'see its log'}."
        )
        remedy = (
            "dropml doctor --quota; the next file's model takes its place where the model itself is at fault."
        )
        now = ctx.clock()
        today = now - now % DAY
        ctx.store.outbox.put(
            unserved(sleep.run_id, dataset.dataset, "endpoint-not-awake", now, today, sentence, remedy)
        )
    _become(dataset.slug, sleep, replace(sleep, at=ctx.clock(), tries=sleep.tries + 1), ctx)


def _become(slug: str, before: Sleep, after: Sleep | None, ctx: Context) -> None:
    ctx.store.change_dataset(
        slug, lambda found: replace(found, sleep=after) if found.sleep == before else found
    )
