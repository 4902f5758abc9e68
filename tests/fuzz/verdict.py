"""What becomes of one file: registered with every row accounted for, or refused with code, remedy and nothing staged."""

from __future__ import annotations

import csv
import io
from math import isfinite

from shared.domain.config import DatasetConfig
from shared.domain.errors import InvalidTable
from shared.services.intake.staging import BAD_ROWS, HOLDOUT, MLTABLE, PROFILE, TRAIN, Staged
from tests.support.staging_area import MemoryArea, staged


def verdict(raw: bytes) -> str:
    """`registered`, or the refusal's code. Raises whatever is wrong with the verdict itself."""
    area = MemoryArea()
    try:
        done = staged(raw, DatasetConfig(max_bad_rows=3), area=area, block=1 << 10)
    except InvalidTable as error:
        refused = error
    else:
        _check_staged(done, area)
        return "registered"
    assert area.blobs == {}, "refused, and something is staged"
    assert refused.remedy, "no remedy"
    assert refused.content_hash, "no hash"
    return refused.error_code


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
