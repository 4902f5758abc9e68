"""AutoML jobs in the emulator: submitted, watched, cancelled, refused. The engine is a stand-in here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.emulator_support import STANDIN, WS, Emulator, automl, emulator, eventually, upload_table

URI = "azureml://datastores/data/paths/bank/train"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, azurite: str) -> Iterator[Emulator]:
    upload_table(azurite, "emulator-jobs", "bank/train")
    options = ["--automl-command", STANDIN, "--datastore", "data=emulator-jobs", "--max-nodes", "2"]
    with emulator(
        tmp_path_factory.mktemp("emulator"), azurite, *options, "--operation-seconds", "0.1"
    ) as found:
        yield found


def submit(running: Emulator, name: str, uri: str = URI, **orders: Any) -> dict[str, Any]:
    body = automl(uri, properties={f"_standin.{k}": str(v) for k, v in orders.items()})
    answer = running.arm("PUT", f"/jobs/{name}", body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def error_of(running: Emulator, job: str) -> str:
    return str(running.history(f"runs/{job}")["error"]["error"]["message"])


def test_a_job_runs_to_its_best_child_and_shows_its_trials_as_azure_does(running: Emulator) -> None:
    began = time.monotonic()
    submitted = submit(running, "bank-1-a1", trials=3)
    assert submitted["properties"]["status"] == "NotStarted"
    eventually(lambda: running.history("runs/bank-1-a1/children")["value"], 3, "the first trial")
    assert time.monotonic() - began < 3
    assert running.wait_job("bank-1-a1") == "Completed"

    parent = running.properties("/jobs/bank-1-a1")
    assert parent["tags"]["automl_best_child_run_id"] == "bank-1-a1_2"
    assert parent["tags"]["score"] == "<0.9>;<0.91>;<0.92>;"
    assert parent["tags"]["run_algorithm"] == "<LightGBM>;<XGBoostClassifier>;<LogisticRegression>;"
    assert parent["properties"]["primary_metric"] == "AUC_weighted"
    assert parent["properties"]["runTemplate"] == "AutoML"

    children = running.history("runs/bank-1-a1/children")["value"]
    assert [c["runId"] for c in children] == ["bank-1-a1_2", "bank-1-a1_1", "bank-1-a1_0"]
    assert children[0]["properties"]["run_algorithm"] == "LogisticRegression"
    assert children[0]["properties"]["score"] == "0.92"
    # The file's 240 rows came through the datastore and the MLTable.
    data = running.mlflow("runs/get", run_id="bank-1-a1_2")["run"]["data"]
    assert {m["key"]: m["value"] for m in data["metrics"]} == {
        "AUC_weighted": 0.92,
        "accuracy": 0.87,
        "rows": 240,
    }
    assert {"key": "mlflow.parentRunId", "value": "bank-1-a1"} in data["tags"]
    tags = {
        t["key"]: t["value"] for t in running.mlflow("runs/get", run_id="bank-1-a1")["run"]["data"]["tags"]
    }
    assert tags["automl_best_child_run_id"] == "bank-1-a1_2"


def test_artifacts_and_metric_histories_and_searches_of_trials_are_read_through_mlflow(
    running: Emulator,
) -> None:
    submit(running, "artifacts-1")
    assert running.wait_job("artifacts-1") == "Completed"
    found = running.mlflow("artifacts/list", run_id="artifacts-1_0", path="outputs/mlflow-model")
    assert [f["path"] for f in found["files"]] == ["outputs/mlflow-model/MLmodel"]
    outside = running.call(
        "GET",
        f"/mlflow/v2.0{WS}/api/2.0/mlflow/artifacts/list",
        params={"run_id": "artifacts-1_0", "path": "../../.."},
    )
    assert outside.status_code == 400
    history = running.mlflow("metrics/get-history", run_id="artifacts-1_0", metric_key="AUC_weighted")
    assert [m["value"] for m in history["metrics"]] == [0.9]
    search = running.call(
        "POST",
        f"/mlflow/v2.0{WS}/api/2.0/mlflow/runs/search",
        {"filter": "tags.mlflow.parentRunId = 'artifacts-1' and metrics.AUC_weighted > 0.905"},
    )
    assert [r["info"]["run_id"] for r in search.json()["runs"]] == ["artifacts-1_1"]


def test_children_come_in_pages_with_a_continuation_token(running: Emulator) -> None:
    submit(running, "pages-1", trials=5, seconds=0)
    assert running.wait_job("pages-1") == "Completed"
    first = running.history("runs/pages-1/children", **{"$top": "3"})
    assert len(first["value"]) == 3
    rest = running.call("GET", first["nextLink"]).json()
    assert [c["runId"] for c in rest["value"]] == ["pages-1_1", "pages-1_0"]
    assert rest["continuationToken"] is None


def test_cancelling_a_running_job_ends_its_process_and_its_trials(running: Emulator) -> None:
    submit(running, "cancel-1", seconds=30)
    eventually(lambda: running.history("runs/cancel-1/children")["value"], what="a trial")
    answer = running.arm("POST", "/jobs/cancel-1/cancel")
    assert (answer.status_code, answer.text) == (202, "null")
    assert "Azure-AsyncOperation" not in answer.headers
    assert running.wait_job("cancel-1") == "Canceled"
    assert running.status("cancel-1_0") == "Canceled"
    poll = eventually(
        lambda: (a := running.call("GET", answer.headers["Location"])).status_code == 200 and a,
        what="the result",
    )
    assert poll.text == ""
    assert not [p for p in running.processes() if "cancel-1" in " ".join(p.cmdline())]


def test_jobs_wait_for_a_free_node_and_a_waiting_one_is_cancelled_at_once(running: Emulator) -> None:
    for name in ("full-1", "full-2", "full-3"):
        submit(running, name, seconds=20)
    eventually(lambda: running.status("full-3") == "Queued", what="the third job to wait")
    compute = eventually(
        lambda: (
            (c := running.properties("/computes/cpu-cluster")["properties"])["currentNodeCount"] == 2 and c
        )
    )
    assert compute["nodeStateCounts"]["runningNodeCount"] == 2
    for name in ("full-3", "full-1", "full-2"):
        running.arm("POST", f"/jobs/{name}/cancel")
    assert running.wait_job("full-3") == "Canceled"
    assert running.history("runs/full-3/children")["value"] == []
    for name in ("full-1", "full-2"):
        assert running.wait_job(name) == "Canceled"


def test_a_job_that_fails_says_why(running: Emulator) -> None:
    submit(running, "fails-1", fail="The target column 'y' has one class only.")
    assert running.wait_job("fails-1") == "Failed"
    assert error_of(running, "fails-1") == "The target column 'y' has one class only."

    submit(running, "fails-2", crash=1)
    assert running.wait_job("fails-2") == "Failed"
    assert "ended with code 7" in error_of(running, "fails-2")
    assert "about to crash" in error_of(running, "fails-2")
    assert running.status("fails-2_0") == "Completed"
    assert running.status("fails-2_1") == "Failed"


def test_data_that_cannot_be_read_fails_the_job_with_a_sentence_not_the_submission(running: Emulator) -> None:
    submit(running, "nodata-1", uri="azureml://datastores/data/paths/absent")
    assert running.wait_job("nodata-1") == "Failed"
    assert "There is no blob at emulator-jobs/absent" in error_of(running, "nodata-1")
    submit(running, "nodata-2", uri="azureml://datastores/nostore/paths/bank/train")
    assert running.wait_job("nodata-2") == "Failed"
    assert "Could not find datastore: nostore" in error_of(running, "nodata-2")
    submit(running, "nodata-3", uri=f"{WS}/data/bank/versions/77")
    assert running.wait_job("nodata-3") == "Failed"
    assert "does not exist" in error_of(running, "nodata-3")
    submit(running, "nodata-4", uri="azureml://datastores/data/paths/bank/train/data.csv")
    assert running.wait_job("nodata-4") == "Failed"
    assert "holds no file named MLTable" in error_of(running, "nodata-4")


def test_a_job_that_outgrows_its_node_is_ended_with_its_figures(tmp_path: Path, azurite: str) -> None:
    upload_table(azurite, "emulator-memory", "bank/train")
    options = [
        "--automl-command",
        STANDIN,
        "--datastore",
        "data=emulator-memory",
        "--vm-size",
        "STANDARD_DS1_V2",
    ]
    with emulator(tmp_path, azurite, *options) as small:
        submit(small, "greedy-1", memory=0, mib=5000)
        assert small.wait_job("greedy-1") == "Failed"
        # Either the process itself was refused the memory, or the watch ended it.
        assert "MemoryError" in error_of(small, "greedy-1") or "3,584 MiB" in error_of(small, "greedy-1")
        spec = small.call("GET", "/_emulator/jobs/greedy-1").json()
        assert '"cpus": 1' in (Path(spec["folder"]) / "spec.json").read_text()


def test_a_job_name_is_used_once(running: Emulator) -> None:
    submit(running, "once-1")
    body = automl(URI, limits={"maxTrials": 9}, properties={"_standin.trials": "2"})
    again = running.arm("PUT", "/jobs/once-1", body)
    assert again.status_code == 400
    assert again.json()["error"]["message"].startswith(
        "A job with this name already exists. If you are trying to create a new job, use a different name."
    )
    assert "TaskDetails cannot be changed" in again.json()["error"]["message"]
    # The very same body is an update of what may change: it answers with the job that there is.
    same = automl(URI, properties={"_standin.trials": "2"}, tags={"stage": "two"}, displayName="Bank")
    updated = running.arm("PUT", "/jobs/once-1", same)
    assert updated.status_code == 200
    assert updated.json()["properties"]["tags"]["stage"] == "two"
    assert updated.json()["properties"]["displayName"] == "Bank"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"details": {"targetColumnName": None}}, "'targetColumnName' is required"),
        ({"details": {"trainingData": {"jobInputType": "uri_file", "uri": URI}}}, "must be of type mltable"),
        ({"details": {"primaryMetric": "F1"}}, "primaryMetric is invalid"),
        ({"details": {"taskType": "Forecasting"}}, "taskType is invalid"),
        ({"details": {"nCrossValidations": {"mode": "Custom", "value": 1}}}, "from 2 to 25"),
        ({"limits": {"timeout": "PT10M", "trialTimeout": "PT20M"}}, "must not be greater"),
        ({"limits": {"maxConcurrentTrials": 3}}, "not greater than maxTrials"),
        ({"computeId": f"{WS}/computes/absent"}, "'absent' was not found"),
        ({"jobType": "Sweep"}, "jobType is invalid"),
    ],
)
def test_what_azure_refuses_at_submission_is_refused(
    running: Emulator, change: dict[str, Any], sentence: str
) -> None:
    answer = running.arm("PUT", "/jobs/refused-1", automl(URI, **change))
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]["message"]
    assert running.arm("GET", "/jobs/refused-1").status_code == 404


def test_lists_hold_the_jobs_that_are_asked_for(running: Emulator) -> None:
    submit(running, "asked-1", trials=1, seconds=0)
    own: dict[str, Any] = {"jobType": "Command", "command": "true"}
    own |= {
        "environmentId": "azureml:AzureML-any:1",
        "tags": {"t": "1"},
        "properties": {"p": "v"},
        "outputs": {"o": {"assetName": "kept"}},
    }
    running.arm("PUT", "/jobs/asked-2", {"properties": own})

    def names(**asked: str) -> set[str]:
        found = running.arm("GET", "/jobs", params=asked).json()["value"]
        return {job["name"] for job in found} & {"asked-1", "asked-2"}

    assert names(scheduled="false") == {"asked-1", "asked-2"}
    assert names(jobType="command") == names(tag="t") == names(assetName="kept") == {"asked-2"}
    assert names(properties="p=v") == names(properties="p", jobType="Command") == {"asked-2"}
    assert names(jobType="AutoML") == {"asked-1"}
    for nothing in ({"tag": "zzz"}, {"properties": "p=w"}, {"scheduled": "true"}, {"scheduleId": "s"}):
        assert names(**nothing) == set()


def test_lists_hold_jobs_but_not_their_children_newest_first_in_pages(running: Emulator) -> None:
    for name in ("list-1", "list-2", "list-3"):
        submit(running, name, trials=1, seconds=0)
    found: list[str] = []
    answer = running.arm("GET", "/jobs", params={"$top": "2"}).json()
    while True:
        found += [j["name"] for j in answer["value"]]
        if "nextLink" not in answer:
            break
        answer = running.call("GET", answer["nextLink"]).json()
    assert found.index("list-3") < found.index("list-2") < found.index("list-1")
    assert not [name for name in found if name.startswith("list-1_")]
    assert len(found) == len(set(found))
