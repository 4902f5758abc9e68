"""What a past decision can be taken again from: labels, ranks of scores and times, without a value of any row.

Curves ask for the order of scores alone, so ranks are kept: judged again, they give the very numbers that they gave.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.domain.answers import Answers
from shared.domain.evidence.columns import packed, packed_whole, ranks, unpacked, unpacked_whole
from shared.domain.gate import Calls, GateConfig, Seen, Terms, Verdict, judge_answers

#: Scores (rows times classes, of both models, of both holdouts) that are kept; of more, labels alone are.
MOST_SCORES = 1_000_000


@dataclass(frozen=True)
class Side:
    """One model's answers: places among the words, or numbers; and each class's ranks."""

    result: str
    classes: tuple[str, ...] = ()
    scores: tuple[str, ...] = ()


@dataclass(frozen=True)
class KeptSeen:
    """One holdout. `words` are the labels; none where they are numbers."""

    words: tuple[str, ...]
    truth: str
    challenger: Side
    champion: Side | None
    left_out: int
    choosing: str
    flattered: bool


@dataclass(frozen=True)
class Evidence:
    """`dropml-state/evidence/{run_id}.json`. `champion_run` is what was live then; `note` what the verdict told beside."""

    run_id: str
    champion_run: str | None
    at: float
    terms: Terms
    new: KeptSeen
    earlier: KeptSeen | None = None
    calls: Calls | None = None
    note: str | None = None
    #: Whether there were more scores than are kept.
    scores_left_out: bool = False
    schema: int = 1


def kept(
    run_id: str,
    champion_run: str | None,
    at: float,
    terms: Terms,
    new: Seen,
    *,
    earlier: Seen | None = None,
    calls: Calls | None = None,
    note: str | None = None,
    most: int = MOST_SCORES,
) -> Evidence:
    """The evidence of one decision."""
    sides = [side for seen in (new, earlier) if seen for side in (seen.challenger, seen.champion)]
    scores = sum(len(side.result) * len(side.classes or ()) for side in sides if side and side.probabilities)
    fits = scores <= most

    def of(seen: Seen) -> KeptSeen:
        return _seen(seen, terms.regression, with_scores=fits)

    return Evidence(
        run_id,
        champion_run,
        at,
        terms,
        of(new),
        of(earlier) if earlier else None,
        calls,
        note,
        scores_left_out=not fits,
    )


def rejudged(evidence: Evidence, config: GateConfig) -> Verdict:
    """What the same answers come to under `config`. What ranks can't tell, the calibration errors, is left open."""
    terms = replace(evidence.terms, config=config)
    earlier = _opened(evidence.earlier, terms.regression) if evidence.earlier else None
    found = judge_answers(
        _opened(evidence.new, terms.regression), terms, earlier=earlier, calls=evidence.calls
    )
    notes = [note for note in (found.note, evidence.note) if note]
    return replace(
        found, note="; ".join(notes) or None, calibration_error=None, champion_calibration_error=None
    )


def _seen(seen: Seen, regression: bool, *, with_scores: bool) -> KeptSeen:
    answered = [seen.truth, seen.challenger.result, *([seen.champion.result] if seen.champion else [])]
    words = () if regression else tuple(sorted({word for column in answered for word in column}))
    place = {word: at for at, word in enumerate(words)}

    def column(values: Sequence[str]) -> str:
        if regression:
            return packed(list(map(float, values)))
        return packed_whole([place[value] for value in values])

    def side(answers: Answers) -> Side:
        if not with_scores or answers.probabilities is None or answers.classes is None:
            return Side(column(answers.result))
        scores = (packed_whole(ranks(shares)) for shares in zip(*answers.probabilities, strict=True))
        return Side(column(answers.result), tuple(answers.classes), tuple(scores))

    return KeptSeen(
        words,
        column(seen.truth),
        side(seen.challenger),
        side(seen.champion) if seen.champion else None,
        seen.left_out,
        packed_whole([int(chosen) for chosen in seen.choosing]),
        seen.flattered,
    )


def _opened(seen: KeptSeen, regression: bool) -> Seen:
    def column(text: str) -> list[str]:
        if regression:
            return list(map(repr, unpacked(text)))
        return [seen.words[at] for at in unpacked_whole(text)]

    def side(answers: Side) -> Answers:
        if not answers.classes or not answers.scores:
            return Answers(column(answers.result))
        columns = map(unpacked, answers.scores)
        shares = [list(row) for row in zip(*columns, strict=True)]
        return Answers(column(answers.result), shares, list(answers.classes))

    return Seen(
        column(seen.truth),
        side(seen.challenger),
        side(seen.champion) if seen.champion else None,
        seen.left_out,
        [bool(chosen) for chosen in unpacked_whole(seen.choosing)],
        seen.flattered,
    )
