"""One run of the engine, or of a library beside it, on one split: the same files, cores and seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from benchmarks.automl_venvs import python_of

ROOT = Path(__file__).resolve().parent.parent
CORES = 2
SEED = 7


@dataclass
class Run:
    """`scores`: AUC, accuracy, F1 and balanced accuracy on the test rows. `wall_s`: ours from process start to exit."""

    wall_s: float
    scores: dict[str, float]
    best: str
    trials: int = 0
    first_trial_s: float = 0.0
    after_last_trial_s: float = 0.0
    model_dir: str = ""


@dataclass(frozen=True)
class Split:
    """Files of one stratified split of the data."""

    folder: Path
    label: str

    @property
    def train(self) -> Path:
        return self.folder / "train.csv"

    @property
    def test(self) -> Path:
        return self.folder / "test.csv"

    def truth(self) -> np.ndarray:
        """1 where the label is the second one in order."""
        labels = pd.read_csv(self.test, usecols=[self.label])[self.label]
        return np.asarray(labels == sorted(labels.unique())[1], dtype=int)


def data_file() -> Path:
    folder = Path(os.environ.get("DROPML_REFERENCE", ROOT.parent / "shared"))
    path = folder / "data" / "bankmarketing_train.csv"
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is absent: set DROPML_REFERENCE to the folder with the reference material."
        )
    return path


def make_split(data: Path, label: str, test_share: float, seed: int, folder: Path) -> Split:
    from sklearn.model_selection import train_test_split

    folder.mkdir(parents=True, exist_ok=True)
    frame = pd.read_csv(data)
    train, test = train_test_split(frame, test_size=test_share, random_state=seed, stratify=frame[label])
    train.to_csv(folder / "train.csv", index=False)
    test.to_csv(folder / "test.csv", index=False)
    return Split(folder, label)


def scores(truth: np.ndarray, proba: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    from sklearn import metrics

    return {
        "auc": float(metrics.roc_auc_score(truth, proba)),
        "accuracy": float(metrics.accuracy_score(truth, predicted)),
        "f1": float(metrics.f1_score(truth, predicted)),
        "balanced_accuracy": float(metrics.balanced_accuracy_score(truth, predicted)),
    }


def run_library(name: str, split: Split, seconds: float) -> Run:
    """FLAML or AutoGluon, in its own environment. Its fit alone is timed, not its imports."""
    out = split.folder / f"{name}.json"
    script = Path(__file__).parent / "contenders" / f"{name}_fit.py"
    command = [str(python_of(name)), str(script), str(split.train), str(split.test), split.label]
    command += [str(seconds), str(CORES), str(SEED), str(out)]
    with (split.folder / f"{name}.log").open("w") as log:
        subprocess.run(
            command, check=True, stdout=log, stderr=log, timeout=seconds * 4 + 300, preexec_fn=_pin
        )
    answer = json.loads(out.read_text())
    proba = np.array(answer["proba"])
    return Run(answer["wall_s"], scores(split.truth(), proba, (proba >= 0.5).astype(int)), answer["best"])


def run_engine(
    split: Split, seconds: float, *, threshold: bool = False, weighted: bool = False, to_the_end: bool = False
) -> Run:
    """The engine as the emulator runs it, `seconds` being the job's whole timeout.

    `to_the_end` switches early termination off, so that only the timeout ends the search.
    """
    job_dir = split.folder / f"job-{seconds:g}-{threshold:d}{weighted:d}{to_the_end:d}"
    job_dir.mkdir()
    data = _training_data(split, job_dir / "data", weighted)
    spec = {
        "job": "bench",
        "task": "Classification",
        "target": split.label,
        "training_data": str(data),
        "primary_metric": "AUCWeighted",
        "weight_column": "row_weight" if weighted else None,
        "limits": {
            "timeout_s": seconds,
            "max_trials": 1000,
            "max_concurrent_trials": CORES,
            "enable_early_termination": not to_the_end,
        },
        "properties": {"_emulator.decision_threshold": "true"} if threshold else {},
        "cpus": CORES,
        "memory_mb": 4096,
    }
    (job_dir / "spec.json").write_text(json.dumps(spec))
    command = [sys.executable, "-m", "dropml.azureml.automl", "--job", str(job_dir)]
    start = time.time()
    with (job_dir / "log").open("w") as log:
        subprocess.run(
            command, check=True, cwd=ROOT, stdout=log, stderr=log, timeout=seconds * 2 + 60, preexec_fn=_pin
        )
    return _engine_result(split, job_dir, start, time.time() - start)


def _pin() -> None:
    """The run's processes share the same cores, whoever they are."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


def _training_data(split: Split, folder: Path, weighted: bool) -> Path:
    folder.mkdir()
    frame = pd.read_csv(split.train)
    if weighted:
        shares = frame[split.label].value_counts(normalize=True)
        frame["row_weight"] = 1 / (len(shares) * frame[split.label].map(shares))
    frame.to_csv(folder / "data.csv", index=False)
    read = {"delimiter": ",", "encoding": "utf8", "header": "all_files_same_headers"}
    document = {"paths": [{"file": "./data.csv"}], "transformations": [{"read_delimited": read}]}
    (folder / "MLTable").write_text(yaml.safe_dump(document))
    return folder


def _engine_result(split: Split, job_dir: Path, start: float, wall: float) -> Run:
    events = [json.loads(line) for line in (job_dir / "events.jsonl").read_text().splitlines()]
    trials = {e["iteration"]: e for e in events if e["type"] == "trial"}
    best = next(t for t in trials.values() if t["id"] == events[-1]["best"])
    model_dir = job_dir / "trials" / str(best["iteration"]) / "outputs" / "mlflow-model"
    first = next(e for e in events if e["type"] == "trial")
    last_end = max(t["end"] for t in trials.values())
    return Run(
        wall_s=wall,
        scores=_score_model(model_dir, split),
        best=best["algorithm"],
        trials=len(trials),
        first_trial_s=first["time"] - start,
        after_last_trial_s=start + wall - last_end,
        model_dir=str(model_dir),
    )


def _score_model(model_dir: Path, split: Split) -> dict[str, float]:
    """The saved model in its serving form on the test rows: labels as served, at whatever threshold it holds."""
    scorer, columns, rows = serving_form(model_dir, split)
    proba = np.array(scorer.predict_proba(columns, rows))[:, 1]
    labels = np.array(scorer.predict(columns, rows), dtype=object)
    predicted = (labels == scorer.labels[1]).astype(int)
    found = scores(split.truth(), proba, predicted)
    plain = scores(split.truth(), proba, (proba >= 0.5).astype(int))
    return {**found, **{f"{name}_at_half": value for name, value in plain.items()}}


def serving_form(model_dir: Path, split: Split) -> tuple[Any, list[str], list[list[Any]]]:
    """The compiled scorer (the reference one if there is none), and the test rows as a request would hold them."""
    from scorer import CompiledFormError, load

    try:
        scorer: Any = load(model_dir, "compiled")
    except CompiledFormError:
        scorer = load(model_dir, "reference")
    frame = pd.read_csv(split.test)[scorer.columns]
    return scorer, scorer.columns, [list(row) for row in frame.astype(object).itertuples(index=False)]
