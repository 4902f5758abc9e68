"""The rules, in the order in which they speak: what is against a challenger, then what the setting says to little evidence."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite

from shared.domain.gate.spans import Span
from shared.domain.gate.verdict import ClassRecall, Decision, Evidence, GateConfig, Verdict

#: Fewer holdout rows of a class than this say little.
MIN_CLASS_ROWS = 30
#: Differences below this are rounding.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Guess:
    """What a model reaches in `metric` with its 95 % interval, and what guessing reaches."""

    metric: str
    value: float
    low: float
    guessing: float
    high: float = inf


@dataclass(frozen=True)
class Comparison:
    """The champion's value of the gate's metric, and challenger - champion with its 95 % interval."""

    champion: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """All that was measured. `shortage` says what there is too little of; None where the evidence is enough.

    `guess` is None where guessing can't be told from knowing: the holdout has one class. `nothing` says why there is nothing to
    measure at all.
    """

    metric: str
    challenger: float
    guess: Guess | None
    rows: int
    smallest_class: int
    against: Comparison | None = None
    per_class: tuple[ClassRecall, ...] = ()
    lost: str | None = None
    shortage: str | None = None
    nothing: str | None = None
    champion_guess: Guess | None = None
    #: Calibration errors of challenger and champion.
    calibration: tuple[float | None, float | None] = (None, None)
    #: `challenger` with its own interval; told where there is no champion.
    span: Span | None = None


def decide(found: Measured, config: GateConfig) -> Verdict:
    """Promote or reject. What is measured against a challenger counts however few rows there are."""
    if found.nothing:
        return _no_evidence(found, found.nothing, config)
    evidence: Evidence = "little" if found.shortage else "enough"
    objection = _first_objection(found, config) if found.against is None else _objection(found, config)
    decision: Decision = "reject" if objection else "promote"
    reason = objection or _praise(found, config)
    if found.shortage and not objection:
        decision = config.insufficient_evidence
        reason = f"{_shortage(found.shortage, config)}; {reason}"
    if found.against is None:
        reason = f"no champion yet; {reason}"
    return _verdict(found, config, decision, reason, evidence)


def _no_evidence(found: Measured, why: str, config: GateConfig) -> Verdict:
    """Nothing can be measured: the setting decides, and the reason says so."""
    return Verdict(
        config.insufficient_evidence,
        _shortage(why, config),
        found.metric,
        found.challenger,
        margin=config.margin,
        rows=found.rows,
        smallest_class=found.rows,
        policy=config.policy,
        evidence="none",
    )


def _shortage(why: str, config: GateConfig) -> str:
    return f"insufficient evidence ({why}; the setting says {config.insufficient_evidence})"


def _guessing(found: Measured) -> str | None:
    guess = found.guess
    if guess is None:
        return None
    if guess.value <= guess.guessing + ROUNDING:
        return f"no better than guessing: {guess.metric} {guess.value:.4f}, and guessing reaches {guess.guessing:.4f}"
    if not found.shortage and guess.low <= guess.guessing + ROUNDING:
        return (
            f"not better than guessing beyond chance: {guess.metric} {guess.value:.4f} may be as low as "
            f"{guess.low:.4f}, and guessing reaches {guess.guessing:.4f}"
        )
    return None


def _first_objection(found: Measured, config: GateConfig) -> str | None:
    guessing = _guessing(found)
    if guessing is None and found.challenger <= config.floor:
        return f"{found.metric} {found.challenger:.4f} is not above the floor {config.floor:.4f}"
    return guessing


def _objection(found: Measured, config: GateConfig) -> str | None:
    against = found.against
    if against is None:
        return None
    numbers = f"{found.metric} {found.challenger:.4f} against {against.champion:.4f}"
    if against.high < 0:
        return f"proven worse: {numbers}"
    if against.difference < -config.margin - ROUNDING:
        return f"worse by more than the margin {config.margin:g}: {numbers}"
    if found.lost:
        return found.lost
    guessing = _guessing(found)
    if guessing is None and config.policy == "better" and against.low <= 0:
        return f"not proven better, as gate.policy asks: {numbers}"
    return guessing


def _praise(found: Measured, config: GateConfig) -> str:
    against, guess = found.against, found.guess
    if against is None:
        own = f"{found.metric} {found.challenger:.4f}"
        if guess is None:
            return own
        beats = f"{guess.metric} {guess.value:.4f} beats guessing ({guess.guessing:.4f})"
        return beats if guess.metric == found.metric else f"{own}; {beats}"
    numbers = f"{found.metric} {found.challenger:.4f} against {against.champion:.4f}"
    if against.low > 0:
        return f"better: {numbers}"
    return f"not worse within the margin {config.margin:g}: {numbers}"


def _verdict(
    found: Measured, config: GateConfig, decision: Decision, reason: str, evidence: Evidence
) -> Verdict:
    against, guess = found.against, found.guess
    return Verdict(
        decision,
        reason,
        found.metric,
        round(found.challenger, 6),
        round(against.champion, 6) if against else None,
        round(against.difference, 6) if against else None,
        round(against.low, 6) if against else None,
        round(against.high, 6) if against else None,
        config.margin,
        found.rows,
        found.smallest_class,
        config.policy,
        evidence,
        config.floor if against is None else None,
        guess.metric if guess else None,
        round(guess.guessing, 6) if guess else None,
        round(guess.low, 6) if guess else None,
        found.per_class,
        calibration_error=_rounded(found.calibration[0]),
        champion_calibration_error=_rounded(found.calibration[1]),
        champion_guess=_rounded(found.champion_guess.value if found.champion_guess else None),
        champion_guess_low=_rounded(found.champion_guess.low if found.champion_guess else None),
        guess=_rounded(guess.value if guess else None),
        guess_high=_rounded(guess.high if guess and isfinite(guess.high) else None),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
