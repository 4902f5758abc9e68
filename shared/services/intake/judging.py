"""A staged table as a dataset's next version: held against the one before, at the moment that its run gets its number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from shared.domain import contract
from shared.domain.config import DatasetConfig
from shared.domain.documents import InvalidDocument
from shared.domain.errors import NotFound
from shared.domain.retyping import retyped
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.run.parts import RunProblem, Snapshot
from shared.domain.run.states import NO_CONTRACT
from shared.domain.schema import Earlier
from shared.domain.table.column_warnings import Cause
from shared.domain.table.profile.parts import Profile
from shared.services.run.context import Context
from shared.services.run.profiles import Profiles


def contract_of(doc: Dataset, config: DatasetConfig, ctx: Context) -> Run | None:
    """The run whose table the dataset's next one is held against, if there is one.

    That is the newest one that was taken. The champion is in its place where that one failed or was rejected and nobody
    accepted its schema, or where the configuration asks for another label now.
    """
    for run_id in filter(None, (doc.contract, doc.champion)):
        try:
            run = ctx.store.load(run_id)[0]
        except (InvalidDocument, NotFound) as error:
            ctx.log("the version before can't be read", run_id=run_id, error=type(error).__name__)
            continue
        stands = run.state not in NO_CONTRACT or run_id == doc.accepted
        same = (run.config.label, run.config.task) == (config.label, config.task)
        if run.snapshot and (run_id == doc.champion or (stands and same)):
            return run
    return None


def schema_before(doc: Dataset, config: DatasetConfig, ctx: Context) -> Earlier | None:
    """The columns whose types the next table keeps, where its values fit them."""
    before = contract_of(doc, config, ctx)
    return Earlier(before.run_id, before.snapshot.schema) if before and before.snapshot else None


def judged(
    snapshot: Snapshot,
    slug: str,
    run_id: str,
    config: DatasetConfig,
    ctx: Context,
    profiles: Profiles,
    *,
    causes: Mapping[str, Cause],
    waived: bool = False,
) -> tuple[Snapshot | None, RunProblem | None]:
    """The snapshot where it can be the next version, else why not. With `waived` it can, whatever the configuration says.

    `causes` tell, by column, why it is of its type.
    """
    dataset = ctx.store.dataset(slug)
    before = contract_of(dataset, config, ctx) if dataset else None
    if before is None or before.snapshot is None:
        return _told_apart(snapshot, dataset, ctx), None
    was, now = (_profile(of.profile_path, profiles) for of in (before.snapshot, snapshot))
    found = contract.changes(before.snapshot, snapshot, was, now)
    policy = "free" if waived else contract.policy_of(config)
    causes = retyped(causes, before.snapshot.schema, snapshot.schema)
    wrong = contract.problem(found, policy, before.run_id, run_id, causes)
    if wrong:
        return None, wrong
    told = (*snapshot.warnings, *contract.warnings(found, before.run_id))
    return replace(snapshot, changes=found, warnings=told), None


def _told_apart(snapshot: Snapshot, dataset: Dataset | None, ctx: Context) -> Snapshot:
    """With a warning where the newest version is no measure because its label is another one."""
    if dataset is None or not dataset.contract:
        return snapshot
    try:
        run = ctx.store.load(dataset.contract)[0]
    except (InvalidDocument, NotFound):
        return snapshot
    told = contract.relabelled(run.snapshot, snapshot, run.run_id) if run.snapshot else ""
    return replace(snapshot, warnings=(*snapshot.warnings, told)) if told else snapshot


def _profile(path: str, profiles: Profiles) -> Profile | None:
    """None where it is not there any more, or never was: then distributions are not compared."""
    try:
        return profiles.read(path) if path else None
    except (InvalidDocument, NotFound, ValueError):
        return None
