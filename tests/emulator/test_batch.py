"""What starts pipelines: batch endpoints, published pipelines, schedules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.emulator_pipelines import (
    AUTOML_NODE,
    MLTABLE_ID,
    children,
    command_component,
    node,
    pipeline,
    pipeline_component,
    pipeline_emulator,
)
from tests.support.emulator_support import WS, Emulator, eventually


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, azurite: str) -> Iterator[Emulator]:
    with pipeline_emulator(tmp_path_factory.mktemp("emulator"), azurite, "emulator-batch") as found:
        yield found


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
