"""How often the gate notices a challenger that is truly worse: `python -m benchmarks.gate_power` (about two minutes).

On the bank-marketing data: a third of the rows trains models, the others are all the world. The challenger ranks that world
worse by exactly 0.005 AUC (a model of other rows, mixed with one of few); an equal one ranks it as well, and makes other
mistakes; both spread their probabilities as the champion does. Holdouts are drawn from the world with replacement, and the
gate judges each twice: by the probabilities, and by the labels alone. Labels refuse more equal challengers as well, so what
tells is how much more often the worse one is refused than the equal one. Prints `figure NAME VALUE TARGET ok|short`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.automl_runs import data_file
from benchmarks.figure import Figure
from shared.domain.answers import Answers
from shared.domain.gate import GateConfig, Seen, Terms, judge_answers

LABEL, WORSE = "y", 0.005
#: A tenth of the file, and as many rows as the gate scores at most; how often the worse one is to be found out there.
HOLDOUTS = {3300: 0.4, 10_000: 0.85}
Scores = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class World:
    """Rows that no model was fitted on: whether each is the rare class, and each model's probability of that."""

    truth: Scores
    champion: Scores
    worse: Scores
    equal: Scores


def auc(truth: Scores, scores: Scores) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, scores))


def world(path: Path) -> World:
    from lightgbm import LGBMClassifier
    from sklearn.model_selection import train_test_split

    frame = pd.read_csv(path)
    truth = np.asarray(frame[LABEL] == sorted(frame[LABEL].unique())[1], dtype=float)
    features = frame.drop(columns=LABEL)
    for name in features.select_dtypes(exclude="number"):
        features[name] = features[name].astype("category")
    known, rest, y, out = train_test_split(features, truth, train_size=1 / 3, random_state=1, stratify=truth)

    def scores(part: slice, seed: int) -> Scores:
        model = LGBMClassifier(
            n_estimators=80, learning_rate=0.06, num_leaves=15, subsample=0.7, subsample_freq=1,
            colsample_bytree=0.7, random_state=seed, verbose=-1, n_jobs=2,
        )  # fmt: skip
        return np.asarray(model.fit(known.iloc[part], y[part]).predict_proba(rest))[:, 1]

    half = len(y) // 2
    one, other = sorted(
        (scores(slice(0, half), 1), scores(slice(half, None), 2)), key=lambda found: auc(out, found)
    )
    weak = scores(slice(half, half + 200), 3)
    made = [mixed(out, other, weak, auc(out, one) - less) for less in (WORSE, 0.0)]
    return World(out, one, *(spread_as(one, found) for found in made))


def mixed(truth: Scores, good: Scores, weak: Scores, target: float) -> Scores:
    """As much of the weak model in the good one as brings its AUC to the target."""
    low, high = 0.0, 1.0
    for _ in range(40):
        share = (low + high) / 2
        low, high = (share, high) if auc(truth, (1 - share) * good + share * weak) > target else (low, share)
    return (1 - low) * good + low * weak


def spread_as(model: Scores, found: Scores) -> Scores:
    """The same order with the model's own probabilities: as many rows get each label."""
    made = np.empty_like(model)
    made[np.argsort(found, kind="stable")] = np.sort(model)
    return made


def rejected(all_rows: World, challenger: Scores, rows: int, repeats: int) -> tuple[float, float]:
    """The share of holdouts on which the challenger is refused: by probabilities, and by labels."""
    rng, counts = np.random.default_rng(7), [0, 0]
    for number in range(repeats):
        drawn = rng.integers(0, len(all_rows.truth), rows)
        truth = ["yes" if true else "no" for true in all_rows.truth[drawn]]
        for at, form in enumerate((with_probabilities, labels_alone)):
            seen = Seen(truth, form(challenger[drawn]), form(all_rows.champion[drawn]))
            terms = Terms(GateConfig(), ("no", "yes"), "AUC_weighted", str(number))
            counts[at] += judge_answers(seen, terms).decision == "reject"
    return counts[0] / repeats, counts[1] / repeats


def with_probabilities(yes: Scores) -> Answers:
    shares: list[float] = yes.tolist()
    return Answers(labels_alone(yes).result, [[1 - share, share] for share in shares], ["no", "yes"])


def labels_alone(yes: Scores) -> Answers:
    return Answers(["yes" if share >= 0.5 else "no" for share in yes.tolist()])


def figures(path: Path, repeats: int = 200, say: Callable[[str], None] = print) -> list[Figure]:
    found = world(path)
    best = auc(found.truth, found.champion)
    say(
        f"champion {best:.5f}, worse {auc(found.truth, found.worse):.5f}, equal {auc(found.truth, found.equal):.5f} AUC "
        f"over {len(found.truth)} rows"
    )
    made = []
    for rows, target in HOLDOUTS.items():
        worse, worse_labels = rejected(found, found.worse, rows, repeats)
        equal, equal_labels = rejected(found, found.equal, rows, repeats)
        note = f"of {repeats} holdouts of {rows} rows, {WORSE} AUC worse; by labels {worse_labels:g}"
        told, told_labels = worse - equal, worse_labels - equal_labels
        made += [
            Figure(f"gate_power_{rows}", worse, target, note=note),
            Figure(
                f"gate_false_{rows}",
                equal,
                0.1,
                at_least=False,
                note=f"equal AUC; by labels {equal_labels:g}",
            ),
            Figure(
                f"gate_told_apart_{rows}",
                told,
                told_labels,
                note="power - false; the target is what labels reach",
            ),
        ]
    return made


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate_power", description=__doc__)
    parser.add_argument("--repeats", type=int, default=200, help="holdouts of each size (default 200)")
    options = parser.parse_args()
    try:
        found = figures(data_file(), options.repeats)
    except FileNotFoundError as error:
        print(f"gate_power: {error}")
        return 1
    print(*(figure.line() for figure in found), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
