"""Files that are dropped to be scored: each version of one is one batch, found by its name however often it is told of.

Its bytes are copied when it is taken, so that the next version may replace it while this one waits or is worked on. What
stands in the list and in the marks is written before the document, under names that the version alone gives: whoever
takes it again after a crash writes the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from shared.domain import names
from shared.domain.batches import Batch, Layout, Output, Source, dropped_id
from shared.domain.documents import to_json
from shared.domain.errors import Conflict, InvalidInput
from shared.domain.incoming import SCORE
from shared.domain.problems import Fault, InvalidRows, TooLarge
from shared.domain.rows.fit import Fit, cause, fit
from shared.domain.run.serving import ServingEntry
from shared.services.batches.csv_chunks import check_rows, first_lines
from shared.services.batches.taking import Batches, copy_of, path_of, with_id_first
from shared.services.quiet import stir
from shared.services.run.listed_batches import WAITING


@dataclass(frozen=True)
class Drop:
    """One version of a file, for the model of `dataset`. `size` is bytes, `modified` unix seconds, `encoding` Python's name."""

    dataset: str
    slug: str
    container: str
    blob: str
    etag: str
    size: int
    modified: float
    encoding: str = ""
    #: What is wrong with the configuration that says the encoding.
    wrong: Fault | None = None

    @property
    def id(self) -> str:
        return dropped_id(self.container, self.blob, self.etag, self.modified)

    @property
    def source(self) -> Source:
        return Source(self.container, self.blob, self.etag, self.size)


@dataclass(frozen=True)
class Said:
    """What a configuration says that matters here: the label, and Python's name of the file's encoding, if any."""

    label: str
    encoding: str = ""


@dataclass(frozen=True)
class Instead:
    """What the refusal of a table without its label says of scoring it, in message and remedy."""

    message: str = ""
    remedy: str = ""


class DroppedFiles:
    """Takes files to score. `max_bytes` and `wait_days` are the settings'; `log` takes a message and fields."""

    def __init__(
        self, batches: Batches, max_bytes: int, wait_days: float, log: Callable[..., object]
    ) -> None:
        self._batches, self._max_bytes, self._wait_days, self._log = batches, max_bytes, wait_days, log

    def known(self, drop: Drop) -> Batch | None:
        """The batch of this version, once there is one."""
        found = self._batches.load(f"{drop.slug}/{drop.id}")
        return found[0] if found else None

    def take(self, drop: Drop) -> Batch:
        """The batch of this version: queued, waiting for a model, or failed with what is wrong with the file.

        Raises NotFound and Conflict (source-changed) where the version is gone meanwhile, Transient.
        """
        known = self.known(drop)
        if known is not None:
            return known
        try:
            batch = self._judged(drop)
        except Conflict as error:
            raise Conflict(
                f"{drop.container}/{drop.blob} was replaced while it was taken.",
                code="source-changed",
                remedy="Nothing: the new version is taken by its own event.",
            ) from error
        key = f"{batch.slug}/{batch.id}"
        self._batches.listed.put(batch.slug, batch.id, batch.created_at)
        if batch.status == "waiting":
            mark = f"{WAITING}{batch.slug}~{batch.id}"
            self._batches.documents.mark(mark, {"until": str(batch.waits_until)})
            stir(self._batches.documents, WAITING)
        elif batch.status == "queued":
            self._batches.open.add(key, batch.created_at)
        self._batches.finish(batch)
        try:
            self._batches.documents.create(path_of(key), to_json(batch))
        except Conflict:  # another host took it at the same time
            return self.known(drop) or batch
        self._log(
            "a file is scored as a batch",
            blob=names.shown(drop.blob),
            batch=key,
            status=batch.status,
            output=f"{batch.output.container}/{batch.output.blob}",
            code=batch.error.code if batch.error else "",
        )
        return batch

    def instead(self, drop: Drop, said: Callable[[], Said]) -> Instead | None:
        """None where a table of plain name is scored: it lacks the label and has the columns of the live model, no others.

        Else what its refusal for the missing label tells of that. `said` reads the configuration, and is asked where a
        model is live alone.
        """
        if drop.size > self._max_bytes:
            return Instead()
        known, entry = self.known(drop), self._batches.live(drop.dataset)
        scored = f"{drop.dataset}{SCORE}.csv"
        if known is None and entry is None:
            return Instead("", f" Rows to be scored are dropped as {scored}, and wait for the first model.")
        config = said()
        if known is not None and config.label not in known.layout.columns:
            return None
        if entry is None:
            return Instead()
        drop = replace(drop, encoding=config.encoding)
        try:
            columns = self._batches.header(drop.source, drop.encoding)[0].columns
        except InvalidInput:  # whoever reads the table says what is wrong with it
            return Instead()
        if {config.label, entry.schema.label} & set(columns):
            return Instead()
        found = fit(columns, entry.validator)
        if found.exact:
            self.take(drop)
            return None
        return _instead(found, entry, scored)

    def _judged(self, drop: Drop) -> Batch:
        now, key = self._batches.clock(), f"{drop.slug}/{drop.id}"
        batch = Batch(
            id=drop.id,
            dataset=drop.dataset,
            slug=drop.slug,
            status="failed",
            source=drop.source,
            output=Output(self._batches.container, f"{key}/output.csv"),
            layout=Layout([], ","),
            request_hash=names.digest("dropped", drop.container, drop.blob, drop.etag),
            created_at=drop.modified,
            updated_at=now,
            position=0,
            dropped=f"{drop.container}/{names.shown(drop.blob)}",
            dropped_etag=drop.etag.strip('"'),
        )
        if drop.wrong:
            return replace(batch, error=drop.wrong)
        try:
            self._check_size(drop)
            layout, position = self._batches.header(drop.source, drop.encoding)
        except InvalidInput as error:
            return replace(batch, error=_unreadable(error, drop))
        entry = self._batches.live(drop.dataset)
        wrong = misfit(batch, layout, entry, self._batches) if entry else None
        if wrong:
            return replace(batch, layout=layout, error=wrong)
        try:
            check_rows(layout, position, drop.size)
        except InvalidInput as error:
            return replace(batch, layout=layout, error=Fault.of(error))
        input_blob = copy_of(drop.slug, drop.id)
        copied = self._batches.files.copy(drop.source, self._batches.container, input_blob)
        batch = replace(
            batch,
            status="queued",
            source=Source(self._batches.container, input_blob, copied.etag, copied.size),
            layout=with_id_first(layout, entry) if entry else layout,
            position=position,
            classes=self._batches.classes(entry) if entry else [],
        )
        return batch if entry else self._waiting(batch, now)

    def _waiting(self, batch: Batch, now: float) -> Batch:
        reason = Fault(
            "no-live-model",
            f"No model of {batch.dataset!r} is in service yet; the file is scored once one is.",
            f"Drop a table with the label as {batch.dataset}.csv, or wait until its run is live.",
        )
        return replace(batch, status="waiting", waits_until=now + self._wait_days * 86400, error=reason)

    def _check_size(self, drop: Drop) -> None:
        if drop.size > self._max_bytes:
            raise TooLarge(
                f"The file has {drop.size:,} bytes, more than the {self._max_bytes:,} that are taken.",
                remedy="Split it, or raise MAX_UPLOAD_BYTES.",
            )


def misfit(batch: Batch, layout: Layout, entry: ServingEntry, batches: Batches) -> Fault | None:
    """Why the live model can't score a file of these columns, where it can't. What may be the cause is looked for in the file."""
    found = fit(layout.columns, entry.validator)
    if found.taken:
        return None
    why = cause(
        first_lines(batches.reads(batch.source), layout, batch.source.size), layout.columns, layout.delimiter
    )
    return Fault(
        InvalidRows.code,
        f"The columns of {batch.dropped} don't fit {_model(entry)}: {found.obstacle}.",
        f"{why or 'Rename or add what is named.'} Then drop the file again; /api/docs shows the model's columns.",
    )


def _unreadable(error: InvalidInput, drop: Drop) -> Fault:
    """What is wrong with the file; where `encoding:` would mend it, with that."""
    fault, encoding = Fault.of(error), error.where.get("encoding")
    if not encoding:
        return fault
    say = f"Say `encoding: {encoding}` in {drop.dataset}.yaml beside it, then drop the file again."
    return replace(fault, remedy=f"{say} Or: {fault.remedy}")


def _instead(found: Fit, entry: ServingEntry, scored: str) -> Instead:
    message = f" Nor is it scored by {_model(entry)}, whose columns are others: {found.differences}."
    if found.taken:
        return Instead(message, f" Dropped as {scored} it is scored as it is.")
    return Instead(message, " To have it scored, give it the model's columns.")


def _model(entry: ServingEntry) -> str:
    return f"the live model {entry.version(entry.live).model or entry.dataset}"
