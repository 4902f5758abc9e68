"""Is a challenger that shares live traffic worse for its callers than the champion? Errors, latency, skew of its answers.

Each of them needs evidence before it counts: a canary with little traffic breaches nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import accumulate
from zlib import crc32

#: Upper bounds, in milliseconds, of the latency counts; the last count is of what took longer.
BOUNDS = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
#: Calls with more rows than this tell nothing about latency: they take long for their size.
LATENCY_ROWS = 100
#: Classes beyond which skew is not looked at; a regression's numbers are never counted.
MAX_LABELS = 50
#: Classes beyond which probabilities are not counted, and the bins of each class's.
MAX_SCORED_CLASSES, SCORE_BINS = 10, 20
#: Least evidence: failed calls; answered calls of each side; rows of each side.
MIN_ERRORS, MIN_CALLS, MIN_ROWS = 3, 50, 100
#: Standard deviations that a difference must lie outside of chance.
Z_ERRORS, Z_SKEW = 2.33, 4.0
#: The two-sample Kolmogorov-Smirnov distance that chance exceeds as rarely as Z_SKEW, times sqrt(1/n + 1/m): at
#: 6 in 100,000, sqrt(-ln(0.00006 / 2) / 2) (Smirnov 1939).
KS_SKEW = 2.28
#: Different answers from which on rows count as varied.
VARIED = 100
#: Milliseconds below which nobody minds a slower answer.
LATENCY_FLOOR = 100


@dataclass(frozen=True)
class CanaryLimits:
    """`error_rate` and `skew` are shares (0 to 1), `latency_factor` a multiple of the champion's."""

    error_rate: float = 0.02
    latency_factor: float = 3.0
    skew: float = 0.2
    #: How far a class's probabilities may lie from the champion's on average.
    score_skew: float = 0.25

    def expecting(self, distance: float) -> CanaryLimits:
        """For a challenger of which it is known that its probabilities lie so far from the champion's, and rightly so."""
        return replace(self, score_skew=min(1.0, self.score_skew + distance))


@dataclass
class Tally:
    """What one deployment did while it shared the traffic; `latency` counts answered calls by BOUNDS.

    `scores` counts rows by the probability of each class, in SCORE_BINS from 0 to 1.
    """

    calls: int = 0
    errors: int = 0
    latency: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    labels: dict[str, int] = field(default_factory=dict)
    scores: dict[str, list[int]] = field(default_factory=dict)
    #: Fingerprints of different answers, VARIED at most: how varied the rows were. Empty where labels are all that there is.
    kinds: list[int] = field(default_factory=list)

    def answered(self, seconds: float, labels: list[str] | None, rows: int) -> None:
        self.calls += 1
        if rows <= LATENCY_ROWS:
            milliseconds = seconds * 1000
            self.latency[sum(milliseconds > bound for bound in BOUNDS)] += 1
        for label in labels or ():
            known = label in self.labels or len(self.labels) < MAX_LABELS
            key = label if known else "(others)"  # whatever a broken model answers, the counts stay small
            self.labels[key] = self.labels.get(key, 0) + 1

    def scored(self, classes: list[str], probabilities: list[list[float]]) -> None:
        """The probabilities of an answered call's rows. More classes than MAX_SCORED_CLASSES are passed over."""
        if len(classes) > MAX_SCORED_CLASSES or not self.scores.keys() <= set(classes):
            return
        for name, column in zip(classes, zip(*probabilities, strict=True), strict=True):
            counts = self.scores.setdefault(name, [0] * SCORE_BINS)
            for share in column:
                counts[min(int(share * SCORE_BINS), SCORE_BINS - 1)] += 1
        for row in probabilities:
            if len(self.kinds) >= VARIED:
                return
            self._seen(crc32(repr(row).encode()))

    def _seen(self, kind: int) -> None:
        if kind not in self.kinds and len(self.kinds) < VARIED:
            self.kinds.append(kind)

    def failed(self) -> None:
        self.calls += 1
        self.errors += 1

    def within(self, share: float) -> float | None:
        """Upper bound (ms) of the bucket in which that share of the answers is reached; twice the last bound for what lies
        beyond it, None where none was timed.
        """
        due, seen = share * sum(self.latency), 0
        for count, bound in zip(self.latency, (*BOUNDS, 2 * BOUNDS[-1]), strict=True):
            seen += count
            if due and seen >= due:
                return float(bound)
        return None

    def add(self, other: Tally) -> None:
        self.calls += other.calls
        self.errors += other.errors
        self.latency = [a + b for a, b in zip(self.latency, other.latency, strict=True)]
        for label, count in other.labels.items():
            self.labels[label] = self.labels.get(label, 0) + count
        for name, counts in other.scores.items():
            mine = self.scores.get(name, [0] * SCORE_BINS)
            self.scores[name] = [a + b for a, b in zip(mine, counts, strict=True)]
        for kind in other.kinds:
            self._seen(kind)


def breach(champion: Tally, challenger: Tally, limits: CanaryLimits) -> str | None:
    """Why the traffic must go back, as a clause; None while nothing speaks against the challenger."""
    return (
        _errors(champion, challenger, limits)
        or _latency(champion, challenger, limits)
        or _skew(champion, challenger, limits)
        or _score_skew(champion, challenger, limits)
    )


def _errors(champion: Tally, challenger: Tally, limits: CanaryLimits) -> str | None:
    if challenger.errors < MIN_ERRORS:
        return None
    usual = champion.errors / champion.calls if champion.calls else 0.0
    allowed = max(limits.error_rate, 2 * usual)
    if _least_share(challenger.errors, challenger.calls) <= allowed:
        return None
    return (
        f"{challenger.errors} of its {challenger.calls} calls failed; of the champion's "
        f"{champion.errors} of {champion.calls}"
    )


def _least_share(hits: int, n: int) -> float:
    """Lower end of Wilson's interval (Wilson 1927): the least true share that `hits` of `n` leave likely."""
    z, share = Z_ERRORS, hits / n
    center = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (center - spread) / (1 + z * z / n)


def _latency(champion: Tally, challenger: Tally, limits: CanaryLimits) -> str | None:
    if min(sum(champion.latency), sum(challenger.latency)) < MIN_CALLS:
        return None
    usual, slow = champion.within(0.95) or 0.0, challenger.within(0.95) or 0.0
    if slow <= max(LATENCY_FLOOR, limits.latency_factor * usual):
        return None
    return f"19 of 20 answers take it up to {slow:g} ms and the champion up to {usual:g} ms"


def _independent(champion: Tally, challenger: Tally) -> float:
    """Most rows that count as such on either side: the same few rows again and again, as of a monitor that calls each minute,
    tell no more than they do once. The side that answers them more variously tells how many they are.
    """
    kinds = max(len(champion.kinds), len(challenger.kinds))
    return kinds if 0 < kinds < VARIED else math.inf


def _skew(champion: Tally, challenger: Tally, limits: CanaryLimits) -> str | None:
    old, new = sum(champion.labels.values()), sum(challenger.labels.values())
    if min(old, new) < MIN_ROWS:
        return None
    most = _independent(champion, challenger)
    for label in sorted(champion.labels.keys() | challenger.labels.keys()):
        before, now = champion.labels.get(label, 0), challenger.labels.get(label, 0)
        difference = now / new - before / old
        pooled = (now + before) / (new + old)
        deviation = math.sqrt(pooled * (1 - pooled) * (1 / min(new, most) + 1 / min(old, most)))
        if abs(difference) > limits.skew and abs(difference) > Z_SKEW * deviation:
            return f"it gives {label!r} to {now / new:.0%} of the rows and the champion to {before / old:.0%}"
    return None


def _score_skew(champion: Tally, challenger: Tally, limits: CanaryLimits) -> str | None:
    """Chance is told by the largest distance of the two distributions, what matters by the mean one (Wasserstein's): scores
    that lie close together in one place may all move over a bin's edge.
    """
    most = _independent(champion, challenger)
    for name in sorted(champion.scores.keys() & challenger.scores.keys()):
        before, now = champion.scores[name], challenger.scores[name]
        old, new = sum(before), sum(now)
        if min(old, new) < MIN_ROWS:
            continue
        gaps = _gaps(before, now)
        mean = sum(gaps) / SCORE_BINS
        chance = KS_SKEW * math.sqrt(1 / min(old, most) + 1 / min(new, most))
        if mean > limits.score_skew and max(gaps) > chance:
            return (
                f"its probabilities of {name!r} lie {mean:.2f} from the champion's: {_mean(now):.2f} on average, and the "
                f"champion's {_mean(before):.2f}"
            )
    return None


def _gaps(before: list[int], now: list[int]) -> list[float]:
    old, new = sum(before), sum(now)
    return [abs(b / new - a / old) for a, b in zip(accumulate(before), accumulate(now), strict=True)]


def _mean(counts: list[int]) -> float:
    """Of what is counted in bins from 0 to 1."""
    return sum((at + 0.5) * rows for at, rows in enumerate(counts)) / SCORE_BINS / sum(counts)
