"""Batch scoring: a CSV of any size, worked off chunk by chunk by whatever host has time.

A batch is a document (`batches/{slug}/{id}.json`) that moves only by conditional writes, and an output blob whose
blocks are staged one per chunk and committed at the end. A chunk done twice (a crash between block and document, two
hosts at once) stages the same block again; the document's ETag lets one of them go on. The output appears whole.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from shared.domain import names
from shared.domain.batches import BLOB_PATH_PATTERN, MAX_BLOB_PATH
from shared.domain.errors import Conflict, InvalidInput, NotFound
from shared.domain.problems import KeyReused, TooLarge
from shared.domain.rows import payloads
from shared.domain.run.serving import ServingEntry
from shared.services.batches.csv_chunks import Layout, read_layout
from shared.services.run.runs import Documents
from shared.services.scoring.proxy import Scoring

OPEN_INDEX = "batches/open.json"
OPEN_STATES = frozenset({"queued", "running"})
#: Read at a time for the header line.
HEADER_BYTES = 64 * 1024
MAX_UPLOAD = 32 * 1024 * 1024
#: A blob's path. No segment begins with a dot: `..` would be resolved on its way to storage and leave the container.
BLOB_PATH = re.compile(BLOB_PATH_PATTERN)


@dataclass(frozen=True)
class FileInfo:
    size: int
    etag: str


class BatchFiles(Protocol):
    """Blobs of the data account, as far as a batch needs them."""

    def stat(self, container: str, path: str) -> FileInfo:
        """Raises NotFound."""

    def read(self, container: str, path: str, etag: str, offset: int, length: int) -> bytes:
        """A byte range. Raises Conflict when the blob is no longer the one of this ETag."""

    def put(self, container: str, path: str, data: bytes) -> FileInfo: ...
    def stage(self, container: str, path: str, index: int, data: bytes) -> None:
        """Stage block `index`; staging it again replaces it."""

    def commit(self, container: str, path: str, count: int) -> None:
        """Make blocks 0 to count-1 the blob. Repeating it changes nothing."""


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

    def create(
        self, dataset: str, body: bytes, content_type: str, idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """Take a batch: `{"blob": "container/path"}` as JSON, or the CSV itself. Returns its public form.

        The same Idempotency-Key with the same request is the same batch. Raises InvalidInput, NotFound, TooLarge.
        """
        entry = self.scoring.entry(dataset)
        batch_id = _batch_id(entry.slug, idempotency_key)
        path = _path(entry.slug, batch_id)
        request_hash = hashlib.sha256(content_type.encode() + b"\n" + body).hexdigest()
        if idempotency_key is not None and (found := self.documents.get(path)):
            return _same_request(found[0], request_hash)
        source = self._source(entry, batch_id, body, content_type)
        layout, position = self._layout(entry, source)
        now = self.clock()
        doc: dict[str, Any] = {
            "id": batch_id,
            "dataset": entry.dataset,
            "slug": entry.slug,
            "status": "queued",
            "source": source,
            "layout": asdict(layout),
            "position": position,
            "rows": 0,
            "rows_failed": 0,
            "blocks": 0,
            "models": {},
            "output": {"container": self.container, "blob": f"{entry.slug}/{batch_id}/output.csv"},
            "request_hash": request_hash,
            "created_at": now,
            "updated_at": now,
            "worked_seconds": 0.0,
            "attempts": 0,
            "not_before": 0.0,
            "claimed_until": 0.0,
            "error": None,
        }
        # The index first: a crash between the two leaves an entry without a document, which the worker drops.
        self.change_open(lambda ids: {**ids, f"{entry.slug}/{batch_id}": now})
        try:
            self.documents.create(path, doc)
        except Conflict:  # the same Idempotency-Key at the same time
            found = self.documents.get(path)
            return _same_request(found[0] if found else doc, request_hash)
        return public(doc)

    def show(self, dataset: str, batch_id: str) -> dict[str, Any]:
        """Raises NotFound."""
        slug = self.scoring.entry(dataset).slug
        found = self.documents.get(_path(slug, batch_id))
        if found is None:
            raise NotFound(f"There is no batch {batch_id[:40]!r} of {dataset[:80]!r}.", code="unknown-batch")
        return public(found[0])

    def load(self, key: str) -> tuple[dict[str, Any], str] | None:
        """A batch's document and ETag by `slug/id`."""
        return self.documents.get(_path(*key.split("/", 1)))

    def open(self) -> dict[str, float]:
        """`slug/id` of every batch that may still need work, with the time it was taken."""
        found = self.documents.get(OPEN_INDEX)
        return dict(found[0]["open"]) if found else {}

    def change_open(self, change: Callable[[dict[str, float]], dict[str, float]]) -> None:
        while True:
            found = self.documents.get(OPEN_INDEX)
            before = found[0]["open"] if found else {}
            after = change(before)
            if after == before:
                return
            try:
                if found is None:
                    self.documents.create(OPEN_INDEX, {"open": after})
                else:
                    self.documents.replace(OPEN_INDEX, {"open": after}, found[1])
            except Conflict:
                continue
            return

    def _source(self, entry: ServingEntry, batch_id: str, body: bytes, content_type: str) -> dict[str, Any]:
        if content_type.partition(";")[0].strip().lower() in ("text/csv", "application/csv"):
            return self._upload(entry, batch_id, body)
        doc = payloads.load_json(body)
        blob = doc.get("blob") if isinstance(doc, dict) and len(doc) == 1 else None
        if not isinstance(blob, str) or not _encodable(blob):
            raise InvalidInput(
                'The body must be {"blob": "container/path"}, or a CSV sent as text/csv.',
                code="invalid-batch",
                field="blob",
            )
        container, _, path = blob.partition("/")
        if container not in self.sources or not _allowed(path):
            raise InvalidInput(
                f"The blob {blob[:120]!r} is not in a container that batches are read from.",
                remedy=f"Put the file into one of: {', '.join(sorted(self.sources))}.",
                code="blob-not-allowed",
                field="blob",
            )
        try:
            info = self.files.stat(container, path)
        except NotFound:
            raise NotFound(
                f"There is no blob {blob[:120]!r}.",
                remedy="Upload it first.",
                code="unknown-blob",
                field="blob",
            ) from None
        return {"container": container, "blob": path, "etag": info.etag, "size": info.size}

    def _layout(self, entry: ServingEntry, source: dict[str, Any]) -> tuple[Layout, int]:
        """Read the header line now: who sends the wrong file learns it at once. Raises MalformedBody, InvalidRows."""

        def read(offset: int, length: int) -> bytes:
            length = min(length, HEADER_BYTES)
            return self.files.read(source["container"], source["blob"], source["etag"], offset, length)

        layout, position = read_layout(read, source["size"])
        entry.validator.order(layout.columns, labelled=True)
        return layout, position

    def _upload(self, entry: ServingEntry, batch_id: str, body: bytes) -> dict[str, Any]:
        if len(body) > self.max_upload:
            raise TooLarge(
                f"The upload is {len(body)} bytes; at most {self.max_upload} are taken.",
                remedy='Put the file into a container and send {"blob": "container/path"}.',
                code="body-too-large",
            )
        payloads.check_arrived(body)
        path = f"{entry.slug}/{batch_id}/input.csv"
        info = self.files.put(self.container, path, body)
        return {"container": self.container, "blob": path, "etag": info.etag, "size": info.size}


def _batch_id(slug: str, idempotency_key: str | None) -> str:
    if idempotency_key is None:
        return secrets.token_hex(8)
    return names.digest("batch", slug, idempotency_key)[:16]


def _allowed(path: str) -> bool:
    return len(path) <= MAX_BLOB_PATH and BLOB_PATH.fullmatch(path) is not None


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _path(slug: str, batch_id: str) -> str:
    return f"batches/{slug}/{batch_id}.json"


def _same_request(doc: dict[str, Any], request_hash: str) -> dict[str, Any]:
    if doc["request_hash"] != request_hash:
        raise KeyReused(
            "This Idempotency-Key was used with another request.",
            remedy="Use a new key for a new request.",
            field="Idempotency-Key",
        )
    return public(doc)


def public(doc: dict[str, Any]) -> dict[str, Any]:
    """What a caller sees of a batch."""
    size = doc["source"]["size"]
    done = 1.0 if doc["status"] == "completed" else (min(doc["position"] / size, 1.0) if size else 0.0)
    shown: dict[str, Any] = {
        "id": doc["id"],
        "dataset": doc["dataset"],
        "status": doc["status"],
        "progress": round(done, 4),
        "rows": doc["rows"],
        "rows_failed": doc["rows_failed"],
        "source": f"{doc['source']['container']}/{doc['source']['blob']}",
        "output": f"{doc['output']['container']}/{doc['output']['blob']}",
        "models": doc["models"],
        "created_at": doc["created_at"],
        "updated_at": doc["updated_at"],
        "error": doc["error"],
    }
    if doc["worked_seconds"] > 0:
        shown["rows_per_second"] = round(doc["rows"] / doc["worked_seconds"], 1)
    return shown
