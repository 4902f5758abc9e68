"""The worker's side of batches: one claim, then chunk after chunk until the end or a deadline."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from shared.domain.batches import OPEN_STATES, Batch, Layout
from shared.domain.errors import Conflict, DropMLError, Fatal, Transient
from shared.domain.problems import Busy, Fault, Waking
from shared.domain.rows import formulas
from shared.domain.rows.wanted import Wanted
from shared.domain.run.serving import ServingEntry
from shared.services.batches import csv_chunks
from shared.services.batches.csv_chunks import CheckedChunk, Chunk, Told
from shared.services.batches.taking import Batches
from shared.services.guard import guarded
from shared.services.overlap import Behind, ahead
from shared.services.scoring.endpoint_scorer import chunks

log = logging.getLogger(__name__)

#: A host that has not written for so long has lost its claim.
CLAIM_SECONDS = 120.0
#: An index entry whose document never came is dropped after so long.
ORPHAN_SECONDS = 600.0
#: Tries of one chunk while the endpoint or storage is unavailable; the pause doubles up to the second figure.
MAX_ATTEMPTS, MAX_PAUSE = 8, 300.0
#: After it was taken, a batch waits so long (seconds) for an endpoint that sleeps before its tries are counted.
WAKING_PATIENCE = 24 * 3600.0
CHUNK_TIMEOUT = 60.0
#: Datasets whose batches are worked on at a time.
AT_ONCE = 2
#: Below this much time left no chunk is begun.
MARGIN = 2.0


def step_batches(batches: Batches, deadline: float) -> int:
    """Work on open batches until none needs work or `time.monotonic()` reaches `deadline`; rows done.

    A dataset's in turn, and few datasets at a time: scoring shares the process. A hung endpoint stops its own alone.
    """
    done: list[int] = []
    datasets: dict[str, list[tuple[str, float]]] = {}
    for key, taken_at in sorted(batches.open.entries().items(), key=lambda pair: pair[1]):
        datasets.setdefault(key.partition("/")[0], []).append((key, taken_at))

    def work(waiting: list[tuple[str, float]]) -> None:
        for key, taken_at in waiting:
            if time.monotonic() + MARGIN >= deadline:
                return
            step = partial(_step, batches, key, taken_at, deadline, done)
            guarded(_warn, "batch not worked on", step, batch=key)

    if datasets:
        with ThreadPoolExecutor(min(AT_ONCE, len(datasets)), "batches") as pool:
            list(pool.map(work, datasets.values()))
    return sum(done)


def _warn(what: str, /, **fields: object) -> None:
    log.warning("%s %s", what, fields)


def _step(batches: Batches, key: str, taken_at: float, deadline: float, done: list[int]) -> None:
    found, now = batches.load(key), batches.clock()
    if found is None:
        if now - taken_at > ORPHAN_SECONDS:
            batches.open.remove(key)
        return
    batch, etag = found
    if batch.status not in OPEN_STATES:
        batches.finish(batch)
        batches.open.remove(key)
    elif batch.claimed_until <= now and batch.not_before <= now:
        done.append(_Work(batches, key, batch, etag).run(deadline))


@dataclass(frozen=True)
class _Prepared:
    """A chunk, checked and encoded for the endpoint."""

    chunk: Chunk
    entry: ServingEntry
    checked: CheckedChunk
    bodies: list[tuple[bytes, int]]


class _Work:
    """One claim of one batch. A lost write (Conflict) means that another host has it: leave it alone."""

    def __init__(self, batches: Batches, key: str, batch: Batch, etag: str) -> None:
        self.batches, self.key, self.batch, self.etag = batches, key, batch, etag
        self.rows = 0
        self._since = time.monotonic()

    def run(self, deadline: float) -> int:
        try:
            self._save(status="running", claimed_until=self.batches.clock() + CLAIM_SECONDS)
            self._guarded(deadline)
        except Conflict:
            return self.rows
        if self.batch.status not in OPEN_STATES:
            self.batches.finish(self.batch)
            self.batches.open.remove(self.key)
            log.info("batch %s %s: %s", self.key, self.batch.status, self.batch.output.blob)
        return self.rows

    def _guarded(self, deadline: float) -> None:
        """Every end of the work, good or bad, becomes a state of the document."""
        try:
            finished = self._chunks(deadline)
        except _SourceChangedError as error:
            self._fail(
                Fatal(str(error), remedy="Send the batch again for the new file.", code="source-changed")
            )
        except Conflict:
            raise
        except Transient as error:
            self._later(error)
        except DropMLError as error:
            self._fail(error)
        except Exception:  # a fault of ours: counted like a bad moment, so that it ends and is seen
            log.exception("batch %s", self.key)
            self._later(Transient("Something went wrong here.", remedy="The log has it.", code="error"))
        else:
            self._save(status="completed" if finished else "running", claimed_until=0.0)

    def _chunks(self, deadline: float) -> bool:
        """True at the end of the file, with the output committed.

        While the endpoint scores a chunk, the next one is read and the one before is written.
        """
        output = self.batch.output
        layout = self._begin(self.batches.scoring.entry(self.batch.slug))
        self._since = time.monotonic()
        with Behind() as writer:
            for prepared in ahead(self._prepared(layout)):
                if time.monotonic() + MARGIN >= deadline:
                    return False
                told, models = self._score(prepared)
                writer.put(partial(self._write, layout, prepared, told, models))
        if not self.batch.rows:
            raise csv_chunks.no_rows()
        self.batches.files.commit(output.container, output.blob, self.batch.blocks)
        return True

    def _prepared(self, layout: Layout) -> Iterator[_Prepared]:
        """Chunks from where the document stands, read and checked against the model of the moment."""
        size = self.batch.source.size
        for chunk in csv_chunks.read_chunks(self._read, layout, self.batch.position, size):
            entry = self.batches.scoring.entry(self.batch.slug)  # from memory: a promotion takes effect here
            checked = csv_chunks.check_chunk(chunk.records, layout, entry.validator)
            yield _Prepared(
                chunk, entry, checked, chunks(entry.validator.names, checked.rows, len(self.batch.classes))
            )

    def _begin(self, entry: ServingEntry) -> Layout:
        layout = self.batch.layout
        if not self.batch.blocks:
            entry.validator.order(layout.columns, others=True)  # the model may be another one by now
            self._stage(csv_chunks.header_line(self._shown(layout), self.batch.classes))
            self._save(blocks=1)
        return layout

    def _shown(self, layout: Layout) -> Layout:
        if not self.batches.neutralise:
            return layout
        return replace(layout, columns=formulas.neutral_record(layout.columns))

    def _score(self, prepared: _Prepared) -> tuple[Told, Counter[str]]:
        """What the rows were answered, and how many of them each model answered."""
        told, classes = Told(), self.batch.classes
        models: Counter[str] = Counter()
        scoring = self.batches.scoring
        for body, count in prepared.bodies:
            deadline = scoring.calls.deadline(CHUNK_TIMEOUT)
            scored = scoring.predict(
                prepared.entry, body, count, deadline, wanted=Wanted(probabilities=bool(classes))
            )
            told.add(scored.prediction, classes)
            models[scored.model] += count
        return told, models

    def _write(self, layout: Layout, prepared: _Prepared, told: Told, models: Counter[str]) -> None:
        chunk, checked = prepared.chunk, prepared.checked
        known = replace(self.batch.layout, encoding=chunk.encoding or self.batch.layout.encoding)
        if not chunk.records:
            self._save(position=chunk.position, layout=known)
            return
        records = chunk.records
        if self.batches.neutralise:
            records = [formulas.neutral_record(record) for record in records]
            told = Told([formulas.neutral(label) for label in told.labels], told.shares)
        self._stage(csv_chunks.result_lines(records, layout, checked, told, self.batch.classes))
        since, self._since = self._since, time.monotonic()
        self._save(
            position=chunk.position,
            layout=known,
            blocks=self.batch.blocks + 1,
            rows=self.batch.rows + len(chunk.records),
            rows_failed=self.batch.rows_failed + checked.failed,
            models=dict(models + Counter(self.batch.models)),
            attempts=0,
            error=None,
            claimed_until=self.batches.clock() + CLAIM_SECONDS,
            worked_seconds=round(self.batch.worked_seconds + self._since - since, 4),
        )
        self.rows += len(chunk.records)

    def _read(self, offset: int, length: int) -> bytes:
        source = self.batch.source
        try:
            return self.batches.files.read(source.container, source.blob, source.etag, offset, length)
        except Conflict as error:
            raise _SourceChangedError(error.message) from None

    def _stage(self, data: bytes) -> None:
        output = self.batch.output
        self.batches.files.stage(output.container, output.blob, self.batch.blocks, data)

    def _later(self, error: Transient) -> None:
        now, attempts = self.batches.clock(), self.batch.attempts + 1
        if isinstance(error, Waking) and now - self.batch.created_at < WAKING_PATIENCE:
            attempts = 0  # that an endpoint sleeps is no fault of it
        if attempts >= MAX_ATTEMPTS:
            self._fail(error)
            return
        asked = error.retry_after if isinstance(error, Busy | Waking) else 0.0
        pause = min(MAX_PAUSE, max(asked, 2.0**attempts))
        self._save(
            attempts=attempts,
            not_before=now + pause,
            claimed_until=0.0,
            error=Fault.of(error),
        )

    def _fail(self, error: DropMLError) -> None:
        self._save(status="failed", error=Fault.of(error), claimed_until=0.0)

    def _save(self, **changes: Any) -> None:
        self.batch, self.etag = self.batches.save(replace(self.batch, **changes), self.etag)


class _SourceChangedError(Exception):
    """The input blob is no longer the one that was taken."""
