"""What jobs write, as clients reach it: artifacts by run, documented paths, downloads with the real azure-ai-ml."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.emulator_sdk import client
from tests.support.emulator_support import (
    STANDIN,
    WS,
    Emulator,
    automl,
    emulator,
    no_schema_download,
    sdk_environment,
    upload_table,
)

COMMAND = (
    "echo said; echo kept > outputs/kept.txt; mkdir -p ${{outputs.made}}; echo made > ${{outputs.made}}/made.txt; "
    "echo one > ${{outputs.single}}"
)
LONG = f"azureml:/{WS.partition('/providers')[0].lower()}/workspaces/dropml-local"
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, azurite: str) -> Iterator[Emulator]:
    upload_table(azurite, "emulator-outputs", "bank/train")
    options = ["--automl-command", STANDIN, "--datastore", "data=emulator-outputs", "--max-nodes", "2"]
    folder = tmp_path_factory.mktemp("emulator")
    with emulator(folder, azurite, *options, "--operation-seconds", "0.1") as found:
        found.arm("PUT", "/jobs/auto", automl("azureml://datastores/data/paths/bank/train"))
        found.arm("PUT", "/jobs/cmd", {"properties": command_job()})
        assert (found.wait_job("auto"), found.wait_job("cmd")) == ("Completed", "Completed")
        yield found


@pytest.fixture(scope="module")
def ml(running: Emulator) -> Iterator[Any]:
    with sdk_environment(running), no_schema_download():
        yield client()


def command_job(**more: Any) -> dict[str, Any]:
    outputs = {"made": {"jobOutputType": "uri_folder"}, "single": {"jobOutputType": "uri_file"}}
    job = {
        "jobType": "Command",
        "command": COMMAND,
        "environmentId": "azureml:AzureML-any:1",
        "outputs": outputs,
    }
    return job | {"experimentName": "outputs"} | more


def artifacts(
    running: Emulator, run: str, where: str, route: str = "artifacts", **params: str
) -> requests.Response:
    return running.call("GET", f"/history/v1.0{WS}/{where}/runs/{run}/{route}", params=params)


def test_artifacts_of_a_run_are_listed_and_read_by_experiment_name_and_id(running: Emulator) -> None:
    experiment = running.history("runs/cmd")["experimentId"]
    for where in ("experiments/outputs", f"experiments/{experiment}", f"experimentids/{experiment}"):
        listed = [a["path"] for a in artifacts(running, "cmd", where).json()["value"]]
        assert listed == ["azureml-logs/20_image_build_log.txt", "outputs/kept.txt", "user_logs/std_log.txt"]
        info = artifacts(running, "cmd", where, "artifacts/contentinfo", path="outputs/kept.txt").json()
        assert (info["origin"], info["container"]) == ("ExperimentRun", "dcid.cmd")
        # The address needs no token of its own: its signature is enough.
        assert requests.get(info["contentUri"], verify=running.session.verify, timeout=10).text == "kept\n"
    assert artifacts(running, "cmd", "experiments/another").status_code == 404
    missing = artifacts(running, "cmd", "experiments/outputs", "artifacts/contentinfo", path="outputs/no.txt")
    assert missing.status_code == 404


def test_a_client_logs_an_artifact_once_and_everybody_finds_it(running: Emulator) -> None:
    path = f"/history/v1.0{WS}/experiments/Default/runs/auto/artifacts/batch/metadata"
    asked = {"paths": [{"path": "model/MLmodel"}, {"path": "../escape"}, {"path": "user_logs/std_log.txt"}]}
    answer = running.call("POST", path, asked).json()
    assert set(answer["errors"]) == {"../escape", "user_logs/std_log.txt"}
    assert "already exists" in answer["errors"]["user_logs/std_log.txt"]["error"]["message"]
    url = answer["artifactContentInformation"]["model/MLmodel"]["contentUri"]
    content, headers = b"flavors: {a: {b: c}}\n", {"x-ms-blob-type": "BlockBlob"}
    sent = requests.put(url, data=content, headers=headers, verify=running.session.verify, timeout=10)
    assert sent.status_code == 201
    again = running.call("POST", path, {"paths": [{"path": "model/MLmodel"}]}).json()
    assert "Resource Conflict" in again["errors"]["model/MLmodel"]["error"]["message"]
    assert {"path": "model", "is_dir": True} in running.mlflow("artifacts/list", run_id="auto")["files"]
    answer = running.call(
        "GET", f"/mlflow/v2.0{WS}/api/2.0/mlflow/get-artifact?run_id=auto&path=model/MLmodel"
    )
    assert answer.content == content
    body = {"properties": {"modelType": "mlflow_model", "modelUri": "runs:/auto/model"}}
    answer = running.arm("PUT", "/models/logged/versions/1", body)
    assert answer.json()["properties"]["flavors"] == {"a": {"data": {"b": "c"}}}


@pytest.mark.parametrize(
    "path",
    [
        "azureml://jobs/auto_1/outputs/artifacts/outputs/mlflow-model/",
        "azureml://jobs/auto_1/outputs/artifacts/paths/outputs/mlflow-model/",
        "azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.auto_1/outputs/mlflow-model",
        "azureml://datastores/workspaceartifactstore/ExperimentRun/dcid.auto_1/outputs/mlflow-model",
        f"{LONG}/datastores/workspaceartifactstore/paths/ExperimentRun/dcid.auto_1/outputs/mlflow-model",
    ],
    ids=["documented", "with-paths", "store", "store-without-paths", "long"],
)
def test_a_model_is_registered_by_each_documented_path_and_downloaded(
    ml: Any, path: str, tmp_path: Path
) -> None:
    from azure.ai.ml.entities import Model

    name = f"model-{abs(hash(path)) % 10**6}"
    made = ml.models.create_or_update(Model(name=name, version="1", type="mlflow_model", path=path))
    stored = "/datastores/workspaceartifactstore/paths/ExperimentRun/dcid.auto_1/outputs/mlflow-model"
    assert made.path.endswith(stored)
    again = ml.models.create_or_update(Model(name=name, version="1", type="mlflow_model", path=path))
    assert again.path == made.path
    ml.models.download(name, "1", str(tmp_path))
    assert [p.parent.name for p in tmp_path.rglob("MLmodel")] == ["mlflow-model"]


def test_a_jobs_download_brings_its_logs_artifacts_and_named_outputs(ml: Any, tmp_path: Path) -> None:
    ml.jobs.download("cmd", download_path=tmp_path / "all", all=True)
    found = {p.relative_to(tmp_path / "all").as_posix() for p in (tmp_path / "all").rglob("*") if p.is_file()}
    assert found >= {"artifacts/outputs/kept.txt", "artifacts/user_logs/std_log.txt"}
    ml.jobs.download("cmd", download_path=tmp_path / "one", output_name="made")
    assert (tmp_path / "one" / "named-outputs" / "made" / "made.txt").read_text() == "made\n"
    for job, artifact in (("auto", "user_logs/std_log.txt"), ("auto_0", "outputs/mlflow-model/MLmodel")):
        ml.jobs.download(job, download_path=tmp_path / job)
        assert (tmp_path / job / "artifacts" / artifact).is_file()


def test_a_job_reads_what_another_has_written_by_each_documented_path(running: Emulator) -> None:
    uris = ["azureml://jobs/cmd/outputs/made/paths/made.txt", "azureml://jobs/cmd/outputs/made/made.txt"]
    uris += ["azureml://datastores/workspaceblobstore/paths/azureml/cmd/made/made.txt"]
    inputs = {f"in{i}": {"jobInputType": "uri_file", "uri": uri} for i, uri in enumerate(uris)}
    command = "cat " + " ".join(f"${{{{inputs.{name}}}}}" for name in inputs)
    running.arm(
        "PUT", "/jobs/reader", {"properties": command_job(command=command, inputs=inputs, outputs={})}
    )
    assert running.wait_job("reader") == "Completed"
    log = running.call("GET", "/_emulator/jobs/reader/logs/std_log.txt").text
    assert log.split() == ["made"] * len(uris)


@pytest.mark.parametrize("job", ["auto", "cmd"])
def test_what_a_get_answered_is_put_back_unchanged(running: Emulator, job: str) -> None:
    found = running.arm("GET", f"/jobs/{job}").json()
    found["properties"]["isArchived"] = True
    answer = running.arm("PUT", f"/jobs/{job}", found)
    assert (answer.status_code, answer.json()["properties"]["isArchived"]) == (200, True)
    found["properties"]["isArchived"] = False
    assert running.arm("PUT", f"/jobs/{job}", found).status_code == 200
    found["properties"]["experimentName"] = "moved"
    refused = running.arm("PUT", f"/jobs/{job}", found)
    assert (refused.status_code, "ExperimentName" in refused.text) == (400, True)


def test_a_command_job_names_where_its_artifacts_lie(running: Emulator, ml: Any) -> None:
    default = running.properties("/jobs/cmd")["outputs"]["default"]
    assert default["uri"] == "azureml://datastores/workspaceartifactstore/ExperimentRun/dcid.cmd"
    assert ml.jobs.get("cmd").outputs["default"].type == "uri_folder"
