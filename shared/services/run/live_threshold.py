"""The live model's threshold, set by a person: at once for callers of the proxy, then in the deployment itself.

What is asked is written into the dataset's document first. All that follows is done from there, by the call that asked or by a
later tick, and doing it again changes nothing: the run's document and its ledger, the serving document, the deployment.
"""

from __future__ import annotations

from dataclasses import replace

from shared.domain.documents import from_json, to_json
from shared.domain.errors import DropMLError
from shared.domain.run.dataset import Dataset, ThresholdChange
from shared.domain.run.documents import Run
from shared.domain.run.serving import ServingEntry
from shared.domain.threshold import Threshold
from shared.services import conditional
from shared.services.run import serving_documents
from shared.services.run.context import Context
from shared.services.run.thresholds import lacking
from shared.services.run.traffic import deployment_of


def ask(dataset: Dataset, run: Run, threshold: Threshold, ctx: Context) -> Dataset:
    """Have the live model answer by this threshold; returns the dataset, whose `change` is another where others were first."""
    change = ThresholdChange(run.run_id, threshold)

    def take(found: Dataset) -> Dataset:
        if found.champion != run.run_id:
            return found
        ctx.store.mark_open(dataset.slug)  # between the reading and the writing of the dataset: see `rest`
        watch = found.watch  # labels that differ from now on differ by right
        if watch and watch.run_id == run.run_id:
            watch = replace(watch, baseline=replace(watch.baseline, labels={}))
        return replace(found, change=change, watch=watch)

    after = ctx.store.change_dataset(dataset.slug, take)
    if after.change == change:
        _serve(_note(change, ctx), ctx)
    return after


def follow(dataset: Dataset, ctx: Context) -> None:
    """The next thing that what was asked still lacks. Once all is done, or can't be, the dataset says so."""
    change = dataset.change
    if change is None:
        return
    if dataset.champion != change.run_id:
        ctx.log("a threshold was asked of a model that is not live any more", run_id=change.run_id)
        _over(dataset, change, ctx)
        return
    _serve(_note(change, ctx), ctx)
    try:
        through = _put_further(change, ctx)
    except DropMLError as error:
        if error.error_code != "threshold-not-deployed":
            raise
        _give_up(change, error.message, ctx)
        through = True
    late = ctx.clock() - change.threshold.at > ctx.pace.open_run_hours * 3600
    if late and not through:
        _give_up(change, f"The deployment has not taken it in {ctx.pace.open_run_hours:g} hours.", ctx)
    if late or through:
        _over(dataset, change, ctx)


def _put_further(change: ThresholdChange, ctx: Context) -> bool:
    """One step of the deployment's; whether it was the last."""
    run, etag = ctx.store.load(change.run_id)
    after = lacking(run, ctx)
    if after is None or after == run:
        return after is None
    through = after.threshold is not None and after.threshold.deployment == "follows"
    event = "threshold-deployed" if through else "threshold-update-begun"
    told: dict[str, object] = {"threshold": change.threshold.value}
    ctx.store.save(after.record(ctx.clock(), event, detail=told), etag)
    return through


def _note(change: ThresholdChange, ctx: Context) -> Run:
    """The run with what was asked, in its document and its ledger, once."""

    def attempt() -> Run:
        run, etag = ctx.store.load(change.run_id)
        before, asked = run.threshold or Threshold(), change.threshold
        if (before.at, before.actor) == (asked.at, asked.actor):
            return run
        detail: dict[str, object] = {"threshold": asked.value, "before": before.value}
        detail |= {"rule": str(asked.rule)} if asked.rule else {}
        detail |= {"note": asked.comment} if asked.comment else {}
        return ctx.store.save(
            replace(run, threshold=asked).record(asked.at, "threshold", asked.actor, detail), etag
        )[0]

    return conditional.write(attempt, change.run_id)


def _serve(run: Run, ctx: Context) -> None:
    """The serving document says the run's threshold. Where two versions share the traffic, what was counted is counted anew."""
    path, name = f"serving/{run.slug}.json", deployment_of(run)
    value = run.threshold.value if run.threshold else None

    def attempt() -> None:
        found = ctx.store.documents.get(path)
        if found is None:
            return  # made anew from the run
        entry = from_json(found[0], ServingEntry)
        version = entry.deployments.get(name)
        if version is None or version.run_id != run.run_id or version.threshold == value:
            return
        deployments = {**entry.deployments, name: replace(version, threshold=value)}
        at = serving_documents.later(ctx.clock(), entry.updated_at) if entry.shared else entry.updated_at
        after = replace(entry, deployments=deployments, updated_at=at)
        ctx.store.documents.replace(path, to_json(after), found[1], serving_documents.told(after))

    conditional.write(attempt, path)


def _give_up(change: ThresholdChange, why: str, ctx: Context) -> None:
    """Callers of the proxy have it; the endpoint's own callers don't, and that is told."""

    def attempt() -> None:
        run, etag = ctx.store.load(change.run_id)
        note = f"{why} Calls to the endpoint itself are answered as before; ask again to have it tried again."
        threshold = replace(run.threshold or change.threshold, note=note, deployment="lacks")
        if threshold == run.threshold:
            return
        told: dict[str, object] = {"threshold": change.threshold.value, "why": why}
        after = replace(run, threshold=threshold)
        ctx.store.save(after.record(ctx.clock(), "threshold-not-deployed", detail=told), etag)

    conditional.write(attempt, change.run_id)


def _over(dataset: Dataset, change: ThresholdChange, ctx: Context) -> None:
    def done(found: Dataset) -> Dataset:
        return replace(found, change=None) if found.change == change else found

    ctx.store.change_dataset(dataset.slug, done)
