"""What a dataset's next version must keep: compared with the version before, before any money is spent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from shared.domain.config import DatasetConfig, SchemaPolicy
from shared.domain.errors import InvalidTable
from shared.domain.retyping import in_words
from shared.domain.run.parts import RunProblem, Snapshot
from shared.domain.schema_change import EMPTY, Change, respelt, schema_changes
from shared.domain.table.column_warnings import Cause
from shared.domain.table.profile.parts import ColumnProfile, Frequent, Profile
from shared.domain.table.profile.stability import psi

#: A shift that matters, by the usual rule for the population stability index (below 0.1 none, above 0.25 a major one).
MAJOR = 0.25
#: Fewer rows than this share of the version before are worth a word.
FEWER = 0.5
#: Changes that a message spells out; the report has all.
_SPELT = 3
_DRIFTS = ("label-shift", "distribution", "volume")


def policy_of(config: DatasetConfig) -> SchemaPolicy:
    """Who lets the gate pass a changed schema means the same of intake."""
    return "free" if config.gate.allow_schema_change else config.schema


def changes(
    before: Snapshot, after: Snapshot, was: Profile | None = None, now: Profile | None = None
) -> tuple[Change, ...]:
    """All that differs between two versions of a dataset, structure first; distributions where both profiles are there."""
    found = schema_changes(before.schema, after.schema)
    if not any(
        change.kind == "label" or (change.kind == "label-values" and change.breaking) for change in found
    ):
        found += _label_shift(before, after)
    if was and now:
        found += _distributions(was, now, after)
    if after.rows < before.rows * FEWER:
        message = f"The table has {after.rows:,} rows; the version before had {before.rows:,}, more than twice as many."
        found.append(Change("volume", "", f"{before.rows:,}", f"{after.rows:,}", message))
    return tuple(found)


def refused(found: Sequence[Change], policy: SchemaPolicy) -> list[Change]:
    """Those of the changes that this policy doesn't take."""
    if policy == "free":
        return []
    if policy == "strict":
        return list(found)
    return [change for change in found if change.breaking or _unfit(change)]


def _unfit(change: Change) -> bool:
    """A date that turns into text breaks no caller, but is no longer what the column was; an empty one was nothing."""
    return (
        change.kind == "retyped"
        and (change.before, change.after) != ("integer", "number")
        and change.before != EMPTY
    )


def problem(
    found: Sequence[Change],
    policy: SchemaPolicy,
    before: str,
    run_id: str,
    causes: Mapping[str, Cause] = MappingProxyType({}),
) -> RunProblem | None:
    """Why the file can't be taken as the next version after the run `before`; None where it can.

    `causes` tell of columns of another type what made them so.
    """
    wrong = refused(found, policy)
    if not wrong:
        return None
    spelt = " ".join(_with_cause(change, causes) for change in wrong[:_SPELT])
    more = f" And {len(wrong) - _SPELT} more, listed below." if len(wrong) > _SPELT else ""
    message = f"The file does not fit the version before ({before}). {spelt}{more}"
    remedy = (
        "Correct the file and drop it again. Is it meant so? "
        f"POST /api/quarantine/{run_id}/accept-schema takes it and asks the same of the files that follow; "
        f"POST /api/quarantine/{run_id}/release takes this file alone; `schema: free` in the yaml asks no more."
    )
    first = next((change for change in wrong if change.column), None)
    cause = causes.get(first.column) if first and first.kind == "retyped" else None
    line = cause.line if cause and cause.line else None
    column = first.column if first else None
    if all(change.kind in _DRIFTS for change in wrong):
        error = InvalidTable(message, remedy=remedy, code="data-drift", column=column, before=before)
    else:
        error = InvalidTable(
            message, remedy=remedy, code="schema-incompatible", column=column, line=line, before=before
        )
    if cause and cause.value and cause.better:
        error.showing(cause.value, cause.better)
    return replace(RunProblem.of(error), changes=tuple(found))


def _with_cause(change: Change, causes: Mapping[str, Cause]) -> str:
    cause = causes.get(change.column) if change.kind == "retyped" else None
    return f"{change.message} {in_words(cause)}" if cause else change.message


def warnings(found: Sequence[Change], before: str) -> tuple[str, ...]:
    """A sentence for each change that was let pass."""
    return tuple(f"Against {before}: {change.message}" for change in found)


def _label_shift(before: Snapshot, after: Snapshot) -> list[Change]:
    was, now = _counts(before), _counts(after)
    words = respelt(was, now)
    was = {words.get(name, name): rows for name, rows in was.items()}
    name = after.schema.label
    if not was or not now or (psi(_profile(name, was), _profile(name, now)) or 0.0) <= MAJOR:
        return []
    message = f'The label "{name}" is distributed otherwise: {_moved(was, now)}.'
    return [Change("label-shift", name, _shares(was), _shares(now), message)]


def _moved(was: Mapping[str, int], now: Mapping[str, int]) -> str:
    """Class by class what its share was and is, that which moved most first."""
    before, after = max(sum(was.values()), 1), max(sum(now.values()), 1)
    shares = {name: (was.get(name, 0) / before, now.get(name, 0) / after) for name in (*was, *now)}
    first = sorted(shares.items(), key=lambda item: -abs(item[1][0] - item[1][1]))[:_SPELT]
    return ", ".join(
        f'"{name[:40]}" was {100 * one:.3g} % of the rows and is {100 * other:.3g} %'
        for name, (one, other) in first
    )


def relabelled(before: Snapshot, after: Snapshot, run_id: str) -> str:
    """A sentence where a file has another label, or another kind of one, than the version before: the two were not compared."""
    was, now = before.schema, after.schema
    if was.label != now.label:
        return (
            f'The label is "{now.label}"; that of the version before ({run_id}) was "{was.label}". What is learnt is another '
            "thing, so the file was not compared with it."
        )
    if bool(was.classes) != bool(now.classes):
        one, other = ("classes", "a quantity") if was.classes else ("a quantity", "classes")
        return (
            f'The label "{now.label}" is taken for {other}; in the version before ({run_id}) it was {one}. The two were not '
            "compared."
        )
    return ""


def _profile(name: str, counts: Mapping[str, int]) -> ColumnProfile:
    rows = sum(counts.values())
    frequent = tuple(Frequent(value, count, count / rows) for value, count in counts.items())
    return ColumnProfile(name, "string", rows, 0, len(counts), True, sampled=rows, frequent=frequent)


def _distributions(was: Profile, now: Profile, after: Snapshot) -> Iterator[Change]:
    """Features whose values moved; identifiers move with every file."""
    moving = {name for p in (was, now) for f in p.findings if f.code == "identifier" for name in f.columns}
    for name in after.columns:
        one, other = was.column(name), now.column(name)
        if one is None or other is None or name in moving:
            continue
        index = psi(one, other)
        if index is not None and index > MAJOR:
            before, then = _described(one), _described(other)
            message = f'Field "{name}" is distributed otherwise (stability index {index:.2f}): it was {before} and is {then}.'
            yield Change("distribution", name, before, then, message)


def _described(column: ColumnProfile) -> str:
    gaps = f", {100 * column.gaps / column.rows:.3g} % empty" if column.gaps and column.rows else ""
    if column.quantiles:
        low, middle, high = (column.quantiles[i] for i in (5, 10, 15))
        return f"around {middle:.6g} (half of it from {low:.6g} to {high:.6g}){gaps}"
    counts = {found.value: found.count for found in column.frequent}
    others = column.sampled - column.sampled_gaps - sum(counts.values())
    return _shares(counts, others) + gaps


def _counts(snapshot: Snapshot) -> dict[str, int]:
    """Rows of each class, held out or not."""
    total: dict[str, int] = {}
    for part in snapshot.class_counts.values():
        for name, rows in part.items():
            total[name] = total.get(name, 0) + rows
    return total


def _shares(counts: Mapping[str, int], others: int = 0) -> str:
    rows = sum(counts.values()) + others or 1
    first = sorted(counts.items(), key=lambda item: -item[1])[:5]
    return ", ".join(f'{100 * count / rows:.3g} % "{name[:40]}"' for name, count in first)
