"""From which probability on the second of two classes is answered. Pure: pairs of truth and probability in, numbers out."""

from shared.domain.threshold.choosing import Chosen, best, chosen, one
from shared.domain.threshold.counts import Cost, Counts, Tradeoff, tradeoff
from shared.domain.threshold.curve import PLAIN, Curve, Graded, Point, first_half, points
from shared.domain.threshold.rule import Threshold, ThresholdRule

__all__ = [
    "PLAIN",
    "Chosen",
    "Cost",
    "Counts",
    "Curve",
    "Graded",
    "Point",
    "Threshold",
    "ThresholdRule",
    "Tradeoff",
    "best",
    "chosen",
    "first_half",
    "one",
    "points",
    "tradeoff",
]
