"""A body that was made for one version of the model, as another version takes it."""

from __future__ import annotations

import json

from shared.domain.fitting import fitting
from shared.domain.rows.payloads import encode
from shared.domain.rows.validation import Checked
from shared.domain.schema import Schema


def body_for(body: bytes, made_for: Schema, takes: Schema) -> bytes | None:
    """`body` in the columns and types of `takes`; None where that version can't take one of the rows."""
    if made_for.columns == takes.columns:
        return body
    rows = fitting(json.loads(body)["input_data"]["data"], made_for, takes)
    taken = [row for row in rows if row is not None]
    if len(taken) < len(rows):
        return None
    return encode(Checked([column.name for column in takes.columns], taken))
