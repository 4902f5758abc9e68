"""A dropped file becomes a run: streamed once into the snapshot, judged, numbered, and set going.

Delivery is at least once and may be late, early, doubled or lost; the blob's ETag tells one version from another, and its
content's hash tells whether there is anything new to learn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from shared.domain import names
from shared.domain.config import DatasetConfig
from shared.domain.config_owner import Owner
from shared.domain.config_reader import MAX_SIDECAR
from shared.domain.config_sources import Effective, effective
from shared.domain.errors import InvalidInput, InvalidTable, NotFound
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.run.parts import RunProblem, Snapshot, Source
from shared.domain.run.states import State
from shared.domain.table.holdout import HoldoutRule
from shared.services.guard import guarded
from shared.services.intake.staging import Area, Staged, stage
from shared.services.run.context import Context
from shared.services.run.loop import advance

CHUNK = 4 * 1024 * 1024
#: The sweep looks this far behind its last success (seconds): clocks differ, uploads take time.
SWEEP_OVERLAP = 3600.0
#: With nothing found, how far it has seen is written down so often (seconds): an idle app writes next to nothing.
SWEEP_MEMORY = 900.0


class FileInfo(Protocol):
    """One blob; `etag` is quoted, `size` is in bytes."""

    @property
    def name(self) -> str: ...
    @property
    def etag(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def metadata(self) -> Mapping[str, str]: ...


class Files(Protocol):
    """The data account as intake sees it (`shared.adapters.data_files.DataStore`)."""

    def properties(self, container: str, name: str) -> FileInfo: ...
    def stream(
        self, container: str, name: str, etag: str | None = None, chunk: int = CHUNK
    ) -> Iterator[bytes]: ...
    def area(self, container: str, folder: str) -> Area: ...
    def delete_prefix(self, container: str, prefix: str) -> object: ...
    def list(self, container: str, prefix: str = "", since: float | None = None) -> Iterator[FileInfo]: ...


@dataclass(frozen=True)
class IntakePlan:
    """Where files come in and snapshots go, and how much is taken (bytes); `sweep_hours` is how far back it looks."""

    incoming: str
    data: str
    max_upload_bytes: int
    sweep_hours: float = 24.0 * 7
    owner: Owner = field(default_factory=Owner)


@dataclass(frozen=True)
class Swept:
    """`sweep.json`: unix seconds up to which no file was missed."""

    since: float


class Intake:
    """Use case of the blob trigger and the sweep."""

    def __init__(self, context: Context, files: Files, defaults: DatasetConfig, plan: IntakePlan) -> None:
        self._ctx, self._files, self._defaults, self._plan = context, files, defaults, plan

    def drop(self, container: str, blob: str) -> str | None:
        """Take the current version of a blob; returns its run, or None when it is none of ours or gone."""
        ctx = self._ctx
        dataset = names.dataset_of_blob(blob)
        if dataset is None or container != self._plan.incoming:
            ctx.log("not a dataset, ignored", container=container, blob=blob)
            return None
        try:
            info = self._files.properties(container, blob)
        except NotFound:
            ctx.log("the blob is gone, ignored", blob=blob)
            return None
        doc = ctx.store.ensure_dataset(dataset)
        run_id = doc.drops.get(info.etag) or self._take(
            doc, Source(container, blob, info.etag, info.size), info
        )
        advance(run_id, ctx, ctx.active() + ctx.pace.tick_seconds)
        return run_id

    def sweep(self) -> int:
        """Take every recent file that no event told of; one listing, however many old files there are."""
        ctx, started = self._ctx, self._ctx.clock()
        swept = ctx.store.hint("sweep.json", Swept) or Swept(started - self._plan.sweep_hours * 3600)
        known: dict[str, Dataset | None] = {}
        taken, whole = 0, True
        for info in self._files.list(self._plan.incoming, since=swept.since - SWEEP_OVERLAP):
            dataset = names.dataset_of_blob(info.name)
            if dataset is None:
                continue
            if dataset not in known:
                known[dataset] = ctx.store.named(dataset)
            seen = known[dataset]
            if seen is not None and info.etag in seen.drops:
                continue
            done = guarded(
                ctx.log,
                "sweep could not take a file, will try again",
                partial(self.drop, self._plan.incoming, info.name),
                blob=info.name,
            )
            taken, whole = taken + done, whole and done
        if whole and (taken or started - swept.since > SWEEP_MEMORY):
            ctx.store.write("sweep.json", Swept(started))
        return taken

    # -- one version of one file ---------------------------------------------------------------------------

    def _take(self, doc: Dataset, source: Source, info: FileInfo) -> str:
        ctx = self._ctx
        folder = f"{doc.slug}/{names.upload_id(source.container, source.blob, info.etag)}"
        staged: Staged | None = None
        said, problem = Effective(self._defaults), None
        try:
            self._check_size(info)
            said = self._config(source.container, source.blob, info.metadata)
            staged = self._stage(source, folder, said.config, doc)
            content = staged.content_hash
        except InvalidInput as error:
            error.where.setdefault("file", source.blob)
            problem = RunProblem.of(error)
            content = getattr(error, "content_hash", None) or names.digest("unreadable", info.etag)
        config = said.config
        key = names.digest(doc.slug, content, config.config_hash(), "drop")
        at = ctx.clock()

        def build(n: int, attempt: int) -> Run:
            run = Run(
                run_id=names.run_id(doc.slug, n, attempt),
                dataset=doc.dataset,
                slug=doc.slug,
                n=n,
                attempt=attempt,
                key=key,
                cause="drop",
                state=State.DROPPED,
                created_at=at,
                entered_at=at,
                config_hash=config.config_hash(),
                config=config,
                source=replace(source, content_hash=content),
                snapshot=snapshot_of(staged, folder, names.model_version(n, attempt), said.remarks)
                if staged
                else None,
                problem=problem,
            )
            return run.opened(at, "blob-trigger")

        run_id, fresh = ctx.store.claim(doc.slug, key, build, delivery=info.etag, brings_data=True)
        if not fresh:
            self._drop_duplicate(run_id, folder, source.blob)
        return run_id

    def _drop_duplicate(self, run_id: str, folder: str, blob: str) -> None:
        snapshot = self._ctx.store.load(run_id)[0].snapshot
        if snapshot is None or snapshot.path != f"{folder}/train":
            self._files.delete_prefix(self._plan.data, f"{folder}/")
            self._ctx.log("same content again, no new run", blob=blob, run_id=run_id)

    def _check_size(self, info: FileInfo) -> None:
        most = self._plan.max_upload_bytes
        if info.size > most:
            raise InvalidTable(
                f"The file has {info.size:,} bytes, more than the {most:,} that are taken.",
                code="too-large",
                remedy="Sample or split it, or raise MAX_UPLOAD_BYTES.",
            )

    def _config(self, container: str, blob: str, metadata: Mapping[str, str]) -> Effective:
        """Settings, then `{name}.yaml` beside the file, then the blob's own metadata."""
        name = f"{blob.rpartition('.')[0]}.yaml"
        sidecar = self._small(container, name, MAX_SIDECAR)
        return effective(self._defaults, sidecar, metadata, sidecar_name=name, owner=self._plan.owner)

    def _small(self, container: str, name: str, limit: int) -> bytes | None:
        """The first bytes of a file as they are stored, one more than `limit` at most; None where there is none."""
        read = b""
        try:
            for piece in self._files.stream(container, name, None, limit + 1):
                read += piece
                if len(read) > limit:
                    break
        except NotFound:
            return None
        return read[: limit + 1]

    def _stage(self, source: Source, folder: str, config: DatasetConfig, doc: Dataset) -> Staged:
        chunks = self._files.stream(source.container, source.blob, source.etag, CHUNK)
        rule = HoldoutRule(doc.holdout.salt, doc.holdout.threshold)
        return stage(chunks, self._files.area(self._plan.data, folder), config, rule, doc.dataset)


def snapshot_of(staged: Staged, folder: str, version: str, remarks: tuple[str, ...]) -> Snapshot:
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
    )
