"""What a deployment answers to rows, and how answers to parts of them become one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Answers:
    """One `result` a row, in the model's own words (`shared.domain.labels.label_text`).

    Deployments of a scoring script answer a probability per class, too: `probabilities[row][i]` is that of `classes[i]`.
    Both are None where a deployment has none, as no-code ones and regressions do. `seconds` is how long it took.
    """

    result: list[str]
    probabilities: list[list[float]] | None = None
    classes: list[str] | None = None
    seconds: float = 0.0


def joined(parts: Sequence[Answers]) -> Answers:
    """Answers to parts of the rows, in their order. Probabilities only where every part has them, of the same classes."""
    first = parts[0].classes if parts else None
    whole = first is not None and all(p.probabilities is not None and p.classes == first for p in parts)
    return Answers(
        [label for part in parts for label in part.result],
        [row for part in parts for row in part.probabilities or ()] if whole else None,
        first if whole else None,
        sum(part.seconds for part in parts),
    )
