"""How a table's columns and label differ from the version before, and what of it breaks callers of the old one."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from shared.domain.labels import canonical_label
from shared.domain.schema import Column, Schema

Kind = Literal[
    "added",
    "removed",
    "retyped",
    "nullable",
    "label",
    "label-values",
    "label-shift",
    "distribution",
    "volume",
]
#: Types whose every value the other type takes too.
_WIDER = {("integer", "number"), ("datetime", "string")}
#: What a column was before that had no value.
EMPTY = "empty"
#: Values named in one change.
_NAMED = 10


@dataclass(frozen=True)
class Change:
    """One difference between two versions. `column` is empty where it is of the whole table; `message` is a sentence."""

    kind: Kind
    column: str
    before: str
    after: str
    message: str
    #: Whether a row that was valid before may be refused now, or an answer mean something else.
    breaking: bool = False


def breaking_changes(old: Schema, new: Schema) -> list[str]:
    """Why a row that was valid for `old` may be refused under `new`, one sentence each; empty when none may.

    New categories, ranges and the order of columns break nobody: they give warnings at most.
    """
    return [change.message for change in schema_changes(old, new) if change.breaking]


def schema_changes(old: Schema, new: Schema) -> list[Change]:
    """Everything that differs in columns, types and the label's values."""
    before = {column.name: column for column in old.columns}
    after = {column.name: column for column in new.columns}
    found = [
        Change("removed", name, column.type, "", f'Field "{name}" is no longer taken.', breaking=True)
        for name, column in before.items()
        if name not in after and name not in new.passed
    ]
    for name, column in after.items():
        if name in before:
            found += _retyped(before[name], column)
        elif column.nullable:
            found.append(Change("added", name, "", column.type, f'Field "{name}" is new and may be empty.'))
        else:
            must = f'Field "{name}" is new and must be sent.'
            found.append(Change("added", name, "", column.type, must, breaking=True))
    return [*found, *_label(old, new)]


def _retyped(old: Column, new: Column) -> Iterator[Change]:
    if old.empty and old.type != new.type:
        message = f'Field "{old.name}" had no value before and is now {new.type}.'
        yield Change("retyped", old.name, EMPTY, new.type, message)
    elif old.type != new.type:
        message = f'Field "{old.name}" was {old.type} and is now {new.type}.'
        breaking = (old.type, new.type) not in _WIDER
        yield Change("retyped", old.name, old.type, new.type, message, breaking)
    if old.nullable and not new.nullable:
        message = f'Field "{old.name}" might be empty and no longer may.'
        yield Change("nullable", old.name, "may be empty", "never empty", message, breaking=True)


def _label(old: Schema, new: Schema) -> Iterator[Change]:
    if old.label != new.label:
        message = f'The label was "{old.label}" and is now "{new.label}".'
        yield Change("label", new.label, old.label, new.label, message, breaking=True)
        return
    if bool(old.classes) != bool(new.classes):
        before, after = ("classes", "numbers") if old.classes else ("numbers", "classes")
        message = f'The label "{new.label}" held {before} and now holds {after}.'
        yield Change("label", new.label, before, after, message, breaking=True)
        return
    was, now = set(old.classes), set(new.classes)
    if was == now:
        return
    message = f'The label "{new.label}" {_values_changed(was, now)}'
    yield Change("label-values", new.label, _names(was), _names(now), message, breaking=not was & now)


def respelt(was: Collection[str], now: Collection[str]) -> dict[str, str]:
    """By the words that are gone, the new ones that differ from them in case or notation alone: `Yes`, `1.0`, `01`."""
    gone = {canonical_label(name).casefold(): name for name in sorted(set(was) - set(now))}
    fresh = {canonical_label(name).casefold(): name for name in sorted(set(now) - set(was))}
    return {old: fresh[key] for key, old in gone.items() if key in fresh}


def _values_changed(was: set[str], now: set[str]) -> str:
    """What became of a label's values, and what follows from it: the end of a sentence, and another one."""
    fresh, gone, words = now - was, was - now, respelt(was, now)
    if words and len(words) == len(fresh) == len(gone):
        pairs = ", ".join(f'"{old[:60]}" is now "{new[:60]}"' for old, new in [*words.items()][:_NAMED])
        return f"spells its values otherwise: {pairs}. Answers would be spelt so, too."
    said = []
    if fresh:
        said.append(f"has values that it never had: {_names(fresh)}")
    if gone:
        said.append(f"no longer has {_names(gone)}")
    if not was & now:
        follows = "No value is left of those that callers know."
    elif fresh:
        follows = "The model before never answers a new value; one that is trained on this file may."
    else:
        follows = "A model that is trained on this file never answers it."
    return f"{' and '.join(said)}. {follows}"


def _names(values: set[str]) -> str:
    shown = ", ".join(f'"{value[:60]}"' for value in sorted(values)[:_NAMED])
    return shown + (f" and {len(values) - _NAMED} more" if len(values) > _NAMED else "")
