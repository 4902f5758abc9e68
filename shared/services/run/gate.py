"""From a deployment that answers to a verdict: smoke test, then challenger and champion on the same holdout rows.

One run of a dataset at a time is between gate and live: the dataset's document names it under `promoting`.
"""

from __future__ import annotations

from dataclasses import replace

from shared.domain.contract import policy_of
from shared.domain.errors import DropMLError, NotFound, Transient, Upstream
from shared.domain.gate import Verdict
from shared.domain.labels import speller
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.run.parts import Canary, Gate
from shared.domain.run.states import State
from shared.domain.schema_change import breaking_changes
from shared.services.run import comparing, thresholds
from shared.services.run.context import Context
from shared.services.run.levers import approving
from shared.services.run.ports import Endpoint
from shared.services.run.traffic import deployment_of, endpoint_of, reject, take_all
from shared.services.run.training import placement_of, snapshot_of
from shared.services.run.trouble import STRIKES


def smoke_answers(run: Run, endpoint: Endpoint, ctx: Context) -> list[str]:
    """What the run's deployment answers to the dataset's own example rows."""
    snapshot = snapshot_of(run)
    rows = [[row.get(c) for c in snapshot.columns] for row in snapshot.schema.example]
    return ctx.scorer.answers(endpoint, deployment_of(run), snapshot.columns, rows).result


def verifying(run: Run, ctx: Context) -> Run:
    """Smoke test: the new deployment must answer the dataset's own example rows with labels it was trained on."""
    endpoint, schema = endpoint_of(run, ctx), snapshot_of(run).schema
    try:
        answers = smoke_answers(run, endpoint, ctx)
    except Transient:
        raise
    except DropMLError as error:
        if isinstance(error, Upstream | NotFound) and (run.trouble.count if run.trouble else 0) < STRIKES - 1:
            raise  # it may only just have come up
        raise _refused(run, ctx, f"the smoke test got no answer: {error.message}") from error
    spell = speller(schema.classes)
    strange = [a for a in answers if schema.classes and spell(a) not in schema.classes]
    if len(answers) != len(schema.example) or strange:
        what = f"the smoke test got {answers!r} for {len(schema.example)} rows, not labels of {list(schema.classes)}"
        raise _refused(run, ctx, what)
    gate = Gate(smoke=tuple(answers))
    return run.advance(State.GATE, ctx.clock(), detail={"smoke": answers}, gate=gate)


def _refused(run: Run, ctx: Context, why: str) -> DropMLError:
    endpoint, deployment = placement_of(run)
    ctx.azureml.begin_delete_deployment(endpoint, deployment)
    return DropMLError(
        f"Deployment {deployment} was taken down: {why}.",
        remedy="Read the deployment's log in the studio; POST /api/runs/{id}/retry trains and deploys anew.",
        code="smoke-failed",
    )


def gate(run: Run, ctx: Context) -> Run:
    """Challenger and champion answer the same holdout rows; the numbers decide, and are kept.

    Without a champion all traffic goes to the first model, without a canary. A verdict is written down before anything is done
    about it: neither a crash nor another host, which has measured other times, can change it.
    """
    dataset = ctx.store.change_dataset(run.slug, lambda found: _claimed(found, run.run_id))
    if run.run_id not in dataset.open:
        return run  # another host has ended it meanwhile
    if dataset.promoting != run.run_id:
        before = f"Run {dataset.promoting} of this dataset is before it; it goes on by itself once that one has its verdict."
        return replace(run, waits_for=before)
    seen = run.gate or Gate()
    if seen.decision == "reject":
        return reject(run, ctx)
    endpoint = endpoint_of(run, ctx)
    if seen.decision == "promote":
        return ready(run, endpoint, ctx) or take_all(run, None, endpoint, dataset, ctx)
    champion = ctx.store.load(dataset.champion)[0] if dataset.champion else None
    accepted = ctx.store.load(dataset.accepted)[0] if champion and dataset.accepted else None
    held = _held(run, champion, accepted)
    if held:
        return replace(run, gate=replace(seen, decision="reject", reason=held))
    found = comparing.compared(run, champion, endpoint, ctx)
    verdict = approving.allowed(run, approving.suspected(run, dataset.champion, found.verdict))
    comparing.keep(run, champion, found, ctx)
    judged = replace(
        run,
        threshold=found.choice.threshold,
        gate=replace(
            seen,
            champion_run=dataset.champion,
            decision=verdict.decision,
            reason=verdict.reason,
            numbers=verdict,
            silent=found.silent,
        ),
    )
    return _concluded(judged, champion, verdict, ctx)


def ready(run: Run, endpoint: Endpoint, ctx: Context) -> Run | None:
    """The run on the way to answer by its threshold; None once it does, or has none. To be called before callers meet it."""
    try:
        after = thresholds.lacking(run, ctx)
    except DropMLError as error:
        if run.state is State.GATE and error.error_code == "threshold-not-deployed":
            ctx.azureml.begin_delete_deployment(*placement_of(run))
        raise
    if after is None or after == run or not after.threshold or after.threshold.deployment != "follows":
        return after
    smoke = tuple(smoke_answers(after, endpoint, ctx))  # what the canary is held against
    return replace(after, gate=replace(after.gate or Gate(), smoke=smoke))


def _concluded(run: Run, champion: Run | None, verdict: Verdict, ctx: Context) -> Run:
    if why := approving.wanted(run, verdict):
        return approving.asked(run, why, ctx)
    if verdict.decision == "reject":
        return run
    told: dict[str, object] = {"decision": verdict.decision, "reason": verdict.reason}
    if run.threshold and run.threshold.rule:
        told |= {"threshold": run.threshold.value, "rule": str(run.threshold.rule)}
    if champion is None:
        return run.record(ctx.clock(), "gate", detail=told)
    return run.advance(State.CANARY, ctx.clock(), detail=told, canary=Canary(ctx.canary.percent))


def _claimed(dataset: Dataset, run_id: str) -> Dataset:
    """Be the one run of the dataset that is promoted now, unless another is. One that has ended would hold the gate for good."""
    free = dataset.promoting is None and run_id in dataset.open
    return replace(dataset, promoting=run_id) if free else dataset


def _held(run: Run, champion: Run | None, accepted: Run | None) -> str | None:
    """Why the run can't be promoted whatever its numbers; None where nothing holds it.

    A schema that a person `accepted` since the champion is what callers know of.
    """
    if champion is None:
        return None
    if champion.n > run.n:
        return f"superseded: {champion.run_id} is newer and already live"
    if "schema" in run.waived or policy_of(run.config) == "free":
        return None
    known = accepted if accepted and accepted.snapshot and accepted.n > champion.n else champion
    changes = breaking_changes(snapshot_of(known).schema, snapshot_of(run).schema)
    if not changes:
        return None
    return (
        f"held: the input schema breaks its callers. {' '.join(changes)} To promote it all the same, set "
        "schema: free in the dataset's yaml and drop the file again."
    )
