"""Pipeline jobs, with commands that really run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.emulator_pipelines import (
    AUTOML_NODE,
    MLTABLE_ID,
    children,
    command_component,
    log_of,
    node,
    pipeline,
    pipeline_emulator,
)
from tests.support.emulator_support import WS, Emulator, eventually


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, azurite: str) -> Iterator[Emulator]:
    with pipeline_emulator(tmp_path_factory.mktemp("emulator"), azurite, "emulator-pipelines") as found:
        yield found


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
    answer = running.arm("PUT", "/models/retrained/versions/1", {"properties": model})
    assert answer.status_code == 201, answer.text


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


def test_a_node_is_cancelled_at_its_timeout_and_its_pipeline_with_it(running: Emulator) -> None:
    nap = command_component(running, "nap", "sleep 60")
    limits = {"limits": {"timeout": "PT1S", "job_limits_type": "Command"}}
    running.arm("PUT", "/jobs/timed-1", pipeline({"nap": node(nap) | limits}))
    assert running.wait_job("timed-1") == "Canceled"
    child = children(running, "timed-1")["nap"]
    assert (child["status"], "limits.timeout of PT1S" in str(child["error"])) == ("Canceled", True)
    wrong = pipeline({"nap": node(nap) | {"limits": {"timeout": "soon"}}})
    assert "'soon' of limits.timeout" in running.arm("PUT", "/jobs/timed-2", wrong).text


@pytest.mark.parametrize(("timeout", "status"), [(2, "Canceled"), (60, "Completed")])
def test_a_commands_timeout_counts_what_it_ran_under_an_earlier_emulator(
    running: Emulator, timeout: int, status: str
) -> None:
    name = f"limited-{timeout}"
    limits = {"jobLimitsType": "Command", "timeout": f"PT{timeout}S"}
    job = {"jobType": "Command", "command": "sleep 4", "environmentId": "azureml:AzureML-any:1"}
    assert running.arm("PUT", f"/jobs/{name}", {"properties": job | {"limits": limits}}).status_code == 201
    eventually(lambda: running.status(name) == "Running", what="the command")
    running.kill()
    running.start(running.port)
    assert running.wait_job(name) == status
    assert not [p for p in running.processes() if p.name() == "sleep"]


def test_a_default_compute_that_is_not_there_is_refused_and_serverless_always_is(running: Emulator) -> None:
    quick = command_component(running, "quick", "true")
    absent = pipeline({"a": node(quick)}, settings={"default_compute": f"{WS}/computes/absent"})
    answer = running.arm("PUT", "/jobs/nowhere-1", absent)
    assert (answer.status_code, "'absent' of settings.default_compute" in answer.text) == (400, True)
    anywhere = {"a": node(quick), "b": node(quick) | {"computeId": "serverless"}}
    running.arm("PUT", "/jobs/anywhere-1", pipeline(anywhere, settings={"default_compute": "serverless"}))
    assert running.wait_job("anywhere-1") == "Completed"


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
            "'absent' of the node 'a' was not found",
        ),
        (
            {"a": {**AUTOML_NODE, "training_data": "${{parent.jobs.b.outputs.o}}"}},
            400,
            "'b', which is no node",
        ),
        (
            {"a": {**AUTOML_NODE, "limits": {"timeout_minutes": "soon"}}},
            400,
            "no number of minutes",
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
    spec = {
        "type": "command",
        "command": "echo hi",
        "environment": "azureml:AzureML-any:1",
        "is_deterministic": True,
    }
    body = {"properties": {"componentSpec": spec, "isAnonymous": True}}
    path = "/components/azureml_anonymous/versions/"
    first = running.arm("PUT", path + "11111111-1111-1111-1111-111111111111", body)
    second = running.arm("PUT", path + "22222222-2222-2222-2222-222222222222", body)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] == second.json()["id"]
    assert "11111111" not in first.json()["id"]
    assert "11111111" in first.headers["Location"]
    assert first.json()["properties"]["componentSpec"]["is_deterministic"] == "True"
