"""A threshold through the endpoint, the last part of `make bench-automl` (about 5 minutes; `--quick` about 2).

On the bank-marketing data: four fifths are dropped into a stack of its own with `threshold: {maximise: f1}` and without
weights, and go the whole way to `live`. The last fifth, which nothing has seen, is scored by the endpoint itself with its
own key: its labels are by the threshold that the gate chose, the more probable class is by its probabilities.
Prints one line a figure, and writes benchmarks/results/threshold.json.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import requests

from benchmarks import machine
from benchmarks.automl import LABEL
from benchmarks.automl_report import spread
from benchmarks.automl_runs import Split, data_file, make_split, scores
from benchmarks.bench import stack_targets
from benchmarks.figure import Figure
from tests.support.live_stack import LiveStack, live_stack

RESULTS = Path(__file__).parent / "results" / "threshold.json"
SPLITS, SECONDS, CHUNK = 3, 60.0, 500
#: Beyond the training's own limit, so much for everything else (seconds).
ALLOWANCE = 300.0


@dataclass
class Outcome:
    """Scores on the rows that nothing has seen, by the endpoint's own labels and by the more probable class."""

    threshold: dict[str, float]
    plain: dict[str, float]
    #: What the run says of its threshold.
    told: dict[str, Any]


def through_the_endpoint(live: LiveStack, split: Split, name: str, seconds: float) -> Outcome:
    """Drop, wait, score. Raises RuntimeError where the run doesn't end as live."""
    said = {"dropml_threshold": "maximise f1", "dropml_imbalance": "off", "dropml_label": split.label}
    minutes = {"dropml_timeout_minutes": f"{seconds / 60:g}"}
    live.drop(f"{name}.csv", split.train.read_bytes(), metadata=said | minutes)
    run = live.wait(name, seconds=seconds + ALLOWANCE)
    if run["state"] != "live":
        raise RuntimeError(f"{name} ended as {run['state']}: {run['problem'] or run['gate']}")
    columns = [column["name"] for column in run["snapshot"]["schema"]["columns"]]
    answers = list(_answers(live, split, name, columns))
    result = np.array([label for answer in answers for label in answer["result"]])
    shares = np.array([row[1] for answer in answers for row in answer["probabilities"]])
    second = answers[0]["classes"][1]
    truth = split.truth()
    return Outcome(
        scores(truth, shares, (result == second).astype(int)),
        scores(truth, shares, (shares > 0.5).astype(int)),
        run["threshold"],
    )


def _answers(live: LiveStack, split: Split, name: str, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Of the endpoint itself: past the proxy, so that the deployment's own threshold decides."""
    endpoint = stack_targets(live.running.home, name)["endpoint"]
    frame = pd.read_csv(split.test)[columns]
    for at in range(0, len(frame), CHUNK):
        part = json.loads(frame[at : at + CHUNK].to_json(orient="split"))
        headers = {**endpoint.headers, "Content-Type": "application/json"}
        answer = requests.post(endpoint.url, json={"input_data": part}, headers=headers, timeout=60)
        answer.raise_for_status()
        yield answer.json()


def figures(found: list[Outcome]) -> list[Figure]:
    """Means over the splits."""
    by = [outcome.threshold for outcome in found]
    plain = spread([outcome.plain["f1"] for outcome in found])
    f1, accuracy = (spread([one[name] for one in by]) for name in ("f1", "accuracy"))
    told = spread([outcome.told["reported_on"]["f1"] for outcome in found])
    note = f"± {f1['sd']:.4f}; the more probable class {plain['mean']:.4f}; told by the holdout {told['mean']:.4f}"
    return [
        Figure("endpoint_threshold_f1", f1["mean"], 0.66, note=note),
        Figure("endpoint_threshold_accuracy", accuracy["mean"], 0.90),
    ]


def measure(splits: int, seconds: float, folder: Path) -> list[Outcome]:
    """One stack, a dataset a split."""
    data = data_file()
    made = [make_split(data, LABEL, 0.2, 300 + i, folder / f"split{i}") for i in range(splits)]
    found = []
    with live_stack(folder / "stack", budget=seconds) as live:
        for i, split in enumerate(made):
            outcome = through_the_endpoint(live, split, f"bank{i}", seconds)
            found.append(outcome)
            print(
                f"split {i + 1}: threshold {outcome.told['value']:g}, F1 {outcome.threshold['f1']:.4f} at accuracy "
                f"{outcome.threshold['accuracy']:.4f}; plain {outcome.plain['f1']:.4f} at {outcome.plain['accuracy']:.4f}",
                flush=True,
            )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.threshold", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one split of 30 s")
    parser.add_argument("--splits", type=int, default=SPLITS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="each training's limit")
    options = parser.parse_args()
    if options.quick:
        options.splits, options.seconds = 1, 30.0
    try:
        with tempfile.TemporaryDirectory() as name:
            found = measure(options.splits, options.seconds, Path(name))
    except FileNotFoundError as error:
        print(f"bench-automl: {error}")
        return 1
    lines = figures(found)
    RESULTS.parent.mkdir(exist_ok=True)
    report = {
        "machine": machine.facts("scikit-learn", "lightgbm", "numpy", "pandas"),
        "plan": {"splits": options.splits, "seconds": options.seconds, "cores": os.cpu_count()},
        "figures": [figure.to_dict() for figure in lines],
        "outcomes": [vars(outcome) for outcome in found],
    }
    RESULTS.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(*(figure.line() for figure in lines), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
