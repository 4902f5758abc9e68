"""May the challenger replace the champion? Pure statistics over the holdout rows that both answered."""

from shared.domain.gate.alone import Alone, judge_alone
from shared.domain.gate.classification import judge, judge_first
from shared.domain.gate.judging import Seen, Terms, judge_answers
from shared.domain.gate.known_rows import KnownRows, newest
from shared.domain.gate.latency import Calls, LatencyLimits
from shared.domain.gate.regression import judge_regression
from shared.domain.gate.sample import Draw, draw
from shared.domain.gate.verdict import ClassRecall, GateConfig, Verdict

__all__ = [
    "Alone",
    "Calls",
    "ClassRecall",
    "Draw",
    "GateConfig",
    "KnownRows",
    "LatencyLimits",
    "Seen",
    "Terms",
    "Verdict",
    "draw",
    "judge",
    "judge_alone",
    "judge_answers",
    "judge_first",
    "judge_regression",
    "newest",
]
