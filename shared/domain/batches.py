"""A batch: its stored document, what a caller sees of it, and the rules that the OpenAPI document tells too."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from shared.domain import names
from shared.domain.incoming import stem_of
from shared.domain.problems import Fault

#: Path of a blob below its container: segments that don't begin with a dot, no control characters, no backslash.
BLOB_PATH_PATTERN = r"[^/.\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*(/[^/.\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*)*"
MAX_BLOB_PATH = 1024

#: `waiting`: for a first model to go live; nobody works on it.
Status = Literal["waiting", "queued", "running", "completed", "failed"]
OPEN_STATES = frozenset({"queued", "running"})
#: Characters of a dropped file's name in its batch's id, which is 64 characters at most.
_STEM = 30
_NO_ID = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True)
class Source:
    """The version of a blob that is scored; `size` in bytes."""

    container: str
    blob: str
    etag: str
    size: int


@dataclass(frozen=True)
class Output:
    """Where the result appears when it is whole."""

    container: str
    blob: str


@dataclass(frozen=True)
class Layout:
    """What the file's beginning told: the columns as they stand, the delimiter, the encoding, whether it is gzip."""

    columns: list[str]
    delimiter: str
    encoding: str = "utf-8"
    packed: bool = False
    #: Where the column stands that comes first in the output: the one that tells rows apart.
    first: int = 0


@dataclass(frozen=True)
class Batch:
    """The stored document. Times are unix seconds, `position` and `blocks` say how far the work has come."""

    id: str
    dataset: str
    slug: str
    status: Status
    source: Source
    output: Output
    layout: Layout
    #: Of content type and body: the same Idempotency-Key must come with the same request.
    request_hash: str
    created_at: float
    updated_at: float
    #: Byte behind the last record that was scored.
    position: int
    #: Those with a column of probabilities each, fixed when the batch was taken: a version that is promoted meanwhile shifts
    #: no column. Empty: none was asked for.
    classes: list[str] = field(default_factory=list)
    rows: int = 0
    rows_failed: int = 0
    #: Blocks staged; the first holds the header.
    blocks: int = 0
    #: Rows by the model that scored them.
    models: dict[str, int] = field(default_factory=dict)
    worked_seconds: float = 0.0
    attempts: int = 0
    not_before: float = 0.0
    claimed_until: float = 0.0
    error: Fault | None = None
    #: Of a file that was dropped to be scored: container/path of where, and the ETag (bare) of the version that this is.
    dropped: str = ""
    dropped_etag: str = ""
    #: Until when (unix seconds) a waiting one waits.
    waits_until: float = 0.0


@dataclass(frozen=True)
class BatchView:
    """What a caller sees of a batch. `progress` is a share; `source`, `output` and `dropped` are container/path.

    `dropped_etag` is that of the very version of the file. `error` is why it failed, why it waits, or what kept it from
    going on last.
    """

    id: str
    dataset: str
    status: Status
    progress: float
    rows: int
    rows_failed: int
    source: str
    output: str
    models: dict[str, int]
    created_at: float
    updated_at: float
    #: Those with a column of probabilities each in the output; empty where it has none.
    classes: list[str] = field(default_factory=list)
    rows_per_second: float | None = None
    error: Fault | None = None
    slug: str = ""
    dropped: str | None = None
    dropped_etag: str | None = None
    waits_until: float | None = None


def view(batch: Batch) -> BatchView:
    size = batch.source.size
    done = 1.0 if batch.status == "completed" else (min(batch.position / size, 1.0) if size else 0.0)
    worked = batch.worked_seconds
    return BatchView(
        id=batch.id,
        dataset=batch.dataset,
        status=batch.status,
        progress=round(done, 4),
        rows=batch.rows,
        rows_failed=batch.rows_failed,
        source=f"{batch.source.container}/{batch.source.blob}",
        output=f"{batch.output.container}/{batch.output.blob}",
        models=batch.models,
        created_at=batch.created_at,
        updated_at=batch.updated_at,
        classes=batch.classes,
        rows_per_second=round(batch.rows / worked, 1) if worked > 0 else None,
        error=batch.error,
        slug=batch.slug,
        dropped=batch.dropped or None,
        dropped_etag=batch.dropped_etag or None,
        waits_until=batch.waits_until if batch.status == "waiting" else None,
    )


def dropped_id(container: str, blob: str, etag: str, modified: float) -> str:
    """The batch of one version of a dropped file: its name and when it was written (UTC), for people, and the version's hash."""
    stem = _NO_ID.sub("-", names.safe_file(stem_of(blob)))[:_STEM].strip("-") or "file"
    return f"{stem}-{datetime.fromtimestamp(int(modified), UTC):%Y%m%dT%H%M%SZ}-{names.upload_id(container, blob, etag)[:12]}"
