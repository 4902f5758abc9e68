"""Pipeline jobs, batch endpoints, published pipelines and schedules, with commands that really run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.emulator_support import STANDIN, WS, Emulator, emulator, eventually, upload_table

MLTABLE_ID = f"{WS}/data/bank/versions/1"
AUTOML_NODE = {
    "name": "train",
    "type": "automl",
    "task": "classification",
    "target_column_name": "y",
    "primary_metric": "auc_weighted",
    "training_data": "${{parent.inputs.train}}",
    "limits": {"max_trials": 2, "timeout_minutes": 1, "trial_timeout_minutes": 1},
    "properties": {"_standin.trials": "2"},
    "outputs": {"best_model": {"value": "${{parent.outputs.model}}", "type": "literal"}},
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, azurite: str) -> Iterator[Emulator]:
    upload_table(azurite, "emulator-pipelines", "bank/train")
    options = ["--automl-command", STANDIN, "--datastore", "data=emulator-pipelines", "--max-nodes", "2"]
    folder = tmp_path_factory.mktemp("emulator")
    with emulator(folder, azurite, *options, "--operation-seconds", "0.1") as found:
        body = {"dataType": "mltable", "dataUri": "azureml://datastores/data/paths/bank/train"}
        assert found.arm("PUT", "/data/bank/versions/1", {"properties": body}).status_code == 201
        yield found


def command_component(running: Emulator, name: str, command: str, **spec: Any) -> str:
    spec = {"name": name, "version": "1", "type": "command", "command": command} | spec
    body = {"properties": {"componentSpec": spec | {"environment": "azureml:any:1"}, "isAnonymous": False}}
    answer = running.arm("PUT", f"/components/{name}/versions/1", body)
    assert answer.status_code in (200, 201), answer.text
    return str(answer.json()["id"])


def pipeline_component(running: Emulator, name: str, jobs: dict[str, Any], inputs: dict[str, Any]) -> str:
    spec = {"name": name, "version": "1", "type": "pipeline", "jobs": jobs, "inputs": inputs}
    body = {"properties": {"componentSpec": spec, "isAnonymous": False}}
    answer = running.arm("PUT", f"/components/{name}/versions/1", body)
    assert answer.status_code in (200, 201), answer.text
    return str(answer.json()["id"])


def pipeline(jobs: dict[str, Any], inputs: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    settings = {"default_compute": f"{WS}/computes/cpu-cluster"} | more.pop("settings", {})
    own = {"jobType": "Pipeline", "jobs": jobs, "inputs": inputs or {}, "settings": settings}
    return {"properties": own | more}


def node(component: str, **inputs: str) -> dict[str, Any]:
    bound = {k: {"job_input_type": "literal", "value": v} for k, v in inputs.items()}
    return {"type": "command", "componentId": component, "inputs": bound}


def children(running: Emulator, job: str) -> dict[str, dict[str, Any]]:
    return {c["name"]: c for c in running.history(f"runs/{job}/children")["value"]}


def log_of(running: Emulator, run: str) -> str:
    return (running.folder / "jobs" / run / "user_logs" / "std_log.txt").read_text()


def test_an_automl_node_is_a_real_child_job_whose_best_model_is_the_pipelines_output(
    running: Emulator,
) -> None:
    inputs = {"train": {"jobInputType": "mltable", "uri": MLTABLE_ID}}
    body = pipeline({"train": AUTOML_NODE}, inputs, outputs={"model": {"jobOutputType": "mlflow_model"}})
    answer = running.arm("PUT", "/jobs/retrain-1", body)
    assert (answer.status_code, answer.json()["properties"]["status"]) == (201, "Preparing")
    assert answer.json()["properties"]["properties"]["azureml.runsource"] == "azureml.PipelineRun"
    assert running.wait_job("retrain-1") == "Completed"
    child = children(running, "retrain-1")["train"]
    assert child["parentRunId"] == child["rootRunId"] == "retrain-1"
    assert child["tags"]["automl_best_child_run_id"] == f"{child['runId']}_1"
    details = running.properties(f"/jobs/{child['runId']}")["taskDetails"]
    assert (details["primaryMetric"], details["limitSettings"]["timeout"]) == ("AUCWeighted", "PT60S")
    model = {"modelType": "mlflow_model", "modelUri": "azureml://jobs/retrain-1/outputs/model/paths/"}
    assert running.arm("PUT", "/models/retrained/versions/1", {"properties": model}).status_code == 201


def test_nodes_run_in_the_order_of_their_bindings_with_defaults_and_optional_inputs(
    running: Emulator,
) -> None:
    write = command_component(
        running,
        "write",
        "echo ${{inputs.text}} $[[--extra ${{inputs.extra}}]] > ${{outputs.out}}/text.txt",
        inputs={
            "text": {"type": "string", "default": "it's a default"},
            "extra": {"type": "string", "optional": True},
        },
        outputs={"out": {"type": "uri_folder"}},
    )
    read = command_component(
        running,
        "read",
        "cat ${{inputs.folder}}/text.txt; echo $AZUREML_RUN_ID $AZUREML_ROOT_RUN_ID",
        inputs={"folder": {"type": "uri_folder"}},
    )
    jobs = {"second": node(read, folder="${{parent.jobs.first.outputs.out}}"), "first": node(write)}
    assert running.arm("PUT", "/jobs/order-1", pipeline(jobs)).status_code == 201
    assert running.wait_job("order-1") == "Completed"
    second = children(running, "order-1")["second"]["runId"]
    assert log_of(running, second).splitlines() == ["it's a default", f"{second} order-1"]


def test_a_failed_node_fails_the_pipeline_with_its_reason_and_stops_what_follows(running: Emulator) -> None:
    fail = command_component(
        running, "fail", "echo no such luck >&2; exit 9", outputs={"out": {"type": "uri_folder"}}
    )
    after = command_component(running, "after", "ls ${{inputs.x}}", inputs={"x": {"type": "uri_folder"}})
    jobs = {"bad": node(fail), "then": node(after, x="${{parent.jobs.bad.outputs.out}}")}
    running.arm("PUT", "/jobs/broken-1", pipeline(jobs))
    assert running.wait_job("broken-1") == "Failed"
    reason = running.history("runs/broken-1")["error"]["error"]["message"]
    assert reason == "The node 'bad' failed: The command exited with code 9. Its last lines: no such luck"
    assert children(running, "broken-1").keys() == {"bad"}


def test_cancelling_a_pipeline_cancels_its_nodes(running: Emulator) -> None:
    sleep = command_component(running, "sleep", "sleep 60")
    running.arm("PUT", "/jobs/sleepy-1", pipeline({"nap": node(sleep)}))
    eventually(
        lambda: (c := children(running, "sleepy-1")) and c["nap"]["status"] == "Running", what="the node"
    )
    running.arm("POST", "/jobs/sleepy-1/cancel")
    assert running.wait_job("sleepy-1") == "Canceled"
    assert children(running, "sleepy-1")["nap"]["status"] == "Canceled"
    assert not [p for p in running.processes() if p.name() == "sleep"]


def test_a_running_command_outlives_the_emulator(running: Emulator) -> None:
    slow = command_component(running, "slow", "sleep 1.5; echo done")
    running.arm("PUT", "/jobs/slow-1", pipeline({"slow": node(slow)}))
    eventually(
        lambda: (c := children(running, "slow-1")) and c["slow"]["status"] == "Running", what="the node"
    )
    running.kill()
    running.start(running.port)
    assert running.wait_job("slow-1") == "Completed"
    assert log_of(running, children(running, "slow-1")["slow"]["runId"]) == "done\n"


@pytest.mark.parametrize(
    ("jobs", "status", "sentence"),
    [
        (
            {"a": {"type": "command", "componentId": f"{WS}/components/no/versions/1"}},
            404,
            "Not found component no",
        ),
        ({"a": {**AUTOML_NODE, "target_column_name": None}}, 400, "'targetColumnName' is required"),
        (
            {"a": {**AUTOML_NODE, "compute": "azureml:absent"}},
            400,
            "'azureml:absent' of the node 'a' was not found",
        ),
        (
            {"a": {**AUTOML_NODE, "training_data": "${{parent.jobs.b.outputs.o}}"}},
            400,
            "'b', which is no node",
        ),
        ({"a": {"type": "spark"}}, 400, "supported: command, automl, pipeline"),
        ({}, 400, "at least one node"),
    ],
)
def test_a_pipeline_that_cannot_run_is_refused_at_once(
    running: Emulator, jobs: dict[str, Any], status: int, sentence: str
) -> None:
    answer = running.arm("PUT", "/jobs/refused-1", pipeline(jobs))
    assert answer.status_code == status
    assert sentence in answer.json()["error"]["message"]


def test_an_anonymous_component_is_addressed_by_its_content(running: Emulator) -> None:
    spec = {"type": "command", "command": "echo hi", "environment": "azureml:any:1", "is_deterministic": True}
    body = {"properties": {"componentSpec": spec, "isAnonymous": True}}
    path = "/components/azureml_anonymous/versions/"
    first = running.arm("PUT", path + "11111111-1111-1111-1111-111111111111", body)
    second = running.arm("PUT", path + "22222222-2222-2222-2222-222222222222", body)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] == second.json()["id"]
    assert "11111111" not in first.json()["id"]
    assert "11111111" in first.headers["Location"]
    assert first.json()["properties"]["componentSpec"]["is_deterministic"] == "True"


@pytest.fixture(scope="module")
def invoked(running: Emulator) -> str:
    """A batch endpoint with the AutoML pipeline as its default deployment; its address."""
    component = pipeline_component(
        running, "published", {"train": AUTOML_NODE}, {"train": {"type": "mltable"}}
    )
    return batch_endpoint(running, "retrain-ep", component)


def batch_endpoint(running: Emulator, name: str, component: str) -> str:
    """An endpoint whose default deployment `one` runs the component; its address."""
    path = f"/batchEndpoints/{name}"
    endpoint: dict[str, Any] = {"location": "westeurope", "properties": {"authMode": "aadToken"}}
    running.arm("PUT", path, endpoint)
    running.wait_state(path)
    configuration = {
        "deploymentConfigurationType": "PipelineComponent",
        "componentId": {"referenceType": "Id", "assetId": component},
        "settings": {"default_compute": "cpu-cluster", "continue_on_step_failure": False},
    }
    deployment = {"location": "westeurope", "properties": {"deploymentConfiguration": configuration}}
    running.arm("PUT", f"{path}/deployments/one", deployment)
    running.wait_state(f"{path}/deployments/one")
    endpoint["properties"] |= {"defaults": {"deploymentName": "one"}}
    running.arm("PUT", path, endpoint)
    return str(running.wait_state(path)["scoringUri"])


def invoke(running: Emulator, url: str, request: str | None = None, **inputs: Any) -> requests.Response:
    body = {"properties": {"inputData": inputs, "properties": {"experimentName": "retrain"}}}
    headers = {"Authorization": f"Bearer {running.token('https://ml.azure.com')}"}
    headers |= {"repeatability-request-id": request} if request else {}
    return running.call("POST", url, body, headers=headers)


def test_invoking_a_batch_endpoint_starts_its_pipeline_once_per_request_id(
    running: Emulator, invoked: str
) -> None:
    train = {"jobInputType": "mltable", "uri": MLTABLE_ID}
    first = invoke(running, invoked, "request-1", train=train)
    again = invoke(running, invoked, "request-1", train=train)
    assert (first.status_code, again.status_code) == (201, 201)
    name = first.json()["name"]
    assert name == again.json()["name"]
    assert name.startswith("batchjob-")
    assert first.headers["azureml-model-deployment"] == "one"
    assert running.wait_job(name) == "Completed"
    assert children(running, name)["train"]["status"] == "Completed"
    assert running.properties(f"/jobs/{name}")["tags"]["azureml.deploymentname"] == "one"


def test_one_request_id_at_two_batch_endpoints_is_two_jobs(running: Emulator, invoked: str) -> None:
    component = command_component(running, "say-other", "echo other")
    other = batch_endpoint(
        running, "other-ep", pipeline_component(running, "other", {"say": node(component)}, {})
    )
    train = {"jobInputType": "mltable", "uri": MLTABLE_ID}
    first, second = invoke(running, invoked, "shared", train=train), invoke(running, other, "shared")
    assert first.json()["name"] != second.json()["name"]
    assert running.wait_job(second.json()["name"]) == "Completed"
    assert list(children(running, second.json()["name"])) == ["say"]
    assert invoke(running, other, "shared").json()["name"] == second.json()["name"]
    assert running.wait_job(first.json()["name"]) == "Completed"


def test_an_invocation_needs_the_right_token_and_the_declared_inputs(running: Emulator, invoked: str) -> None:
    arm = running.call("POST", invoked, {"properties": {}})
    assert (arm.status_code, arm.json()["error"]["code"]) == (401, "InvalidAuthenticationTokenAudience")
    missing = invoke(running, invoked)
    assert (missing.status_code, "'train' of the component is required" in missing.text) == (400, True)
    unknown = invoke(running, invoked, other={"jobInputType": "literal", "value": "1"})
    assert "no input 'other'" in unknown.json()["error"]["message"]


def test_a_default_deployment_stays_and_a_batch_deployment_needs_a_component(
    running: Emulator, invoked: str
) -> None:
    answer = running.arm("DELETE", "/batchEndpoints/retrain-ep/deployments/one")
    assert "is the endpoint's default" in answer.json()["error"]["message"]
    empty = {"location": "westeurope", "properties": {"compute": f"{WS}/computes/cpu-cluster"}}
    answer = running.arm("PUT", "/batchEndpoints/retrain-ep/deployments/two", empty)
    assert "'Model Reference' must not be empty." in answer.json()["error"]["message"]


def test_a_published_pipeline_of_the_first_sdk_is_submitted_by_rest(running: Emulator, invoked: str) -> None:
    key = "5f1a2b3c-0000-4000-8000-00000000abcd"
    component = f"{WS}/components/published/versions/1"
    body = {"name": "retrain", "componentId": component, "settings": {"default_compute": "cpu-cluster"}}
    assert running.call("PUT", f"/_emulator/published_pipelines/{key}", body).status_code == 201
    submit = f"/pipelines/v1.0{WS}/PipelineRuns/PipelineSubmit/"
    request = {"ExperimentName": "retrain", "ParameterAssignments": {"train": MLTABLE_ID}}
    answer = running.call("POST", submit + key, request)
    assert answer.status_code == 200
    run = answer.json()["Id"]
    assert running.wait_job(run) == "Completed"
    status = running.call("GET", f"/pipelines/v1.0{WS}/PipelineRuns/{run}").json()["Status"]
    assert status["StatusCode"] == "Finished"
    absent = running.call("POST", submit + key.replace("abcd", "0000"), request)
    assert absent.status_code == 404
    assert running.call("POST", submit + key, {"ParameterAssignments": {}}).status_code == 400


def test_a_schedule_fires_when_the_clock_comes_to_its_time(running: Emulator) -> None:
    echo = command_component(running, "echo", "echo ${{inputs.when}}", inputs={"when": {"type": "string"}})
    definition = pipeline(
        {"echo": node(echo, when="${{parent.inputs.when}}")},
        {"when": {"jobInputType": "literal", "value": "${{creation_context.trigger_time}}"}},
    )["properties"]
    body = {
        "properties": {
            "action": {"actionType": "CreateJob", "jobDefinition": definition},
            "trigger": {
                "triggerType": "Cron",
                "expression": "0 3 * * *",
                "timeZone": "Pacific Standard Time",
            },
        }
    }
    answer = running.arm("PUT", "/schedules/nightly", body)
    assert answer.status_code == 201
    assert answer.json().keys() == {"properties"}
    running.wait_state("/schedules/nightly")
    running.call("POST", "/_emulator/clock", {"step": 24 * 3600})
    running.session.headers["Authorization"] = f"Bearer {running.token()}"

    def fired() -> list[str]:
        jobs = running.arm("GET", "/jobs").json()["value"]
        return [j["name"] for j in jobs if j["name"].startswith("nightly-")]

    eventually(fired, what="the schedule")
    assert len(fired()) == 1
    assert fired()[0].endswith(("T100000", "T110000"))  # 3 o'clock Pacific, in UTC, by season
    assert running.wait_job(fired()[0]) == "Completed"
    refused = running.arm("DELETE", "/schedules/nightly")
    assert "disable it" in refused.json()["error"]["message"]
    disabled = running.arm(
        "PUT", "/schedules/nightly", {"properties": body["properties"] | {"isEnabled": False}}
    )
    assert disabled.status_code == 201
    running.wait_state("/schedules/nightly")
    gone = running.arm("DELETE", "/schedules/nightly")
    assert (gone.status_code, gone.text) == (202, "")
    assert "Content-Type" not in gone.headers
    bad = {
        "properties": body["properties"] | {"trigger": {"triggerType": "Cron", "expression": "61 * * * *"}}
    }
    assert running.arm("PUT", "/schedules/wrong", bad).status_code == 400
