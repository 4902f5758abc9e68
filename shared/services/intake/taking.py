"""One version of one table becomes a run: streamed once into the snapshot, judged, numbered.

Its content's hash tells whether there is anything new to learn.
"""

from __future__ import annotations

from dataclasses import replace

from shared.domain import names
from shared.domain.config import DatasetConfig
from shared.domain.config_owner import too_short
from shared.domain.config_sources import Effective, decided
from shared.domain.config_threshold import unfit
from shared.domain.errors import InvalidConfig, InvalidInput, InvalidTable
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.run.parts import RunProblem, Snapshot, Source
from shared.domain.run.states import State
from shared.domain.table.task import task_of
from shared.services.batches.dropped import Instead
from shared.services.intake.attempts import Attempts
from shared.services.intake.judging import judged, schema_before
from shared.services.intake.ports import CHUNK, FileInfo, Files, IntakePlan
from shared.services.intake.sidecars import config_for, name_files
from shared.services.intake.staging import BAD_ROWS, PROFILE, Staged, rule_of, stage
from shared.services.run.context import Context
from shared.services.run.profiles import Profiles


class Taker:
    def __init__(self, context: Context, files: Files, plan: IntakePlan, attempts: Attempts) -> None:
        self._ctx, self._files, self._plan, self._attempts = context, files, plan, attempts
        self._profiles = Profiles(context.store, files, plan.data)

    def take(self, doc: Dataset, info: FileInfo, delivery: str, instead: Instead | None = None) -> str:
        """Stage and judge the file; the id of its run. `delivery` names this arrival of it, and `instead` is for a refusal that
        misses the label.
        """
        source = Source(self._plan.incoming, info.name, info.etag, info.size)
        said, folder, problem = Effective(self._plan.defaults), "", None
        staged: Staged | None = None
        try:
            self._check_size(info)
            said = config_for(info.name, info.metadata, self._files, self._plan)
            folder = _folder(doc, source, said)
            self._attempts.begin(info.name, info.etag, folder)
            said = self._with_task(said, source, doc)
            staged = self._stage(source, folder, said, doc)
            content = staged.content_hash
            short = too_short(said.config, staged.rows, len(staged.schema.columns) + 1)
            said = replace(said, remarks=(*said.remarks, *short))
            if wrong := self._unfit(said.config, staged.schema.classes):
                name_files(wrong, source.blob, said)
                problem = RunProblem.of(wrong)
        except InvalidInput as error:
            name_files(error, source.blob, said)
            error.where.setdefault("file", source.blob)
            problem = _with(instead, RunProblem.of(error))
            content = getattr(error, "content_hash", None) or names.digest("unreadable", info.etag)
        source = replace(source, content_hash=content)
        run_id, fresh = self._claim(doc, source, said, staged, problem, delivery)
        if problem is None:
            self.keep(doc.slug, said)
        if staged:
            self._drop_unused(run_id, folder, source.blob, fresh=fresh)
        self._attempts.over(info.name, info.etag)
        return run_id

    def keep(self, slug: str, said: Effective) -> None:
        """Have hold for the dataset what is said of it between two files."""
        self._ctx.store.change_dataset(slug, lambda found: replace(found, upkeep=said.config.upkeep))

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
            snapshot, wrong = None, problem
            if staged and problem is None:
                version = names.model_version(n, attempt)
                found = snapshot_of(staged, folder, version, said.remarks)
                snapshot, wrong = judged(
                    found, doc.slug, run_id, said.config, self._ctx, self._profiles, causes=staged.causes
                )
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
                problem=wrong,
            )
            return run.opened(at, "blob-trigger")

        return self._ctx.store.claim(doc.slug, key, build, delivery=delivery, brings_data=True)

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
            task = before.task
        else:
            chunks = self._files.stream(source.container, source.blob, source.etag, CHUNK)
            task = task_of(chunks, said.config, self._plan.many_numbers)
        if task == "regression" and (wrong := self._unfit(said.config, ())):
            raise wrong
        return decided(said, task)

    def _unfit(self, config: DatasetConfig, classes: tuple[str, ...]) -> InvalidConfig | None:
        """Why the file's own threshold can't hold for its label; that of the settings holds where it can."""
        rule = config.threshold
        return unfit(rule, config.label, classes) if rule and rule != self._plan.defaults.threshold else None

    def _stage(self, source: Source, folder: str, said: Effective, doc: Dataset) -> Staged:
        chunks = self._files.stream(source.container, source.blob, source.etag, CHUNK)
        area = self._files.area(self._plan.data, folder)
        before = schema_before(doc, said.config, self._ctx)
        return stage(chunks, area, said.config, rule_of(doc.holdout), doc.dataset, before, self._plan.engine)


def _with(instead: Instead | None, problem: RunProblem) -> RunProblem:
    if instead is None or problem.code != "label-missing":
        return problem
    return replace(problem, message=problem.message + instead.message, remedy=problem.remedy + instead.remedy)


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
