"""One model alone on labelled rows: what it reaches, and whether that is a collapse of what it was."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared.domain.gate.earlier import collapse, known_of
from shared.domain.gate.judging import Seen, Terms, measured
from shared.domain.gate.spans import Span


@dataclass(frozen=True)
class Alone:
    """`span` is the value of `metric` with its interval. `suspicious` says why the rows' labels are in doubt."""

    metric: str
    span: Span
    rows: int
    note: str | None = None
    suspicious: str | None = None


def judge_alone(seen: Seen, terms: Terms) -> Alone:
    """`seen.challenger` is the model; `terms.champion` its own verdict, which says what it reached before.

    Little evidence makes nothing suspicious. Raises ValueError where an answer is no number and should be.
    """
    found, note = measured(seen, terms)
    if found.nothing:
        return Alone(found.metric, Span(0.0, 0.0, 0.0), found.rows, found.nothing)
    doubt = collapse(replace(found, champion_guess=found.guess), known_of(terms.champion), terms.config)
    notes = [f"{found.metric} of the labels: the model answers no probabilities"] if note else []
    notes += [f"little evidence: {found.shortage}"] if found.shortage else []
    span = found.span or Span(found.challenger, found.challenger, found.challenger)
    return Alone(found.metric, span, found.rows, "; ".join(notes) or None, doubt)
