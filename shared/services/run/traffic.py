"""Who gets how much: what the scoring path is told, all traffic to one, what is taken away."""

from __future__ import annotations

from dataclasses import replace

from shared.domain.canary import Tally
from shared.domain.errors import DropMLError
from shared.domain.run.acts import Watch
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.run.parts import Placement
from shared.domain.run.serving import ServingEntry, Version
from shared.domain.run.states import State
from shared.domain.schema import Schema
from shared.services.monitoring import tallies
from shared.services.run import leftovers, moves, serving_documents
from shared.services.run.context import Context
from shared.services.run.patience import Gone
from shared.services.run.ports import Endpoint
from shared.services.run.thresholds import comparable
from shared.services.run.training import placement_of, snapshot_of

#: States in which an endpoint or a deployment can be changed.
SETTLED = ("Succeeded", "Failed", "Canceled")


def endpoint_of(run: Run, ctx: Context) -> Endpoint:
    """The run's endpoint as it is now. Raises DropMLError where it is gone."""
    name, _ = placement_of(run)
    found = ctx.azureml.endpoint(name)
    if found is None:
        raise Gone(f"There is no endpoint {name}.", remedy="Retry the run.", code="endpoint-gone")
    return found


def deployment_of(run: Run) -> str:
    return placement_of(run)[1]


def traffic_is(endpoint: Endpoint, wanted: dict[str, int]) -> bool:
    return {k: v for k, v in endpoint.traffic.items() if v} == wanted


def stands(run: Run, endpoint: Endpoint, ctx: Context) -> bool:
    """Whether the run's deployment can take traffic. One that has a share is there: Azure deletes none that has."""
    if endpoint.traffic.get(deployment_of(run)):
        return True
    found = ctx.azureml.deployment(endpoint.name, deployment_of(run))
    return found is not None and found.state not in ("Deleting", "Failed")


def reject(run: Run, ctx: Context, actor: str = "dropml") -> Run:
    """A rejection is a normal outcome: the numbers stay, the deployment goes, where there is one yet."""
    if run.placement:
        take_away(run.slug, *placement_of(run), ctx)
    reason = run.gate.reason if run.gate else None
    told: dict[str, object] = {"decision": "reject", "reason": reason}
    return run.advance(State.REJECTED, ctx.clock(), detail=told, actor=actor)


def take_all(run: Run, champion: Run | None, endpoint: Endpoint, dataset: Dataset, ctx: Context) -> Run:
    """All traffic to the run's deployment; live once the endpoint says so.

    The dataset's document decides: where people have put another version in force since it said `dataset`, nothing follows.
    """
    wanted = {deployment_of(run): 100}
    if endpoint.state not in SETTLED:
        return run
    if not traffic_is(endpoint, wanted):
        moves.begin(dataset, endpoint.name, wanted, ctx)
        return run
    watch = _watch(run, champion, ctx)
    before = champion.run_id if champion else None
    after = ctx.store.change_dataset(run.slug, lambda found: _crowned(found, run.run_id, before, watch))
    if after.champion != run.run_id:
        return run
    write_serving(run, endpoint, champion, ctx, watched=after.watch is not None)
    tallies.forget(ctx.store.documents, run.slug)
    if champion:
        _retire(champion.run_id, run.run_id, ctx)
    prune(run, champion, ctx)
    by: dict[str, object] = {"promoted_by": run.promoted.actor} if run.promoted else {}
    return run.advance(State.LIVE, ctx.clock(), detail={"traffic": wanted} | by)


def _crowned(dataset: Dataset, run_id: str, before: str | None, watch: Watch | None) -> Dataset:
    """With the run as champion, if the one that it was compared with still is, and nobody has ended the run meanwhile."""
    if dataset.champion != before or dataset.shifting or run_id not in dataset.open:
        return dataset
    return replace(dataset, champion=run_id, shift=None, watch=watch, sleep=None)


def _watch(run: Run, champion: Run | None, ctx: Context) -> Watch | None:
    """What goes on after 100 %, with what the champion's callers met while both shared the traffic."""
    if champion is None or not ctx.canary.watch_seconds:
        return None
    serving = ctx.store.hint(f"serving/{run.slug}.json", ServingEntry)
    seen = tallies.observed(ctx.store.documents, run.slug, serving.updated_at) if serving else {}
    baseline = comparable(run, champion, seen.get(deployment_of(champion), Tally()))
    return Watch(run.run_id, champion.run_id, ctx.active(), ctx.clock(), baseline)


def _retire(run_id: str, by: str, ctx: Context) -> None:
    """The old champion's run ends; its deployment stays at 0 % for instant rollback."""
    run, etag = ctx.store.load(run_id)
    if run.state is State.LIVE:
        ctx.store.save(run.advance(State.RETIRED, ctx.clock(), detail={"replaced_by": by}), etag)
    elif run.pending:  # retired by a host that died before the ledger had it
        ctx.store.settle(run, etag)


def prune(run: Run, champion: Run | None, ctx: Context) -> None:
    """Two deployments are kept, and those that anything else names (`leftovers.spare`). What can't be deleted now keeps no
    model from being live: it is looked for again.
    """
    endpoint, mine = placement_of(run)
    keep = {mine} | ({deployment_of(champion)} if champion else set())
    for deployment in leftovers.spare(run.slug, endpoint, keep, ctx, run.run_id):
        if deployment.state in SETTLED:
            take_away(run.slug, endpoint, deployment.name, ctx)


def take_away(slug: str, endpoint: str, deployment: str, ctx: Context) -> None:
    """Have a deployment deleted that nobody needs any more; what keeps it from being is told, and holds nothing else up."""
    try:
        ctx.azureml.begin_delete_deployment(endpoint, deployment)
    except DropMLError as error:
        ctx.store.mark_ended(slug)
        ctx.log("deployment-not-taken-away", slug=slug, deployment=deployment, **error.to_dict())


def write_serving(
    run: Run,
    endpoint: Endpoint | None,
    other: Run | None,
    ctx: Context,
    *,
    traffic: dict[str, int] | None = None,
    watched: bool = False,
) -> None:
    """Have the scoring path read it: see `serving_entry`."""
    entry = serving_entry(run, endpoint, other, ctx, traffic=traffic, watched=watched)
    serving_documents.write(entry, ctx.store)


def serving_entry(
    run: Run,
    endpoint: Endpoint | None,
    other: Run | None,
    ctx: Context,
    *,
    traffic: dict[str, int] | None = None,
    watched: bool = False,
) -> ServingEntry:
    """What the scoring path reads: where to send rows, who answers, and what a row looks like.

    `traffic` stands in for the endpoint's own where the proxy shall follow another one already; without an `endpoint`, which
    is as it was when the run was deployed, it must be given.
    """
    endpoint = endpoint or _as_placed(run)
    traffic = traffic or {k: v for k, v in endpoint.traffic.items() if v}
    schema = snapshot_of(run).schema
    return ServingEntry(
        dataset=run.dataset,
        slug=run.slug,
        endpoint=endpoint.name,
        scoring_uri=endpoint.scoring_uri,
        live=_live(traffic, other),
        schema=schema,
        auth_mode=endpoint.auth_mode,
        traffic=traffic,
        deployments={deployment_of(r): _version(schema, r) for r in (run, other) if r},
        updated_at=ctx.clock(),
        watched=watched,
    )


def _as_placed(run: Run) -> Endpoint:
    where = run.placement or Placement("")
    return Endpoint(where.endpoint, "Succeeded", where.scoring_uri, {}, where.auth_mode)


def _version(schema: Schema, run: Run) -> Version:
    where = run.placement or Placement("")
    return Version(
        run.run_id,
        run.model.label if run.model else "",
        _other_than(schema, run),
        mode=where.mode,
        threshold=run.threshold.value if run.threshold else where.threshold,
    )


def _other_than(schema: Schema, run: Run) -> Schema | None:
    own = snapshot_of(run).schema
    return None if own.columns == schema.columns else own


def _live(traffic: dict[str, int], other: Run | None) -> str:
    """The deployment that stands for the dataset: the champion as long as it has traffic, else the one with most."""
    if other and traffic.get(deployment_of(other)):
        return deployment_of(other)
    return max(traffic, key=lambda name: traffic[name])
