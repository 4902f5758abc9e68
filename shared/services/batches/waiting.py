"""Files to score that wait for the first model of their dataset: begun once it is live, or told that none came."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from shared.domain.batches import OPEN_STATES, Batch
from shared.domain.errors import Conflict, Fatal
from shared.domain.problems import Fault
from shared.services.batches.dropped import misfit
from shared.services.batches.taking import Batches, with_id_first
from shared.services.guard import guarded
from shared.services.run.listed_batches import WAITING

log = logging.getLogger(__name__)


def start_waiting(batches: Batches) -> None:
    """Mostly one read where nothing waits, two listings where something does; documents are read of what can be moved alone.

    What keeps it from being done is told, and is the next tick's to try again.
    """
    guarded(_warn, "waiting batches could not be looked at", partial(_start, batches))


def _start(batches: Batches) -> None:
    if batches.none_wait.still():
        return
    marks = list(_marks(batches))
    now = batches.clock()
    served = "serving/"
    live = {path.removeprefix(served).removesuffix(".json") for path in batches.documents.list(served)}
    for key, until in marks:
        if key.partition("/")[0] in live or until <= now:
            guarded(
                _warn,
                "a waiting batch could not be looked at",
                partial(_look, batches, key, until),
                batch=key,
            )


def _marks(batches: Batches) -> Iterator[tuple[str, float]]:
    """`slug/id` of each, and the time at which its patience ends (unix seconds)."""
    after = ""
    while True:
        entries, after = batches.documents.page(WAITING, 5000, after)
        for entry in entries:
            try:
                until = float(entry.metadata["until"])
            except (KeyError, ValueError):  # written by hand: its document knows
                until = 0.0
            yield entry.path.removeprefix(WAITING).replace("~", "/", 1), until
        if not after:
            return


def _look(batches: Batches, key: str, until: float) -> None:
    """Move it on. The mark goes last: while it stands, whoever comes next does what a dead host left."""
    found, now = batches.load(key), batches.clock()
    if found is None:
        if until <= now:
            _forget(batches, key)
        return
    batch, etag = found
    if batch.status == "waiting":
        moved = _moved(batches, batch, now)
        if moved.status == "waiting":
            return
        try:
            batch, _ = batches.save(moved, etag)
        except Conflict:  # another host looks at it
            return
        log.info("a file waits no more: batch %s is %s", key, batch.status)
    if batch.status in OPEN_STATES:
        batches.open.add(key, batch.created_at)
    batches.finish(batch)
    _forget(batches, key)


def _moved(batches: Batches, batch: Batch, now: float) -> Batch:
    entry = batches.live(batch.dataset)
    if entry is not None:
        wrong = misfit(batch, batch.layout, entry, batches)
        if wrong:
            return replace(batch, status="failed", error=wrong)
        layout = with_id_first(batch.layout, entry)
        return replace(batch, status="queued", layout=layout, classes=batches.classes(entry), error=None)
    if batch.waits_until > now:
        return batch
    error = Fatal(
        f"No model of {batch.dataset!r} went live while {batch.dropped} waited for one.",
        remedy=f"Drop a table with the label as {batch.dataset}.csv, and this file again; SCORE_WAIT_DAYS says how long "
        "it waits.",
        code="no-model-in-time",
    )
    return replace(batch, status="failed", error=Fault.of(error))


def _forget(batches: Batches, key: str) -> None:
    batches.documents.delete(f"{WAITING}{key.replace('/', '~', 1)}")


def _warn(what: str, /, **fields: object) -> None:
    log.warning("%s %s", what, fields)
