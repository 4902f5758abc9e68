"""Why a dropped file was not scored, for the person who dropped it: a text where its answer would be."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from shared.domain.batches import Batch
from shared.domain.errors import DropMLError
from shared.services.batches.ports import BatchFiles

log = logging.getLogger(__name__)


def tell(batch: Batch, files: BatchFiles) -> None:
    """Write `report.txt` into the batch's folder. Where storage refuses it, the batch's document tells all the same."""
    path = f"{batch.slug}/{batch.id}/report.txt"
    try:
        files.put(batch.output.container, path, _text(batch).encode())
    except DropMLError:
        log.warning("the report of batch %s/%s could not be written", batch.slug, batch.id, exc_info=True)


def _text(batch: Batch) -> str:
    moment = datetime.fromtimestamp(batch.updated_at, UTC).isoformat(timespec="seconds")
    message, remedy = (batch.error.message, batch.error.remedy) if batch.error else ("", "")
    code = batch.error.code if batch.error else ""
    lines = [
        f"The file {batch.dropped} was not scored.",
        "",
        f"What is wrong:  {message}",
        f"What to do:     {remedy or 'Correct the file, then drop it again.'}",
        "",
        "The file stays where it is.",
        "",
        f"Dataset {batch.dataset}, batch {batch.id}, {moment}, code {code}",
    ]
    return "\n".join(lines) + "\n"
