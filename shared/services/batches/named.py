"""Which blob the body of a batch names."""

from __future__ import annotations

import re
from collections.abc import Collection

from shared.domain.batches import BLOB_PATH_PATTERN, MAX_BLOB_PATH
from shared.domain.errors import InvalidInput
from shared.domain.problems import TooLarge
from shared.domain.rows import payloads

#: Of a body that names a blob.
MAX_NAMED = 64 * 1024
#: What the call takes, in each of its refusals.
TAKES = 'Send {"blob": "container/path"} as application/json, or the CSV itself as text/csv.'
#: A blob's path. No segment begins with a dot: `..` would be resolved on its way to storage and leave the container.
BLOB_PATH = re.compile(BLOB_PATH_PATTERN)


def blob_named(body: bytes, sources: Collection[str]) -> tuple[str, str]:
    """Container and path; `sources` are the containers that are read. Raises InvalidInput, TooLarge."""
    if len(body) > MAX_NAMED:
        raise TooLarge(
            f"The body is {len(body)} bytes; one that names a blob has at most {MAX_NAMED}.",
            remedy=TAKES,
            code="body-too-large",
        )
    doc = payloads.load_json(body, TAKES)
    blob = doc.get("blob") if isinstance(doc, dict) and len(doc) == 1 else None
    if not isinstance(blob, str) or not _encodable(blob):
        raise InvalidInput("The body names no blob.", remedy=TAKES, code="invalid-batch", field="blob")
    container, _, path = blob.partition("/")
    if container not in sources:
        raise InvalidInput(
            f"The blob {blob[:120]!r} is not in a container that batches are read from.",
            remedy=f"Put the file into one of: {', '.join(sorted(sources))}.",
            code="blob-not-allowed",
            field="blob",
        )
    if not allowed(path):
        raise InvalidInput(
            f"The path {path[:120]!r} in {container} can't be read: no part of it may be empty or begin with a dot, "
            f"and it has at most {MAX_BLOB_PATH} characters.",
            remedy=f'Name the file otherwise, as in {{"blob": "{container}/2026/people.csv"}}.',
            code="blob-not-allowed",
            field="blob",
        )
    return container, path


def allowed(path: str) -> bool:
    return len(path) <= MAX_BLOB_PATH and BLOB_PATH.fullmatch(path) is not None


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
