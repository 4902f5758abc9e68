"""The AutoML job as the emulator runs it: a process of its own that keeps its limits and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from scorer import load
from tests.support.automl_jobs import (
    REFERENCE,
    Finished,
    people,
    read_events,
    run_here,
    run_process,
    start_process,
    wait_for,
    write_data,
    write_spec,
)

QUICK = {"allowedTrainingAlgorithms": ["LightGBM", "LogisticRegression", "RandomForest"]}


def test_a_job_from_csv_to_scores(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", people(600))
    limits = {"timeout_s": 40, "max_trials": 5, "max_concurrent_trials": 2}
    job_dir = write_spec(tmp_path / "job", data, limits=limits, training=QUICK, cpus=2)
    done = run_process(job_dir)
    assert done.exit_code == 0, (job_dir / "log").read_text()
    assert done.events[-1]["type"] == "completed"
    assert done.algorithms == [
        "LightGBM",
        "LogisticRegression",
        "RandomForest",
        "VotingEnsemble",
        "StackEnsemble",
    ]
    assert all(t["status"] == "Completed" for t in done.trials.values())
    assert [t["id"] for t in done.trials.values()] == [f"job_{i}" for i in range(5)]
    _two_at_once(done)
    _artifacts_are_there(done)
    _the_best_is_explained(done)
    answer = load(done.model_dir, "compiled").predict(
        ["age", "income", "job", "member", "joined"],
        [[80, 3000.0, "pilot", True, "2021-01-01"], [20, 3000.0, "clerk", False, "2021-01-01"]],
    )
    assert answer == ["yes", "no"]
    assert not (job_dir / "work").exists()


def _two_at_once(done: Finished) -> None:
    first, second = done.trials[0], done.trials[1]
    assert second["start"] < first["end"]


def _artifacts_are_there(done: Finished) -> None:
    for iteration, trial in done.trials.items():
        folder = done.job_dir / "trials" / str(iteration)
        assert all((folder / name).is_file() for name in trial["artifacts"])
        assert {"confusion_matrix", "accuracy_table"} <= set(trial["artifacts"])
        assert {"outputs/mlflow-model/MLmodel", "outputs/mlflow-model/model.pkl", "outputs/model.pkl"} <= set(
            trial["artifacts"]
        )


def _the_best_is_explained(done: Finished) -> None:
    folder = done.job_dir / "trials" / str(done.best["iteration"])
    told = {}
    for explanation in (folder / "explanation").iterdir():
        assert len(explanation.name) == 8
        raw = json.loads((explanation / "rich_metadata.interpret.json").read_text())["is_raw"]
        told[raw] = json.loads((explanation / "global_names" / "0.interpret.json").read_text())
        values = json.loads((explanation / "global_values" / "0.interpret.json").read_text())
        assert values == sorted(values, reverse=True)
    assert set(told[True][:2]) == {"age", "job"}
    assert told[True][-1] in ("income", "joined")
    assert len(told[False]) >= len(told[True])


def test_metrics_have_the_services_names(tmp_path: Path) -> None:
    recorded = REFERENCE / "data" / "azure_automl_child_metrics.json"
    if not recorded.exists():
        pytest.skip(f"needs the reference material: {recorded} is absent (set DROPML_REFERENCE)")
    data = write_data(tmp_path / "data", people(200))
    training = {"allowedTrainingAlgorithms": ["LogisticRegression"]}
    done = run_here(write_spec(tmp_path / "job", data, training=training, n_cross_validations=2))
    names = set(next(iter(json.loads(recorded.read_text()).values())))
    assert set(done.best["metrics"]) == names


def _long_job(tmp_path: Path, **limits: Any) -> Path:
    """A job whose trials take far longer than the test."""
    data = write_data(tmp_path / "data", people(30_000))
    training = {"allowedTrainingAlgorithms": ["GradientBoosting"], "enableStackEnsemble": False}
    return write_spec(tmp_path / "job", data, limits={"timeout_s": 300, **limits}, training=training)


def _descendants(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def _gone(processes: list[psutil.Process]) -> bool:
    """Ended; a zombie that its new parent has yet to collect runs no more."""
    left = psutil.wait_procs(processes, timeout=20)[1]
    return all(p.status() == psutil.STATUS_ZOMBIE for p in left)


def test_sigterm_cancels_at_once_and_leaves_no_process(tmp_path: Path) -> None:
    job_dir = _long_job(tmp_path)
    process = start_process(job_dir)
    wait_for(job_dir, lambda e: e["type"] == "trial")
    children = _descendants(process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143
    assert _gone(children)
    assert read_events(job_dir)[-1]["status"] == "Canceled"


def test_a_killed_job_takes_its_workers_with_it(tmp_path: Path) -> None:
    job_dir = _long_job(tmp_path)
    process = start_process(job_dir)
    wait_for(job_dir, lambda e: e["type"] == "guardrails")
    children = _descendants(process)
    assert children
    process.kill()
    process.wait(10)
    assert _gone(children)


def test_a_crashing_trial_fails_alone(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", people(20_500))
    training = {"allowedTrainingAlgorithms": ["LogisticRegression", "GradientBoosting"]}
    limits = {"timeout_s": 40, "max_trials": 2}
    job_dir = write_spec(tmp_path / "job", data, limits=limits, training=training, target="y")
    process = start_process(job_dir)
    wait_for(job_dir, lambda e: e["type"] == "trial" and e["iteration"] == 1)
    _kill_the_worker(process)
    assert process.wait(60) == 0
    done = Finished(job_dir, 0, read_events(job_dir))
    assert done.trials[1]["status"] == "Failed"
    assert done.trials[1]["error"] == "The trial's process died (signal 9)."
    assert done.best["algorithm"] == "LogisticRegression"


def _kill_the_worker(process: subprocess.Popen[bytes]) -> None:
    """The deepest descendant is the trial: the fork server's child."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for child in psutil.Process(process.pid).children():
            for worker in child.children():
                os.kill(worker.pid, signal.SIGKILL)
                return
        time.sleep(0.02)
    raise AssertionError("no worker seen")


def test_a_trial_keeps_its_own_time_limit(tmp_path: Path) -> None:
    job_dir = _long_job(tmp_path, trial_timeout_s=2, max_trials=1)
    done = run_process(job_dir)
    trial = done.trials[0]
    assert trial["end"] - trial["start"] < 60  # two seconds, and the fork server's imports; the job has 300
    assert done.exit_code in (0, 1)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"task": "Forecasting"}, "Task type 'Forecasting' is not supported here"),
        ({"target": ""}, "names no target column"),
        ({"primary_metric": "Beauty"}, "Primary metric 'Beauty' is none of"),
        (
            {
                "training": {
                    "blockedTrainingAlgorithms": ["LightGBM"],
                    "allowedTrainingAlgorithms": ["LightGBM"],
                }
            },
            "blocked",
        ),
        ({"training_data": "/nowhere"}, "holds no file named MLTable"),
        ({"n_cross_validations": 1}, "must be 2 or more"),
        ({"validation_size": 1.5}, "between 0 and 1"),
        ({"properties": {"_emulator.seed": "lucky"}}, "must be a whole number"),
        ({"weight_column": "weight"}, "weight column 'weight' is not in the data"),
    ],
)
def test_a_wrong_setting_fails_with_a_sentence(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    data = write_data(tmp_path / "data", people(60))
    done = run_here(write_spec(tmp_path / "job", data, **change))
    assert done.exit_code == 1
    assert sentence in done.failure
