"""A body that was made for one version of the model, as another version takes it; and which version is asked."""

from __future__ import annotations

import json

from shared.domain.fitting import fitting
from shared.domain.rows.payloads import encode
from shared.domain.rows.validation import Checked
from shared.domain.rows.wanted import PLAIN, Wanted, check_able
from shared.domain.run.serving import ServingEntry
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


def fitted(
    entry: ServingEntry, deployment: str, body: bytes, made_for: Schema, wanted: Wanted
) -> tuple[str, bytes]:
    """Whom to ask, and the body in the types of that version's own schema: one that can't take a row is not asked.

    Nor one that can't answer what is wanted while another with traffic can. Raises Conflict where none can.
    """
    if wanted is not PLAIN and wanted.needs_script:
        for name in (deployment, *entry.sharing):
            if entry.version(name).mode == "script":
                made = body_for(body, made_for, entry.schema_of(name))
                if made is not None:
                    return name, made
        check_able(entry, deployment, wanted)
    made = body_for(body, made_for, entry.schema_of(deployment))
    if made is not None:
        return deployment, made
    return entry.newest, body_for(body, made_for, entry.schema) or body
