"""The prediction diff of a gate: what each model made of each class, the rows on which they differ, and where those are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

from shared.domain.answers import Answers
from shared.domain.evidence.segments import Judged, Segment, segments
from shared.domain.gate import Seen
from shared.domain.labels import speller
from shared.domain.schema import Schema, Value

#: Rows and cells of a confusion that are kept.
MOST_FLIPS, MOST_CELLS = 200, 200


@dataclass(frozen=True)
class ConfusionCell:
    """Rows of the class `truth` that were answered `answer`, by each model."""

    truth: str
    answer: str
    challenger: int
    champion: int | None = None


@dataclass(frozen=True)
class Flip:
    """A row on which the two differ. `row` counts the holdout's rows from 1; probabilities are those of the own answers."""

    row: int
    truth: str
    champion: str
    challenger: str
    champion_probability: float | None = None
    challenger_probability: float | None = None
    #: By column; only where the settings keep values.
    values: dict[str, Value] | None = None


@dataclass(frozen=True)
class Diff:
    """`dropml-state/gate/{run_id}.json`. Of flips, `lost` were right with the champion, `won` are right with the challenger.

    In a regression every row differs: those are shown that moved most, and the numbers of segments are mean absolute errors.
    """

    run_id: str
    champion_run: str | None
    at: float
    rows: int
    holdout: str
    label: str
    flips: int = 0
    lost: int = 0
    won: int = 0
    confusion: tuple[ConfusionCell, ...] = ()
    cells_left_out: int = 0
    shown: tuple[Flip, ...] = ()
    #: What `segments` tells of each model: accuracy or mean_absolute_error.
    measure: str = "accuracy"
    segments: tuple[Segment, ...] = ()
    segments_left_out: int = 0
    columns_left_out: int = 0
    schema: int = 1


@dataclass(frozen=True)
class Scored:
    """The holdout's rows, their numbers, and what was answered to them, labels by the threshold of each model."""

    seen: Seen
    rows: Sequence[Sequence[Value]]
    places: Sequence[int]
    schema: Schema
    holdout: str


def diff_of(
    run_id: str, champion_run: str | None, at: float, scored: Scored, *, keep_values: bool = False
) -> Diff:
    """The diff, of bounded size however many rows, columns and classes there are."""
    if scored.schema.classes:
        return _of_labels(run_id, champion_run, at, scored, keep_values=keep_values)
    return _of_numbers(run_id, champion_run, at, scored, keep_values=keep_values)


def _of_labels(
    run_id: str, champion_run: str | None, at: float, scored: Scored, *, keep_values: bool
) -> Diff:
    seen, spell = scored.seen, speller(scored.schema.classes)
    truth, new = list(map(spell, seen.truth)), list(map(spell, seen.challenger.result))
    old = list(map(spell, seen.champion.result)) if seen.champion else None
    right = [float(a == t) for a, t in zip(new, truth, strict=True)]
    was = [float(a == t) for a, t in zip(old, truth, strict=True)] if old else None
    flips = [a != b for a, b in zip(new, old, strict=True)] if old else [False] * len(truth)
    lost, won, other = _by_kind(flips, right, was)
    cells = _confusion(truth, new, old)
    found, left_out, columns = segments(scored.schema.columns, scored.rows, Judged(right, was, flips))
    shown = [place for place in chain(*zip_longest(lost, won, other)) if place is not None][:MOST_FLIPS]
    sure_new, sure_old = _sure(seen.challenger), _sure(seen.champion)
    return Diff(
        run_id,
        champion_run,
        at,
        len(truth),
        scored.holdout,
        scored.schema.label,
        len(lost) + len(won) + len(other),
        len(lost),
        len(won),
        tuple(cells[:MOST_CELLS]),
        max(0, len(cells) - MOST_CELLS),
        tuple(
            Flip(
                scored.places[i],
                truth[i],
                old[i] if old else "",
                new[i],
                sure_old[i] if sure_old else None,
                sure_new[i] if sure_new else None,
                _values(scored, i) if keep_values else None,
            )
            for i in shown
        ),
        "accuracy",
        found,
        left_out,
        columns,
    )


def _of_numbers(
    run_id: str, champion_run: str | None, at: float, scored: Scored, *, keep_values: bool
) -> Diff:
    seen = scored.seen
    truth, new = list(map(float, seen.truth)), list(map(float, seen.challenger.result))
    old = list(map(float, seen.champion.result)) if seen.champion else None
    errors = [-abs(a - t) for a, t in zip(new, truth, strict=True)]
    was = [-abs(a - t) for a, t in zip(old, truth, strict=True)] if old else None
    moved = [a != b for a, b in zip(new, old, strict=True)] if old else [False] * len(truth)
    found, left_out, columns = segments(
        scored.schema.columns, scored.rows, Judged(errors, was, moved, errors=True)
    )
    shown: list[int] = []
    if old:
        by_distance = sorted(range(len(truth)), key=lambda i: -abs(new[i] - old[i]))
        shown = [i for i in by_distance[:MOST_FLIPS] if moved[i]]
    return Diff(
        run_id,
        champion_run,
        at,
        len(truth),
        scored.holdout,
        scored.schema.label,
        sum(moved),
        sum(a < b for a, b in zip(errors, was, strict=True)) if was else 0,
        sum(a > b for a, b in zip(errors, was, strict=True)) if was else 0,
        shown=tuple(
            Flip(
                scored.places[i],
                f"{truth[i]:.12g}",
                f"{old[i]:.12g}" if old else "",
                f"{new[i]:.12g}",
                values=_values(scored, i) if keep_values else None,
            )
            for i in shown
        ),
        measure="mean_absolute_error",
        segments=found,
        segments_left_out=left_out,
        columns_left_out=columns,
    )


def _by_kind(
    flips: Sequence[bool], right: Sequence[float], was: Sequence[float] | None
) -> tuple[list[int], list[int], list[int]]:
    """Places of the flips that lost a right answer, won one, and neither."""
    kinds: tuple[list[int], list[int], list[int]] = ([], [], [])
    for at, flipped in enumerate(flips):
        if flipped and was is not None:
            kinds[0 if was[at] else 1 if right[at] else 2].append(at)
    return kinds


def _confusion(truth: Sequence[str], new: Sequence[str], old: Sequence[str] | None) -> list[ConfusionCell]:
    """Those with most rows first."""
    mine = Counter(zip(truth, new, strict=True))
    other = Counter(zip(truth, old, strict=True)) if old is not None else None
    keys = sorted({*mine, *(other or ())}, key=lambda key: (-mine[key] - (other[key] if other else 0), key))
    return [
        ConfusionCell(true, answer, mine[true, answer], None if other is None else other[true, answer])
        for true, answer in keys
    ]


def _sure(answers: Answers | None) -> list[float] | None:
    """The probability that a model gives to its own answer; None where it answers labels alone."""
    if answers is None or answers.probabilities is None or answers.classes is None:
        return None
    at = {name: index for index, name in enumerate(answers.classes)}
    if not set(answers.result) <= set(at):
        return None
    return [
        round(shares[at[name]], 6) for name, shares in zip(answers.result, answers.probabilities, strict=True)
    ]


def _values(scored: Scored, at: int) -> dict[str, Value]:
    return {column.name: value for column, value in zip(scored.schema.columns, scored.rows[at], strict=True)}
