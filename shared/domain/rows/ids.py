"""The column that tells rows apart, which no model sees: its values go back to the caller as they came."""

from __future__ import annotations

from functools import partial
from math import isfinite

from shared.domain.problems import InvalidRows
from shared.domain.rows.cells import encodable
from shared.domain.rows.payloads import Payload
from shared.domain.rows.shapes import Ids
from shared.domain.rows.validation import Findings
from shared.domain.schema import Schema


def ids_of(payload: Payload, schema: Schema) -> Ids | None:
    """One per row, null where a row has none; None where no row carries the column. `payload` has been checked.

    Raises InvalidRows for what is no single value.
    """
    name = schema.id
    if name is None:
        return None
    if payload.columns is not None:
        if name not in payload.columns:
            return None
        at = payload.columns.index(name)
        found = [row[at] for row in payload.rows]
    else:
        if not any(name in row for row in payload.rows):
            return None
        found = [row.get(name) for row in payload.rows]
    findings = Findings()
    for index, value in enumerate(found):
        if not _is_single(value):
            findings.add("wrong-type", partial(_wrong, name), name, index)
    if findings.total:
        raise InvalidRows(findings.issues, findings.total)
    return Ids(name, found)


def _is_single(value: object) -> bool:
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, float):
        return isfinite(value)
    return value is None or isinstance(value, int)


def _wrong(name: str) -> str:
    return f'Field "{name}" must be text, a number, true or false.'
