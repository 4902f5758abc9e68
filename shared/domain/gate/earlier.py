"""What the holdout of the champion's own file says: of a challenger learnt from a worse one, and of the new file itself.

A file whose labels are wrong has a holdout whose labels are wrong: a model that has learnt the fault looks good there, and the
champion bad. The champion's own holdout doesn't share the fault. No row of it was trained on by either: which rows are held out
is told by their hash under a rule that a dataset keeps, so a row held out once is held out in every file that has it.
"""

from __future__ import annotations

from shared.domain.gate.rules import ROUNDING, Guess, Measured
from shared.domain.gate.spans import Span, apart
from shared.domain.gate.verdict import GateConfig, Verdict

LABELS_IN_DOUBT = "the labels of the new file may be wrong, or mean something else than they did"


def worse_before(earlier: Measured | None, config: GateConfig) -> str | None:
    """Why the challenger is too much worse than the champion there; None where it isn't proven."""
    if earlier is None or earlier.against is None or not _proven_worse(earlier, config):
        return None
    return (
        f"proven worse on the holdout of the champion's own file, by more than the margin {config.earlier_margin:g}: "
        f"{earlier.metric} {earlier.challenger:.4f} against {earlier.against.champion:.4f}"
    )


def _proven_worse(earlier: Measured, config: GateConfig) -> bool:
    against = earlier.against
    return against is not None and against.high < 0 and against.difference < -config.earlier_margin - ROUNDING


def suspicion(new: Measured, earlier: Measured | None, known: Guess | None, config: GateConfig) -> str | None:
    """Why the new file's labels are in doubt; None where nothing says so.

    `known` is what the champion's own verdict says of it, where its holdout can't be scored any more.
    """
    before = earlier.champion_guess if earlier and not earlier.shortage else known
    collapsed = collapse(new, before, config)
    if collapsed:
        return collapsed
    better = new.against is not None and new.against.low > 0 and not new.shortage
    if better and earlier and earlier.against and new.against and _proven_worse(earlier, config):
        return (
            f"the new model is better than the champion on the new file's rows ({new.metric} {new.challenger:.4f} against "
            f"{new.against.champion:.4f}) and worse on those of the champion's own file ({earlier.challenger:.4f} against "
            f"{earlier.against.champion:.4f}): {LABELS_IN_DOUBT}"
        )
    return None


def collapse(new: Measured, before: Guess | None, config: GateConfig) -> str | None:
    """The champion, which beat guessing, doesn't any more, or has lost too much of its lead; each beyond chance."""
    now = new.champion_guess
    if now is None or before is None or new.shortage or now.metric != before.metric:
        return None
    if before.low <= before.guessing:
        return None
    fallen = apart(_lead(now), _lead(before))
    if fallen.high >= 0:
        return None
    here, reached = f"on the new file's {new.rows} holdout rows", f"{now.metric} {now.value:.4f}"
    if now.low <= now.guessing:
        told = f"no better than guessing {here} ({reached})"
    elif -fallen.value > config.collapse * (before.value - before.guessing):
        told = f"only {reached} {here}"
    else:
        return None
    return f"the champion reaches {told} and {before.value:.4f} on those of its own file: {LABELS_IN_DOUBT}"


def _lead(guess: Guess) -> Span:
    return Span(guess.value - guess.guessing, guess.low - guess.guessing, guess.high - guess.guessing)


def known_of(verdict: Verdict | None) -> Guess | None:
    """What a champion's own verdict says of how it beat guessing.

    Earlier releases kept the lower bound alone: that much is certain.
    """
    if verdict is None or verdict.evidence != "enough" or verdict.guess_metric is None:
        return None
    low = verdict.guess_low
    if low is None or verdict.guessing is None:
        return None
    if verdict.guess is None or verdict.guess_high is None:
        return Guess(verdict.guess_metric, low, low, verdict.guessing, low)
    return Guess(verdict.guess_metric, verdict.guess, low, verdict.guessing, verdict.guess_high)
