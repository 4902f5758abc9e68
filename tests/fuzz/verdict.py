"""What becomes of one file: registered with every row accounted for, refused with code, remedy and nothing staged, or, named to
be scored, one batch that answers every row.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache, partial
from math import isfinite
from unittest.mock import patch

from shared.adapters import packed_rows
from shared.adapters.packed_rows import RowEngine
from shared.domain.config import DatasetConfig
from shared.domain.documents import to_json
from shared.domain.errors import InvalidTable
from shared.domain.problems import MalformedBody
from shared.domain.rows.csv_text import read_csv
from shared.domain.rows.validation import RowValidator
from shared.domain.run.serving import ServingEntry
from shared.domain.schema import Value
from shared.domain.table.holdout import NEWEST, HoldoutRule
from shared.domain.table.values import convert
from shared.services.batches import showing
from shared.services.batches.csv_chunks import check_chunk, read_chunks, read_layout
from shared.services.batches.showing import BatchQuery
from shared.services.intake.staging import BAD_ROWS, HOLDOUT, MLTABLE, PROFILE, TRAIN, Staged
from tests.support.intake_front import Front
from tests.support.memory_batches import BATCHES
from tests.support.staging_area import MemoryArea, people, staged

#: As new datasets have it.
RULE = HoldoutRule("people", 0.1, NEWEST)


def verdict(raw: bytes) -> str:
    """`registered`, or the refusal's code. Raises whatever is wrong with the verdict itself."""
    found, area = _outcome(raw)
    with patch.object(packed_rows, "FEWEST", 1):
        other, beside = _outcome(raw, RowEngine())
    assert area.blobs == beside.blobs, "an engine stages other bytes"
    if isinstance(found, Staged):
        assert to_json(found) == to_json(other), "an engine finds something else"
        _check_staged(found, area)
        _check_own_rows(raw, found, area)
        return "registered"
    assert isinstance(other, InvalidTable), "an engine takes what is refused"
    assert found.to_dict() == other.to_dict(), "an engine refuses in other words"
    assert area.blobs == {}, "refused, and something is staged"
    assert found.remedy, "no remedy"
    assert found.content_hash, "no hash"
    return found.error_code


def _outcome(raw: bytes, engine: RowEngine | None = None) -> tuple[Staged | InvalidTable, MemoryArea]:
    area = MemoryArea()
    try:
        return staged(raw, DatasetConfig(max_bad_rows=3), RULE, area, block=1 << 10, engine=engine), area
    except InvalidTable as error:
        return error, area


def scored_verdict(raw: bytes) -> str:
    """Of the same bytes as a file to score: `scored`, or the code with which their batch failed."""
    front = Front()
    front.world.docs.put("serving/people.json", to_json(_live()))
    front.files.put("incoming", "people.score.csv", raw)
    assert front.drop("people.score.csv") is None
    assert not front.world.runs(), "a run of what is to be scored"
    (batch,) = showing.page(front.batches, BatchQuery())[0].batches
    assert (batch.status == "failed") == (batch.error is not None)
    if batch.error:
        assert batch.error.remedy, "no remedy"
        assert [info.name for info in front.files.list(BATCHES)] == [f"people/{batch.id}/report.txt"]
        return batch.error.code
    return _rows_verdict(front, batch.id)


def _rows_verdict(front: Front, batch_id: str) -> str:
    """Every record is a row with a verdict of its own, or the file breaks off with a code."""
    found = front.batches.load(f"people/{batch_id}")
    assert found is not None
    source, layout = found[0].source, found[0].layout
    read = partial(front.batches.files.read, source.container, source.blob, source.etag)
    try:
        for chunk in read_chunks(read, layout, found[0].position, source.size):
            checked = check_chunk(chunk.records, layout, _live().validator)
            assert len(checked.verdicts) == len(chunk.records), "a row is lost"
            assert len(checked.rows) + checked.failed == len(chunk.records), "a row has two verdicts"
    except MalformedBody as error:
        return error.error_code
    return "scored"


@lru_cache(maxsize=1)
def _live() -> ServingEntry:
    """A model of the sound table, in service."""
    return ServingEntry("people", "people", "people-e", "", "m1-a1", staged(people()).schema)


def _check_own_rows(raw: bytes, done: Staged, area: MemoryArea) -> None:
    """What is learnt from can be scored: by a batch every row that was taken, with the values that were staged, under the same
    names as by a request.
    """

    def read(offset: int, length: int) -> bytes:
        return raw[offset : offset + length]

    layout, position = read_layout(read, len(raw))
    validator, scored = RowValidator(done.schema), Counter[tuple[Value, ...]]()
    try:
        for chunk in read_chunks(read, layout, position, len(raw)):
            scored.update(map(_plainly, check_chunk(chunk.records, layout, validator).rows))
    except MalformedBody as error:
        if (
            error.error_code == "invalid-csv"
        ):  # it breaks off at damaged quotation marks, which intake puts aside
            return
        raise
    assert scored.total() >= done.rows, "a row that was learnt from can't be scored"
    assert not _learnt(done, area) - scored, "a row is scored with other values than were learnt from"
    with suppress(MalformedBody):
        assert read_csv(raw)[0] == layout.columns, "the names of its columns"


def _learnt(done: Staged, area: MemoryArea) -> Counter[tuple[Value, ...]]:
    """The rows as they were staged, without their labels."""
    found: Counter[tuple[Value, ...]] = Counter()
    for name in (TRAIN, HOLDOUT):
        header, *rows = area.rows(name)
        places = [(header.index(column.name), column.type) for column in done.schema.columns]
        found.update(_plainly([convert(row[at], kind) for at, kind in places]) for row in rows)
    return found


def _plainly(row: Sequence[Value]) -> tuple[Value, ...]:
    """A row with its numbers as floats, whatever JSON made of them."""
    return tuple(float(value) if type(value) is int else value for value in row)


def _check_staged(done: Staged, area: MemoryArea) -> None:
    assert set(area.blobs) - {BAD_ROWS} == {TRAIN, HOLDOUT, MLTABLE, PROFILE}, "staged blobs"
    train, held = area.rows(TRAIN)[1:], area.rows(HOLDOUT)[1:]
    header = area.rows(TRAIN)[0]
    for column in done.schema.columns:
        if column.type in ("integer", "number"):
            cells = [row[header.index(column.name)] for row in train + held]
            assert all(isfinite(float(cell)) for cell in cells if cell), f"a number of {column.name!r}"
    width = len(done.schema.columns) + 1
    assert {len(row) for row in train} == {width + (done.weight_column is not None)}, "width"
    assert (len(train), len(held)) == (done.train_rows, done.holdout_rows), "rows"
    aside = 0
    if BAD_ROWS in area.blobs:
        aside = sum(1 for _ in csv.reader(io.StringIO(area.blobs[BAD_ROWS].decode(), newline=""))) - 1
    assert len(train) + len(held) + aside == done.input_rows, "a row is lost"
