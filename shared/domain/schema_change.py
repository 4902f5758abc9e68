"""Whether a new model version still takes the rows that callers of the old one send."""

from __future__ import annotations

from shared.domain.schema import Column, Schema

#: Types whose every value the other type takes too.
_WIDER = {("integer", "number"), ("datetime", "string")}


def breaking_changes(old: Schema, new: Schema) -> list[str]:
    """Why a row that was valid for `old` may be refused under `new`, one sentence each; empty when none may.

    New categories, ranges and the order of columns break nobody: they give warnings at most.
    """
    before = {column.name: column for column in old.columns}
    after = {column.name: column for column in new.columns}
    gone = [
        f'Field "{name}" is no longer taken.'
        for name in before
        if name not in after and name not in new.passed
    ]
    added = [
        f'Field "{name}" is new and must be sent.'
        for name, column in after.items()
        if name not in before and not column.nullable
    ]
    changed = [
        sentence for name in before if name in after for sentence in _changed(before[name], after[name])
    ]
    return gone + added + changed


def _changed(old: Column, new: Column) -> list[str]:
    found = []
    if old.type != new.type and (old.type, new.type) not in _WIDER:
        found.append(f'Field "{old.name}" was {old.type} and is now {new.type}.')
    if old.nullable and not new.nullable:
        found.append(f'Field "{old.name}" might be empty and no longer may.')
    return found
