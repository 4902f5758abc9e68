"""May the challenger replace the champion? Pure statistics over the holdout rows that both answered."""

from shared.domain.gate.classification import judge, judge_first
from shared.domain.gate.regression import judge_regression
from shared.domain.gate.sample import draw
from shared.domain.gate.verdict import ClassRecall, GateConfig, Verdict

__all__ = ["ClassRecall", "GateConfig", "Verdict", "draw", "judge", "judge_first", "judge_regression"]
