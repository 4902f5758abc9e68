"""A dropped file becomes a run: streamed once into the snapshot, judged, numbered, and set going.

Delivery is at least once and may be late, early, doubled or lost; the blob's ETag tells one version from another, and its
content's hash tells whether there is anything new to learn.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from shared.domain import config as dataset_config
from shared.domain import names
from shared.domain.config import DatasetConfig
from shared.domain.errors import DropMLError, InvalidInput, InvalidTable, NotFound
from shared.domain.run.run import Run, State
from shared.domain.table.holdout import HoldoutRule
from shared.services.intake.staging import Area, Staged, stage
from shared.services.run import lifecycle
from shared.services.run.lifecycle import Context

CHUNK = 4 * 1024 * 1024
#: The sweep looks this far behind its last success (seconds): clocks differ, uploads take time.
SWEEP_OVERLAP = 3600.0


class Files(Protocol):
    """The data account as intake sees it (`shared.adapters.blobs.DataStore`)."""

    def properties(self, container: str, name: str) -> Any: ...
    def stream(
        self, container: str, name: str, etag: str | None = None, chunk: int = CHUNK
    ) -> Iterator[bytes]: ...
    def area(self, container: str, folder: str) -> Area: ...
    def read_text(self, container: str, name: str) -> str: ...
    def delete_prefix(self, container: str, prefix: str) -> Any: ...
    def list(self, container: str, prefix: str = "", since: float | None = None) -> Iterator[Any]: ...


class Intake:
    """Use case of the blob trigger and the sweep."""

    def __init__(self, context: Context, files: Files, defaults: DatasetConfig) -> None:
        self._ctx = context
        self._files = files
        self._defaults = defaults

    def drop(self, container: str, blob: str) -> str | None:
        """Take the current version of a blob; returns its run, or None when it is none of ours or gone."""
        ctx = self._ctx
        dataset = names.dataset_of_blob(blob)
        if dataset is None or container != ctx.settings.incoming_container:
            ctx.log("not a dataset, ignored", container=container, blob=blob)
            return None
        try:
            info = self._files.properties(container, blob)
        except NotFound:
            ctx.log("the blob is gone, ignored", blob=blob)
            return None
        doc = ctx.runs.ensure_dataset(dataset)
        run_id: str | None = doc["drops"].get(info.etag)
        if run_id is None:
            run_id = self._take(dataset, container, blob, info, doc)
        lifecycle.advance(run_id, ctx, ctx.clock() + ctx.settings.step_deadline_seconds)
        return run_id

    def sweep(self) -> int:
        """Take every recent file that no event told of; one listing, however many old files there are."""
        ctx, found = self._ctx, 0
        started = ctx.clock()
        cursor = (ctx.runs.read("sweep.json") or {}).get("since", started - ctx.settings.sweep_hours * 3600)
        known: dict[str, Any] = {}
        for info in self._files.list(ctx.settings.incoming_container, since=cursor - SWEEP_OVERLAP):
            dataset = names.dataset_of_blob(info.name)
            if dataset is None:
                continue
            if dataset not in known:
                known[dataset] = (ctx.runs.dataset(names.slug(dataset)) or {}).get("drops", {})
            if info.etag in known[dataset]:
                continue
            try:
                found += self.drop(ctx.settings.incoming_container, info.name) is not None
            except DropMLError as error:
                ctx.log("sweep could not take a file, will try again", blob=info.name, **error.to_dict())
                started = min(started, cursor)
        ctx.runs.write("sweep.json", {"since": started})
        return found

    # -- one version of one file ---------------------------------------------------------------------------

    def _take(self, dataset: str, container: str, blob: str, info: Any, doc: dict[str, Any]) -> str:
        ctx = self._ctx
        upload = names.upload_id(container, blob, info.etag)
        folder = f"{doc['slug']}/{upload}"
        source = {"container": container, "blob": blob, "etag": info.etag, "size": info.size}
        staged: Staged | None = None
        config, error = self._defaults, None
        try:
            if info.size > ctx.settings.max_upload_bytes:
                raise InvalidTable(
                    f"The file has {info.size:,} bytes, more than the {ctx.settings.max_upload_bytes:,} that are taken.",
                    code="too-large",
                    remedy="Sample or split it, or raise MAX_UPLOAD_BYTES.",
                )
            config = self._config(container, blob, info.metadata)
            staged = self._stage(dataset, source, folder, config, doc)
            content = staged.content_hash
        except InvalidInput as problem:
            error = {**problem.to_dict(), "file": blob}
            content = getattr(problem, "content_hash", None) or names.digest("unreadable", info.etag)
        key = names.digest(doc["slug"], content, config.config_hash(), "drop")
        source["content_hash"] = content
        at = ctx.clock()

        def build(n: int, attempt: int) -> Run:
            run = Run(
                run_id=names.run_id(doc["slug"], n, attempt),
                dataset=dataset,
                slug=doc["slug"],
                n=n,
                attempt=attempt,
                key=key,
                cause="drop",
                state=State.DROPPED,
                created_at=at,
                entered_at=at,
                config_hash=config.config_hash(),
                config=config.to_dict(),
                source=source,
                data=data_of(staged, folder, names.model_version(n, attempt)) if staged else {},
                error=error,
            )
            run.open_ledger(at, "blob-trigger")
            return run

        run_id, fresh = ctx.runs.claim(doc["slug"], key, build, delivery=info.etag)
        if not fresh and ctx.runs.load(run_id)[0].data.get("path") != f"{folder}/train":
            self._files.delete_prefix(ctx.settings.data_container, f"{folder}/")
            ctx.log("same content again, no new run", blob=blob, run_id=run_id)
        return run_id

    def _config(self, container: str, blob: str, metadata: dict[str, str]) -> DatasetConfig:
        """Settings, then `{name}.yaml` beside the file, then the blob's own metadata."""
        name = f"{blob.rpartition('.')[0]}.yaml"
        sidecar: str | None
        try:
            sidecar = self._files.read_text(container, name)
        except NotFound:
            sidecar = None
        return dataset_config.merge(self._defaults, sidecar, metadata, sidecar_name=name)

    def _stage(
        self, dataset: str, source: dict[str, Any], folder: str, config: DatasetConfig, doc: dict[str, Any]
    ) -> Staged:
        chunks = self._files.stream(source["container"], source["blob"], source["etag"], CHUNK)
        rule = HoldoutRule(doc["holdout"]["salt"], doc["holdout"]["threshold"])
        area = self._files.area(self._ctx.settings.data_container, folder)
        return stage(chunks, area, config, rule, dataset)


def data_of(staged: Staged, folder: str, version: str) -> dict[str, Any]:
    """What the run keeps of its data: a repeated attempt of new staging is a new version of the asset."""
    return {
        "version": version,
        "path": f"{folder}/train",
        "holdout_path": f"{folder}/holdout/data.csv",
        "rows": staged.rows,
        "train_rows": staged.train_rows,
        "holdout_rows": staged.holdout_rows,
        "class_counts": staged.class_counts,
        "weight_column": staged.weight_column,
        "warnings": staged.warnings,
        "schema": staged.schema.to_dict(),
    }
