"""The emulator is killed or stopped in the middle of things; what it tells afterwards is true."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.emulator_support import (
    STANDIN,
    Emulator,
    automl,
    emulator,
    eventually,
    table,
    upload_table,
)

URI = "azureml://datastores/data/paths/bank/train"
SECONDS = 0.15
TRIALS = 6


@pytest.fixture(scope="module")
def storage(azurite: str) -> str:
    upload_table(azurite, "emulator-restart", "bank/train")
    return azurite


@pytest.fixture
def running(tmp_path: Path, storage: str) -> Iterator[Emulator]:
    options = [
        "--automl-command",
        STANDIN,
        "--datastore",
        "data=emulator-restart",
        "--operation-seconds",
        "0.2",
    ]
    with emulator(tmp_path, storage, *options) as found:
        yield found


def submit(running: Emulator, name: str, **orders: Any) -> None:
    orders = {"trials": TRIALS, "seconds": SECONDS} | orders
    body = automl(URI, properties={f"_standin.{k}": str(v) for k, v in orders.items()})
    assert running.arm("PUT", f"/jobs/{name}", body).status_code == 201


def job_process(running: Emulator, name: str) -> Any:
    return next((p for p in running.processes() if str(running.folder / "jobs" / name) in p.cmdline()), None)


@pytest.mark.slow
def test_killed_at_random_points_a_job_still_comes_to_its_true_end(running: Emulator) -> None:
    """The engine's process lives on; each new emulator finds it, its trials and its result, and starts no second."""
    points = random.Random(7)
    for round_ in range(4):
        name = f"job-{round_}"
        submit(running, name)
        for _ in range(2):
            time.sleep(points.uniform(0, TRIALS * SECONDS))
            running.kill()
            time.sleep(points.uniform(0, 0.3))
            running.start(running.port)
        assert running.wait_job(name) == "Completed"
        children = running.history(f"runs/{name}/children")["value"]
        assert [c["status"] for c in children] == ["Completed"] * TRIALS
        assert (
            running.properties(f"/jobs/{name}")["tags"]["automl_best_child_run_id"] == f"{name}_{TRIALS - 1}"
        )
        events = (running.folder / "jobs" / name / "events.jsonl").read_text()
        assert events.count('"status": "Running"') == TRIALS, "the job was started twice"
        assert job_process(running, name) is None


def test_a_real_training_survives_the_kills_of_the_emulator(tmp_path: Path, storage: str) -> None:
    """The same with the engine itself: it trains on, and what it made can be used afterwards."""
    upload_table(storage, "emulator-restart", "bank/large", table(6000))
    with emulator(tmp_path, storage, "--datastore", "data=emulator-restart") as running:
        limits = {"timeout": "PT30S", "trialTimeout": "PT10S", "maxTrials": 8}
        body = automl("azureml://datastores/data/paths/bank/large", limits=limits)
        assert running.arm("PUT", "/jobs/real-1", body).status_code == 201
        points = random.Random(11)
        for _ in range(3):
            time.sleep(points.uniform(0.2, 3.0))
            running.kill()
            time.sleep(points.uniform(0, 0.5))
            running.start(running.port)
        assert running.wait_job("real-1") == "Completed"
        children = running.history("runs/real-1/children")["value"]
        assert {c["status"] for c in children} == {"Completed"}
        lines = (running.folder / "jobs" / "real-1" / "events.jsonl").read_text().splitlines()
        begun = [e["id"] for e in map(json.loads, lines) if e.get("status") == "Running"]
        assert sorted(begun) == sorted(c["runId"] for c in children), "a trial ran twice, or is not told of"
        best = running.properties("/jobs/real-1")["tags"]["automl_best_child_run_id"]
        model = {"modelUri": f"azureml://jobs/{best}/outputs/artifacts/paths/outputs/mlflow-model/"}
        model |= {"modelType": "mlflow_model"}
        assert running.arm("PUT", "/models/m/versions/1", {"properties": model}).status_code == 201
        assert job_process(running, "real-1") is None


def test_a_job_that_finished_while_the_emulator_was_down_is_finished(running: Emulator) -> None:
    submit(running, "alone-1", seconds=0.3)
    eventually(lambda: job_process(running, "alone-1"), what="the job's process")
    running.kill()
    process = job_process(running, "alone-1")
    process.wait(timeout=10)
    running.start()
    assert running.wait_job("alone-1", seconds=5) == "Completed"
    assert len(running.history("runs/alone-1/children")["value"]) == TRIALS


def test_a_job_whose_process_died_while_the_emulator_was_down_failed_and_says_so(running: Emulator) -> None:
    submit(running, "dead-1", seconds=30)
    eventually(lambda: running.history("runs/dead-1/children")["value"], what="a trial")
    running.kill()
    job_process(running, "dead-1").send_signal(signal.SIGKILL)
    running.start()
    assert running.wait_job("dead-1", seconds=5) == "Failed"
    message = running.history("runs/dead-1")["error"]["error"]["message"]
    assert "ended before it had finished" in message
    assert running.status("dead-1_0") == "Failed"


def test_a_cancellation_survives_the_kill(running: Emulator) -> None:
    submit(running, "cancel-1", seconds=30)
    eventually(lambda: job_process(running, "cancel-1"), what="the job's process")
    assert running.arm("POST", "/jobs/cancel-1/cancel").status_code == 202
    running.kill()
    running.start()
    assert running.wait_job("cancel-1", seconds=15) == "Canceled"
    assert job_process(running, "cancel-1") is None


def test_a_stop_leaves_no_process_and_the_job_starts_again_with_the_emulator(running: Emulator) -> None:
    submit(running, "again-1", seconds=0.4)
    eventually(lambda: running.history("runs/again-1/children")["value"], what="a trial")
    began = time.monotonic()
    assert running.stop() == 0
    assert time.monotonic() - began < 5
    assert running.processes() == []
    running.start()
    assert running.wait_job("again-1") == "Completed"
    assert len(running.history("runs/again-1/children")["value"]) == TRIALS
    assert running.history("runs/again-1")["currentAttemptId"] == 2


def test_operations_and_assets_outlive_the_kill(running: Emulator) -> None:
    body = {"location": "westeurope", "properties": {"authMode": "aadToken"}}
    put = running.arm("PUT", "/batchEndpoints/later", body)
    polling = put.headers["Azure-AsyncOperation"].partition("/subscriptions")[2]
    running.kill()
    running.start(running.port)
    answer = eventually(
        lambda: (a := running.call("GET", "/subscriptions" + polling).json())["status"] == "Succeeded" and a
    )
    assert answer["name"].startswith("bebes:")
    assert running.properties("/batchEndpoints/later")["provisioningState"] == "Succeeded"


def test_a_second_emulator_on_the_same_folder_is_refused(
    running: Emulator, capfd: pytest.CaptureFixture[str]
) -> None:
    second = Emulator(running.folder, options=running.options)
    with pytest.raises(AssertionError, match="did not start"):
        second.start()
    assert second._ended() == 1
    assert "Another emulator uses" in capfd.readouterr().err
