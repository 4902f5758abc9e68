"""From answers to a verdict: which metric, what the new file's holdout says, what the earlier one says, how long it took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import compress

from shared.domain.answers import Answers
from shared.domain.gate.classification import LABELS_METRIC, measure_labels
from shared.domain.gate.confusion import METRICS
from shared.domain.gate.earlier import known_of, suspicion, worse_before
from shared.domain.gate.latency import Calls, LatencyLimits, latency, slow
from shared.domain.gate.probabilities import SCORE_METRICS, Scored, measure_scores
from shared.domain.gate.regression import measure_numbers
from shared.domain.gate.rules import Measured, decide
from shared.domain.gate.scores import by_class
from shared.domain.gate.verdict import Earlier, GateConfig, Verdict
from shared.domain.labels import speller


@dataclass(frozen=True)
class Seen:
    """One holdout: the true labels of its rows, as the file has them, and what each model answered to them."""

    truth: Sequence[str]
    challenger: Answers
    champion: Answers | None = None
    #: Rows that one of the two can't take.
    left_out: int = 0
    #: Which rows thresholds are chosen on, and whether one was: then labels are judged on the others alone.
    choosing: Sequence[bool] = ()
    flattered: bool = False


@dataclass(frozen=True)
class Terms:
    """By what to judge. `classes` are those of the file; `primary` is the run's primary metric.

    The same `seed` gives the same interval. `champion` is the champion's own verdict.
    """

    config: GateConfig
    classes: tuple[str, ...]
    primary: str
    seed: str
    limits: LatencyLimits = field(default_factory=LatencyLimits)
    champion: Verdict | None = None
    regression: bool = False


def judge_answers(
    new: Seen, terms: Terms, *, earlier: Seen | None = None, calls: Calls | None = None
) -> Verdict:
    """The verdict on a challenger, from `new`: the holdout of its own file, and `earlier`: that of the champion's."""
    config = terms.config
    found, note = measured(new, terms)
    before = measured(earlier, terms)[0] if earlier and earlier.truth else None
    verdict = replace(decide(found, config), note=note, latency=latency(calls) if calls else None)
    doubt = suspicion(found, before, known_of(terms.champion), config)
    reasons = [
        verdict.reason if verdict.decision == "reject" else None,
        worse_before(before, config),
        slow(calls, terms.limits) if calls else None,
    ]
    objection = "; ".join(reason for reason in reasons if reason) or None
    verdict = replace(verdict, suspicious=doubt, objection=objection, earlier=_told(before, earlier))
    if doubt:
        told = f"suspicious data: {doubt}" + (f"; {objection}" if objection else "")
        return replace(verdict, decision="reject", reason=told)
    return replace(verdict, decision="reject", reason=objection) if objection else verdict


def measured(seen: Seen, terms: Terms) -> tuple[Measured, str | None]:
    """What was measured, and why it is another metric than was asked for."""
    if terms.regression:
        return _numbers(seen), None
    spell = speller(terms.classes)
    truth, new = list(map(spell, seen.truth)), list(map(spell, seen.challenger.result))
    old = None if seen.champion is None else list(map(spell, seen.champion.result))
    wanted = terms.primary if terms.config.metric == "auto" else terms.config.metric
    new_scores = by_class(seen.challenger, terms.classes)
    old_scores = by_class(seen.champion, terms.classes) if seen.champion else None
    silent = _silent(seen, new_scores is None, old_scores is None)
    if wanted in SCORE_METRICS and not silent and len(set(truth)) > 1 and new_scores:
        champion = Scored(old, old_scores) if old is not None and old_scores else None
        fair = _fair(seen)
        return measure_scores(truth, Scored(new, new_scores), champion, wanted, terms.seed, fair), None
    metric = wanted if wanted in METRICS and (terms.config.metric != "auto" or not silent) else LABELS_METRIC
    note = None
    if metric != wanted and silent and truth:
        note = f"{metric} of the labels, not {wanted}: {silent} answers no probabilities that can be compared"
    fair = _fair(seen)
    truth, new = list(compress(truth, fair)), list(compress(new, fair))
    old = None if old is None else list(compress(old, fair))
    return measure_labels(truth, new, old, metric, terms.seed), note


def _fair(seen: Seen) -> list[bool]:
    """Of each row, whether labels are judged on it; all are where no other is left."""
    fair = [not (seen.flattered and chosen) for chosen in seen.choosing]
    return fair if any(fair) else [True] * len(seen.truth)


def _silent(seen: Seen, challenger: bool, champion: bool) -> str | None:
    """Who answers no probabilities."""
    if challenger:
        return "the challenger"
    return "the champion" if champion and seen.champion is not None else None


def _numbers(seen: Seen) -> Measured:
    """Raises ValueError where an answer is no number."""
    old = None if seen.champion is None else list(map(float, seen.champion.result))
    return measure_numbers(list(map(float, seen.truth)), list(map(float, seen.challenger.result)), old)


def _told(found: Measured | None, seen: Seen | None) -> Earlier | None:
    if found is None or found.against is None or seen is None:
        return None
    against = found.against
    return Earlier(
        found.rows,
        found.metric,
        round(found.challenger, 6),
        round(against.champion, 6),
        round(against.difference, 6),
        round(against.low, 6),
        round(against.high, 6),
        seen.left_out,
    )
