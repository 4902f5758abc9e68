"""Batch scoring: a CSV of any size, worked off chunk by chunk by whatever host has time.

A batch is a document (`batches/{slug}/{id}.json`) that moves only by conditional writes, and an output blob whose
blocks are staged one per chunk and committed at the end. A chunk done twice (a crash between block and document, two
hosts at once) stages the same block again; the document's ETag lets one of them go on. The output appears whole.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from shared.domain import names
from shared.domain.batches import Batch, BatchView, Layout, Output, Source, view
from shared.domain.documents import from_json, to_json
from shared.domain.errors import Conflict, NotFound
from shared.domain.problems import KeyReused, MalformedBody, TooLarge, UnsupportedMedia
from shared.domain.rows import payloads
from shared.domain.rows.media import encoding_of, kind_of, told_of
from shared.domain.rows.wanted import truth
from shared.domain.run.serving import ServingEntry
from shared.domain.table.encoding import ENCODINGS
from shared.services.batches import reports
from shared.services.batches.csv_chunks import check_rows, read_layout
from shared.services.batches.lines import ReadRange
from shared.services.batches.named import TAKES, blob_named
from shared.services.batches.ports import BatchFiles
from shared.services.documents import Documents
from shared.services.guard import guarded
from shared.services.open_index import OpenIndex
from shared.services.quiet import Quiet
from shared.services.run.listed_batches import WAITING, ListedBatches
from shared.services.scoring.asking import check_classes
from shared.services.scoring.proxy import Scoring

log = logging.getLogger(__name__)

#: Read at a time for the header line.
HEADER_BYTES = 64 * 1024
MAX_UPLOAD = 32 * 1024 * 1024


@dataclass
class Batches:
    """Taking, showing and finding batches. The work is in `shared.services.batches.worker`."""

    scoring: Scoring
    documents: Documents
    files: BatchFiles
    container: str
    clock: Callable[[], float]
    sources: frozenset[str] = field(default_factory=frozenset)
    max_upload: int = MAX_UPLOAD
    #: Whether cells that a spreadsheet would run are made text in the output.
    neutralise: bool = True
    #: Whether no batch waits for a first model.
    none_wait: Quiet = field(init=False)

    def __post_init__(self) -> None:
        self.none_wait = Quiet(self.documents, WAITING)

    @property
    def open(self) -> OpenIndex:
        """`slug/id` of every batch that may still need work, with the time it was taken."""
        return OpenIndex(self.documents, "batches/open.json")

    @property
    def listed(self) -> ListedBatches:
        return ListedBatches(self.documents)

    def create(
        self,
        dataset: str,
        body: bytes,
        content_type: str,
        idempotency_key: str | None = None,
        proba: str = "",
    ) -> BatchView:
        """Take a batch: `{"blob": "container/path"}` as JSON, or the CSV itself; `proba` as in a score's query.

        The same Idempotency-Key with the same request is the same batch. Raises InvalidInput, NotFound, TooLarge, and
        Conflict where probabilities are asked of a model that gives none.
        """
        demanded = truth("proba", proba)
        entry = self.scoring.entry(dataset)
        key = f"{entry.slug}/{_batch_id(entry.slug, idempotency_key)}"
        told = content_type.encode() + (b"" if demanded is None else b"\nproba=%d" % demanded)
        request_hash = hashlib.sha256(told + b"\n" + body).hexdigest()
        if idempotency_key is not None and (found := self.load(key)):
            return _same_request(found[0], request_hash)
        classes = self.classes(entry, demanded)
        source, said = self._source(key, body, content_type)
        layout, position = self._layout(entry, source, key, said)
        now = self.clock()
        batch = Batch(
            id=key.partition("/")[2],
            dataset=entry.dataset,
            slug=entry.slug,
            status="queued",
            source=source,
            output=Output(self.container, f"{key}/output.csv"),
            layout=layout,
            request_hash=request_hash,
            created_at=now,
            updated_at=now,
            position=position,
            classes=classes,
        )
        # The index first: a crash between the two leaves an entry without a document, which the worker drops.
        self.open.add(key, now)
        try:
            self.documents.create(path_of(key), to_json(batch))
        except Conflict:  # the same Idempotency-Key at the same time
            found = self.load(key)
            if found and found[0].source != source:
                self._forget(source, key)
            return _same_request(found[0] if found else batch, request_hash)
        self.listed.put(batch.slug, batch.id, now)
        return view(batch)

    def live(self, dataset: str) -> ServingEntry | None:
        """What is in service under this very name, and not under a short form that it happens to be."""
        entry = self.scoring.directory.get(dataset)
        return entry if entry is not None and entry.dataset == dataset else None

    def load(self, key: str) -> tuple[Batch, str] | None:
        """A batch and its ETag by `slug/id`."""
        found = self.documents.get(path_of(key))
        return (from_json(found[0], Batch), found[1]) if found else None

    def save(self, batch: Batch, etag: str) -> tuple[Batch, str]:
        """Raises Conflict when another host was first."""
        batch = replace(batch, updated_at=self.clock())
        path = path_of(f"{batch.slug}/{batch.id}")
        return batch, self.documents.replace(path, to_json(batch), etag)

    def classes(self, entry: ServingEntry, demanded: bool | None = None) -> list[str]:
        """The classes of the live model whose probabilities the output is to have; where nobody says, as the setting does."""
        if demanded:
            check_classes(entry)
        able = bool(entry.schema.classes) and entry.script is not None
        usual = self.scoring.probabilities and able
        return list(entry.schema.classes) if (usual if demanded is None else demanded) else []

    def finish(self, batch: Batch) -> None:
        """What follows from the end of a dropped file's batch: a report where it failed, and its copy goes. Idempotent."""
        if not batch.dropped or batch.status not in ("completed", "failed"):
            return
        if batch.status == "failed":
            reports.tell(batch, self.files)
        delete = partial(self.files.delete, self.container, copy_of(batch.slug, batch.id))
        guarded(_warn, "the copy of a dropped file stays", delete, batch=batch.id)

    def _source(self, key: str, body: bytes, content_type: str) -> tuple[Source, str]:
        """With what is said of its encoding; nobody says it of a blob."""
        if kind_of(content_type, TAKES) == "csv":
            said = encoding_of(content_type)
            return self._upload(key, body), said
        return self._named(body), "auto"

    def _named(self, body: bytes) -> Source:
        container, path = blob_named(body, self.sources)
        blob = f"{container}/{path}"
        try:
            info = self.files.stat(container, path)
        except NotFound:
            raise NotFound(
                f"There is no blob {blob[:120]!r}.",
                remedy="Upload it first.",
                code="unknown-blob",
                field="blob",
            ) from None
        if info.encoding:
            raise UnsupportedMedia(
                f"The blob {blob[:120]!r} is compressed ({info.encoding[:40]!a}); it is taken as it is only.",
                remedy="Upload it without Content-Encoding.",
                code="unsupported-encoding",
                field="blob",
            )
        return Source(container, path, info.etag, info.size)

    def _layout(self, entry: ServingEntry, source: Source, key: str, said: str) -> tuple[Layout, int]:
        """Read the header line now: who sends the wrong file learns it at once. Raises MalformedBody, InvalidRows."""
        try:
            layout, position = self.header(source, "" if said == "auto" else ENCODINGS[said])
            entry.validator.order(layout.columns, others=True)
            check_rows(layout, position, source.size)
        except Exception as error:
            self._forget(source, key)
            if isinstance(error, MalformedBody):
                error.message = told_of(error.message, said)
            raise
        return with_id_first(layout, entry), position

    def header(self, source: Source, encoding: str = "") -> tuple[Layout, int]:
        """How the file begins, and the position behind its header line. Raises MalformedBody, NotFound, Conflict."""
        return read_layout(self.reads(source), source.size, encoding)

    def reads(self, source: Source) -> ReadRange:
        """Reads the beginning of a file, a little at a time. Raises NotFound, Conflict."""
        of = partial(self.files.read, source.container, source.blob, source.etag)
        return lambda offset, length: of(offset, min(length, HEADER_BYTES))

    def _upload(self, key: str, body: bytes) -> Source:
        """Under a name of its own: the same request at the same time must not replace what is read already."""
        if len(body) > self.max_upload:
            raise TooLarge(
                f"The upload is {len(body)} bytes; at most {self.max_upload} are taken.",
                remedy='Put the file into a container and send {"blob": "container/path"}.',
                code="body-too-large",
            )
        payloads.check_arrived(body, TAKES)
        path = f"{key}/input-{secrets.token_hex(4)}.csv"
        info = self.files.put(self.container, path, body)
        return Source(self.container, path, info.etag, info.size)

    def _forget(self, source: Source, key: str) -> None:
        """An upload that no batch will read goes at once; a blob that somebody else put there stays."""
        if source.blob.startswith(f"{key}/"):
            guarded(
                _warn, "an upload stays", partial(self.files.delete, source.container, source.blob), batch=key
            )


def _warn(what: str, /, **fields: object) -> None:
    log.warning("%s %s", what, fields)


def with_id_first(layout: Layout, entry: ServingEntry) -> Layout:
    """The column that tells rows apart comes first in the output."""
    name = entry.schema.id
    return replace(layout, first=layout.columns.index(name)) if name in layout.columns else layout


def _batch_id(slug: str, idempotency_key: str | None) -> str:
    if idempotency_key is None:
        return secrets.token_hex(8)
    return names.digest("batch", slug, idempotency_key)[:16]


def copy_of(slug: str, batch_id: str) -> str:
    """Where the bytes of a dropped file are kept until its batch has ended."""
    return f"{slug}/{batch_id}/input"


def path_of(key: str) -> str:
    """The document of a batch by `slug/id`."""
    return f"batches/{key}.json"


def _same_request(batch: Batch, request_hash: str) -> BatchView:
    if batch.request_hash != request_hash:
        raise KeyReused(
            "This Idempotency-Key was used with another request.",
            remedy="Use a new key for a new request.",
            field="Idempotency-Key",
        )
    return view(batch)
