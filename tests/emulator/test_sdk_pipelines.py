"""The real azure-ai-ml makes pipelines, batch endpoints and schedules on the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.emulator_pipelines import command_component, pipeline_component
from tests.support.emulator_sdk import client, quick, register_table, sdk_emulator
from tests.support.emulator_support import Emulator

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, azurite: str) -> Iterator[Emulator]:
    with sdk_emulator(tmp_path_factory.mktemp("emulator"), azurite, "emulator-sdk-pipelines") as found:
        yield found


@pytest.fixture(scope="module")
def ml(running: Emulator) -> Any:
    return client()


@pytest.fixture(scope="module")
def data(ml: Any) -> Any:
    return register_table(ml)


def retraining(data_path: str) -> Any:
    """The product's published pipeline: an AutoML node on the dataset's asset."""
    from azure.ai.ml import Input, automl, dsl

    def retrain(train: Any) -> None:
        node = quick(
            automl.classification(
                training_data=train,
                target_column_name="y",
                primary_metric="auc_weighted",
                compute="cpu-cluster",
            )
        )
        node.name = "automl"

    retrain.__annotations__ |= {"train": Input(type="mltable")}
    pipeline = dsl.pipeline(name="retrain_bank", version="1", default_compute="cpu-cluster")(retrain)
    return pipeline(train=Input(type="mltable", path=data_path))


def test_a_pipeline_component_behind_a_batch_endpoint_trains_for_real(
    ml: Any, data: Any, running: Emulator
) -> None:
    from azure.ai.ml import Input
    from azure.ai.ml.entities import BatchEndpoint, PipelineComponentBatchDeployment

    component = ml.components.create_or_update(retraining("azureml:bank:1").component)
    assert ml.components.get("retrain_bank", "1").id == component.id
    endpoint = ml.batch_endpoints.begin_create_or_update(BatchEndpoint(name="retrain-ep")).result()
    ml.batch_deployments.begin_create_or_update(
        PipelineComponentBatchDeployment(
            name="retrain",
            endpoint_name="retrain-ep",
            component=component,
            settings={"default_compute": "cpu-cluster", "continue_on_step_failure": False},
        )
    ).result()
    endpoint.defaults.deployment_name = "retrain"
    ml.batch_endpoints.begin_create_or_update(endpoint).result()
    job = ml.batch_endpoints.invoke(
        "retrain-ep",
        inputs={"train": Input(type="mltable", path="azureml:bank:1")},
        experiment_name="retrain",
    )
    assert job.name.startswith("batchjob-")
    assert running.wait_job(job.name) == "Completed"
    node = running.history(f"runs/{job.name}/children")["value"][0]
    assert (node["name"], node["status"]) == ("automl", "Completed")
    assert node["properties"]["azureml.pipelinerunid"] == job.name
    assert running.properties(f"/jobs/{node['runId']}")["jobType"] == "AutoML"
    assert node["tags"]["automl_best_child_run_id"] == f"{node['runId']}_0"


def test_command_nodes_run_with_their_code_and_inputs_and_are_streamed(
    ml: Any, tmp_path: Path, running: Emulator, capfd: pytest.CaptureFixture[str]
) -> None:
    from azure.ai.ml import Input, Output, command, dsl

    source = tmp_path / "source"
    source.mkdir()
    (source / "count.py").write_text("import sys; print(len(open(sys.argv[1]).readlines()), 'lines')\n")
    environment = "azureml:AzureML-sklearn-1.5:1"
    copy = command(
        name="copy",
        command="cp ${{inputs.folder}}/data.csv ${{outputs.copied}}/copy.csv",
        environment=environment,
        inputs={"folder": Input(type="uri_folder")},
        outputs={"copied": Output(type="uri_folder")},
    )
    count = command(
        name="count",
        code=str(source),
        command="python count.py ${{inputs.table}}/copy.csv",
        environment=environment,
        inputs={"table": Input(type="uri_folder")},
    )

    def counting(folder: Any) -> None:
        copied = copy(folder=folder)
        count(table=copied.outputs.copied)

    counting.__annotations__.clear()  # the SDK reads the inputs' kinds from them
    job = dsl.pipeline(name="counting", default_compute="cpu-cluster")(counting)(
        folder=Input(type="uri_folder", path="azureml://datastores/data/paths/bank/train")
    )
    made = ml.jobs.create_or_update(job, experiment_name="counting")
    ml.jobs.stream(made.name)
    assert "Execution Summary" in capfd.readouterr().out
    assert ml.jobs.get(made.name).status == "Completed"
    nodes = {n["name"]: n["runId"] for n in running.history(f"runs/{made.name}/children")["value"]}
    log = running.folder / "jobs" / nodes["count"] / "user_logs" / "std_log.txt"
    assert log.read_text() == "241 lines\n"
    alone = command(
        name="alone", command="echo it broke; exit 3", environment=environment, compute="cpu-cluster"
    )
    with pytest.raises(Exception, match=r"exited with code 3\. Its last lines: it broke"):
        ml.jobs.stream(ml.jobs.create_or_update(alone).name)


def test_an_unchanged_component_is_registered_twice_and_its_code_is_uploaded_once(
    ml: Any, tmp_path: Path, running: Emulator
) -> None:
    from azure.ai.ml import load_component

    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "run.py").write_text("print('registered twice')")
    text = "name: twice\nversion: 2\ntype: command\ncode: src\ncommand: python run.py\nenvironment: "
    path = tmp_path / "twice.yml"
    path.write_text(f"{text}azureml:AzureML-sklearn-1.5:1\n")
    made = [ml.components.create_or_update(load_component(path)) for _ in range(2)]
    assert [(m.version, m.code) for m in made] == [("2", made[0].code)] * 2
    path.write_text(f"{text}azureml:AzureML-sklearn-1.5:2\n")
    with pytest.raises(Exception, match="already exists with another specification"):
        ml.components.create_or_update(load_component(path))


@pytest.mark.parametrize("kind", ["command", "pipeline"])
def test_a_component_is_archived_and_restored_version_by_version_and_as_a_whole(
    ml: Any, running: Emulator, kind: str
) -> None:
    name = f"stored-{kind}"
    arm_id = command_component(running, "stored-node" if kind == "pipeline" else name, "true")
    if kind == "pipeline":
        pipeline_component(running, name, {"a": {"type": "command", "componentId": arm_id}}, {})
    ml.components.archive(name, version="1")
    assert [c.version for c in ml.components.list(name)] == []
    ml.components.restore(name, version="1")
    assert [c.version for c in ml.components.list(name)] == ["1"]
    ml.components.archive(name)
    assert name not in [c.name for c in ml.components.list()]
    ml.components.restore(name)
    assert name in [c.name for c in ml.components.list()]


def test_a_schedule_is_made_listed_disabled_and_deleted(ml: Any, data: Any) -> None:
    from azure.ai.ml.entities import CronTrigger, JobSchedule
    from azure.core.exceptions import HttpResponseError

    trigger = CronTrigger(expression="0 3 * * *", time_zone="W. Europe Standard Time")
    schedule = JobSchedule(name="nightly", trigger=trigger, create_job=retraining("azureml:bank:1"))
    made = ml.schedules.begin_create_or_update(schedule).result()
    assert (made.name, made.is_enabled, made.trigger.expression) == ("nightly", True, "0 3 * * *")
    assert [s.name for s in ml.schedules.list()] == ["nightly"]
    triggered = ml.schedules.trigger("nightly")
    assert triggered.schedule_action_type == "CreateJob"
    assert [j.name for j in ml.jobs.list(scheduled_job_name="nightly")] == [triggered.job_name]
    ml.jobs.begin_cancel(triggered.job_name).result()
    with pytest.raises(HttpResponseError, match="disable it"):
        ml.schedules.begin_delete("nightly")
    assert ml.schedules.begin_disable("nightly").result().is_enabled is False
    with pytest.raises(HttpResponseError, match="enable it before it is triggered"):
        ml.schedules.trigger("nightly")
    ml.schedules.begin_delete("nightly").result()
    assert list(ml.schedules.list()) == []
