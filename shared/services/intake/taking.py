"""One version of one table becomes a run: streamed once into the snapshot, judged, numbered.

Its content's hash tells whether there is anything new to learn.
"""

from __future__ import annotations

from dataclasses import replace

from shared.domain import contract, names
from shared.domain.config import DatasetConfig
from shared.domain.config_owner import too_short
from shared.domain.config_sources import Effective, decided
from shared.domain.documents import InvalidDocument
from shared.domain.errors import InvalidInput, InvalidTable, NotFound
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.run.parts import RunProblem, Snapshot, Source
from shared.domain.run.states import RETRYABLE, State
from shared.domain.table.holdout import HoldoutRule
from shared.domain.table.task import task_of
from shared.services.intake.attempts import Attempts
from shared.services.intake.ports import CHUNK, FileInfo, Files, IntakePlan
from shared.services.intake.sidecars import config_for
from shared.services.intake.staging import BAD_ROWS, PROFILE, Staged, stage
from shared.services.run.context import Context


class Taker:
    def __init__(self, context: Context, files: Files, plan: IntakePlan, attempts: Attempts) -> None:
        self._ctx, self._files, self._plan, self._attempts = context, files, plan, attempts

    def take(self, doc: Dataset, info: FileInfo, delivery: str) -> str:
        """Stage and judge the file; the id of its run. `delivery` names this arrival of it."""
        source = Source(self._plan.incoming, info.name, info.etag, info.size)
        said, folder, problem = Effective(self._plan.defaults), "", None
        staged: Staged | None = None
        try:
            self._check_size(info)
            said = config_for(info.name, info.metadata, self._files, self._plan)
            folder = _folder(doc, source, said)
            self._attempts.begin(info.name, info.etag, folder)
            said = self._with_task(said, source, doc)
            before = contract_of(doc, said.config, self._ctx)
            staged = self._stage(source, folder, said, doc, before)
            content = staged.content_hash
            short = too_short(said.config, staged.rows, len(staged.schema.columns) + 1)
            said = replace(said, remarks=(*said.remarks, *short))
        except InvalidInput as error:
            error.where.setdefault("file", source.blob)
            problem = RunProblem.of(error)
            content = getattr(error, "content_hash", None) or names.digest("unreadable", info.etag)
        source = replace(source, content_hash=content)
        run_id, fresh = self._claim(doc, source, said, staged, problem, delivery)
        if staged:
            self._drop_unused(run_id, folder, source.blob, fresh=fresh)
        self._attempts.over(info.name, info.etag)
        return run_id

    def refuse(self, doc: Dataset, info: FileInfo, problem: RunProblem) -> str:
        """A run that ends in quarantine, for a file that nothing more can be done with."""
        content = names.digest("unreadable", info.etag)
        source = Source(self._plan.incoming, info.name, info.etag, info.size, content)
        placed = replace(problem, where={"file": info.name, **problem.where})
        return self._claim(doc, source, Effective(self._plan.defaults), None, placed, info.etag)[0]

    def _claim(
        self,
        doc: Dataset,
        source: Source,
        said: Effective,
        staged: Staged | None,
        problem: RunProblem | None,
        delivery: str,
    ) -> tuple[str, bool]:
        config_hash = said.config.config_hash()
        key = names.digest(doc.slug, source.content_hash, config_hash, "drop")
        folder = _folder(doc, source, said)
        at = self._ctx.clock()

        def build(n: int, attempt: int) -> Run:
            run_id = names.run_id(doc.slug, n, attempt)
            snapshot, wrong = self._judged(doc, said, staged, folder, run_id)
            run = Run(
                run_id=run_id,
                dataset=doc.dataset,
                slug=doc.slug,
                n=n,
                attempt=attempt,
                key=key,
                cause="drop",
                state=State.DROPPED,
                created_at=at,
                entered_at=at,
                config_hash=config_hash,
                config=said.config,
                source=source,
                snapshot=snapshot,
                problem=problem or wrong,
            )
            return run.opened(at, "blob-trigger")

        return self._ctx.store.claim(doc.slug, key, build, delivery=delivery, brings_data=True)

    def _judged(
        self, doc: Dataset, said: Effective, staged: Staged | None, folder: str, run_id: str
    ) -> tuple[Snapshot | None, RunProblem | None]:
        """The snapshot where it can be the next version, else why not; held against the newest one at this moment."""
        if staged is None:
            return None, None
        parsed = names.parse_run_id(run_id)
        version = names.model_version(parsed[1], parsed[2]) if parsed else ""
        snapshot = snapshot_of(staged, folder, version, said.remarks)
        before = contract_of(self._ctx.store.dataset(doc.slug) or doc, said.config, self._ctx)
        if before is None or before.snapshot is None:
            return snapshot, None
        found = contract.changes(before.snapshot, snapshot)
        wrong = contract.problem(found, contract.policy_of(said.config), before.run_id, run_id)
        if wrong:
            return None, wrong
        told = (*snapshot.warnings, *contract.warnings(found, before.run_id))
        return replace(snapshot, changes=found, warnings=told), None

    def _drop_unused(self, run_id: str, folder: str, blob: str, *, fresh: bool) -> None:
        """Delete what was staged where its run has other data, or none."""
        snapshot = self._ctx.store.load(run_id)[0].snapshot
        if snapshot is None or snapshot.path != f"{folder}/train":
            self._files.delete_prefix(self._plan.data, f"{folder}/")
            if not fresh:
                self._ctx.log("same content again, no new run", blob=blob, run_id=run_id)

    def _check_size(self, info: FileInfo) -> None:
        most = self._plan.max_upload_bytes
        if info.size > most:
            raise InvalidTable(
                f"The file has {info.size:,} bytes, more than the {most:,} that are taken.",
                code="too-large",
                remedy="Sample or split it, or raise MAX_UPLOAD_BYTES.",
            )

    def _with_task(self, said: Effective, source: Source, doc: Dataset) -> Effective:
        """With the task that the label tells, where nobody says it: once it is told, it holds for later versions."""
        if not said.config.task_auto:
            return said
        before = self._ctx.store.load(doc.champion)[0].config if doc.champion else None
        if before and before.label == said.config.label:
            return decided(said, before.task)
        chunks = self._files.stream(source.container, source.blob, source.etag, CHUNK)
        return decided(said, task_of(chunks, said.config, self._plan.many_numbers))

    def _stage(
        self, source: Source, folder: str, said: Effective, doc: Dataset, before: Run | None
    ) -> Staged:
        chunks = self._files.stream(source.container, source.blob, source.etag, CHUNK)
        rule = HoldoutRule(doc.holdout.salt, doc.holdout.threshold)
        area = self._files.area(self._plan.data, folder)
        earlier = before.snapshot.schema if before and before.snapshot else None
        return stage(chunks, area, said.config, rule, doc.dataset, earlier)


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
        stands = run.state not in RETRYABLE or run_id == doc.accepted
        same = (run.config.label, run.config.task) == (config.label, config.task)
        if run.snapshot and (run_id == doc.champion or (stands and same)):
            return run
    return None


def _folder(doc: Dataset, source: Source, said: Effective) -> str:
    """Where this version is staged, in the data container; weights and rows depend on the configuration, too."""
    version = f"{source.etag} {said.said_hash or said.config.config_hash()}{' auto' if said.config.task_auto else ''}"
    return f"{doc.slug}/{names.upload_id(source.container, source.blob, version)}"


def snapshot_of(staged: Staged, folder: str, version: str, remarks: tuple[str, ...] = ()) -> Snapshot:
    """What the run keeps of its data: a repeated attempt of new staging is a new version of the asset."""
    return Snapshot(
        version=version,
        path=f"{folder}/train",
        holdout_path=f"{folder}/holdout/data.csv",
        schema=staged.schema,
        rows=staged.rows,
        train_rows=staged.train_rows,
        holdout_rows=staged.holdout_rows,
        class_counts=staged.class_counts,
        weight_column=staged.weight_column,
        warnings=(*remarks, *staged.warnings),
        input_rows=staged.input_rows,
        bad_rows=staged.bad_rows,
        profile_path=f"{folder}/{PROFILE}",
        bad_rows_path=f"{folder}/{BAD_ROWS}" if staged.bad_rows else "",
    )
