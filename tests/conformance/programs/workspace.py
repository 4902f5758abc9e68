"""azure-ai-ml, unmodified, in any of its releases: assets, jobs, pipelines and endpoints as strangers' programs use them.

`python workspace.py TRACKING_URI FOLDER`; the workspace's names are in the environment.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
import warnings
from pathlib import Path

import flows

warnings.filterwarnings("ignore")

from azure.ai.ml import Input, MLClient, Output, automl, command, dsl, load_component, load_job  # noqa: E402 - once their warnings are off
from azure.ai.ml.entities import (  # noqa: E402 - once their warnings are off
    AzureBlobDatastore,
    CodeConfiguration,
    CronTrigger,
    Data,
    Environment,
    JobSchedule,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
)
from azure.core.exceptions import ResourceNotFoundError  # noqa: E402 - once their warnings are off
from azure.identity import DefaultAzureCredential  # noqa: E402 - once their warnings are off

FOLDER = Path(sys.argv[2])
IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
ANY = "AzureML-sklearn-1.5@latest"
CLUSTER = "cpu-cluster"
#: Names are used once in a workspace.
TAG = f"{int(time.time() * 1000):x}"
ml = MLClient(
    DefaultAzureCredential(),
    os.environ["AZURE_SUBSCRIPTION_ID"],
    os.environ["AZURE_RESOURCE_GROUP"],
    os.environ["AZUREML_WORKSPACE"],
)
TRAIN = """
import argparse, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--data"); parser.add_argument("--rate", type=float); parser.add_argument("--model")
given = parser.parse_args()
print("rows", len(open(given.data).read().splitlines()) - 1, "rate", given.rate)
pathlib.Path(given.model).mkdir(parents=True, exist_ok=True)
pathlib.Path(given.model, "weights.txt").write_text("weights")
pathlib.Path("outputs/metrics.json").write_text("{}")
"""
SCORE = "import json\ndef init(): print('it begins')\ndef run(raw): return {'got': json.loads(raw)}\n"


def _file(name: str, text: str) -> str:
    path = FOLDER / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def _names(folder: str) -> list[str]:
    return sorted(p.name for p in (FOLDER / folder).rglob("*") if p.is_file())


def _done(job: object, said: str = "") -> str:
    made = ml.jobs.create_or_update(job)
    with contextlib.redirect_stdout(io.StringIO()) as streamed:
        ml.jobs.stream(made.name)
    assert said in streamed.getvalue(), streamed.getvalue()
    assert ml.jobs.get(made.name).status == "Completed"
    return str(made.name)


def data_versions() -> None:
    path = _file("a.csv", "x,y\n1,2\n3,4\n")
    for _ in range(2):
        ml.data.create_or_update(Data(name=f"d{TAG}", type="uri_file", path=path))
    assert ml.data.get(f"d{TAG}", label="latest").version == "2"
    ml.data.archive(f"d{TAG}", version="2")
    assert [d.version for d in ml.data.list(f"d{TAG}")] == ["1"]
    ml.data.restore(f"d{TAG}", version="2")


def datastores() -> None:
    blobs = ml.datastores.get_default()
    made = AzureBlobDatastore(
        name=f"s{TAG}", account_name=blobs.account_name, container_name=blobs.container_name
    )
    ml.datastores.create_or_update(made)
    assert f"s{TAG}" in [d.name for d in ml.datastores.list()]
    ml.datastores.delete(f"s{TAG}")


def environments() -> None:
    conda = _file("conda.yml", "channels: [conda-forge]\ndependencies:\n- python=3.11\n- pip:\n  - numpy\n")
    made = ml.environments.create_or_update(Environment(name=f"e{TAG}", image=IMAGE, conda_file=conda))
    assert ml.environments.get(f"e{TAG}", label="latest").version == made.version
    assert ml.environments.get("AzureML-sklearn-1.5", label="latest").name == "AzureML-sklearn-1.5"


def a_command_job() -> None:
    _file("src/train.py", TRAIN)
    job = command(
        name=f"c{TAG}",
        code=str(FOLDER / "src"),
        command="python train.py --data ${{inputs.data}} --rate ${{inputs.rate}} --model ${{outputs.model}}",
        inputs={"data": Input(type="uri_file", path=f"azureml:d{TAG}:1"), "rate": 0.1},
        outputs={"model": Output(type="uri_folder")},
        environment=f"e{TAG}@latest",
        compute=CLUSTER,
        experiment_name="strangers",
    )
    _done(job, said="rows 2 rate 0.1")


def downloads() -> None:
    ml.jobs.download(f"c{TAG}", download_path=str(FOLDER / "job"), all=True)
    assert "metrics.json" in _names("job")
    ml.jobs.download(f"c{TAG}", download_path=str(FOLDER / "named"), output_name="model")
    assert "weights.txt" in _names("named")


def a_job_of_yaml() -> None:
    text = f"type: command\ncommand: echo ${{{{inputs.word}}}}\ninputs:\n  word: hello\nenvironment:\n  image: {IMAGE}\n"
    _done(load_job(_file("job.yml", f"{text}compute: azureml:{CLUSTER}\n")))


def outputs_become_assets() -> None:
    for kind, name in (("uri_folder", f"od{TAG}"), ("custom_model", f"om{TAG}")):
        output = Output(type=kind, name=name, version="3")
        say = command(
            command="echo hi > ${{outputs.o}}/x.txt", outputs={"o": output}, environment=ANY, compute=CLUSTER
        )
        _done(say)
    assert ml.data.get(f"od{TAG}", "3").type == "uri_folder"
    ml.models.download(f"om{TAG}", "3", download_path=str(FOLDER / "registered"))
    assert "x.txt" in _names("registered")


def outputs_at_a_path() -> None:
    there = f"azureml://datastores/workspaceblobstore/paths/own/{TAG}/"
    output = Output(type="uri_folder", path=there)
    _done(
        command(
            command="echo hi > ${{outputs.o}}/x.txt", outputs={"o": output}, environment=ANY, compute=CLUSTER
        )
    )
    given = Input(type="uri_folder", path=there)
    _done(command(command="cat ${{inputs.i}}/x.txt", inputs={"i": given}, environment=ANY, compute=CLUSTER))


def a_job_that_fails() -> None:
    made = ml.jobs.create_or_update(command(command="exit 3", environment=ANY, compute=CLUSTER))
    said = ""
    try:
        ml.jobs.stream(made.name)
    except Exception as error:  # noqa: BLE001 - its class is another in each release
        said = str(error)
    assert "exited with code 3" in said, said
    assert ml.jobs.get(made.name).status == "Failed"


def a_job_that_is_cancelled() -> None:
    made = ml.jobs.create_or_update(command(command="sleep 100", environment=ANY, compute=CLUSTER))
    ml.jobs.begin_cancel(made.name).result()
    while ml.jobs.get(made.name).status != "Canceled":
        time.sleep(0.1)


def automl_job() -> None:
    job = automl.classification(
        training_data=Input(type="mltable", path="azureml://datastores/data/paths/bank/train"),
        target_column_name="y",
        primary_metric="accuracy",
        compute=CLUSTER,
        experiment_name="strangers",
    )
    job.set_limits(timeout_minutes=5, max_trials=2)
    name = _done(job)
    assert list(ml.jobs.list(parent_job_name=name))
    ml.jobs.download(ml.jobs.get(name).tags["automl_best_child_run_id"], download_path=str(FOLDER / "best"))
    assert "MLmodel" in _names("best")


def _component(name: str, text: str) -> object:
    return load_component(
        source=_file(
            f"{name}.yml", f"name: {name}{TAG}\ntype: command\n{text}environment: azureml:AzureML-any:1\n"
        )
    )


def a_pipeline_of_components() -> None:
    head = "inputs:\n  raw: {type: uri_file}\noutputs:\n  out: {type: uri_folder}\n"
    first = _component(
        "first", f"{head}command: head -n 2 ${{{{inputs.raw}}}} > ${{{{outputs.out}}}}/part.csv\n"
    )
    made = ml.components.create_or_update(first, version="1")
    assert ml.components.get(f"first{TAG}").version == made.version
    head = "inputs:\n  given: {type: uri_folder}\noutputs:\n  kept: {type: uri_folder}\n"
    second = _component(
        "second", f"{head}command: cp ${{{{inputs.given}}}}/part.csv ${{{{outputs.kept}}}}/kept.csv\n"
    )

    def steps(raw) -> dict[str, object]:  # type: ignore[no-untyped-def]
        one = made(raw=raw)
        two = second(given=one.outputs.out)  # type: ignore[operator]
        return {"kept": two.outputs.kept}

    pipeline = dsl.pipeline(default_compute=CLUSTER, experiment_name="strangers")(steps)
    name = _done(pipeline(raw=Input(type="uri_file", path=f"azureml:d{TAG}:1")))
    ml.jobs.download(name, download_path=str(FOLDER / "pipeline"), output_name="kept")
    assert "kept.csv" in _names("pipeline")


def a_schedule() -> None:
    def steps() -> None:
        command(name="say", command="echo hi", environment=ANY)()

    job = dsl.pipeline(name="scheduled", default_compute=CLUSTER)(steps)()
    trigger = CronTrigger(expression="15 10 * * *")
    ml.schedules.begin_create_or_update(JobSchedule(name=f"t{TAG}", trigger=trigger, create_job=job)).result()
    assert f"t{TAG}" in [s.name for s in ml.schedules.list()]
    ml.schedules.begin_disable(f"t{TAG}").result()
    ml.schedules.begin_delete(f"t{TAG}").result()


def models() -> None:
    job = f"azureml://jobs/c{TAG}/outputs/model"
    ml.models.create_or_update(Model(name=f"m{TAG}", path=job, type="custom_model"))
    found = ml.models.create_or_update(Model(name=f"m{TAG}", path=_file("m.txt", "1"), tags={"a": "b"}))
    assert found.version == "2"
    ml.models.download(f"m{TAG}", "1", download_path=str(FOLDER / "model"))
    assert "weights.txt" in _names("model")
    ml.models.archive(f"m{TAG}", version="1")
    assert [m.version for m in ml.models.list(f"m{TAG}")] == ["2"]


def computes() -> None:
    assert CLUSTER in [c.name for c in ml.compute.list()]
    assert ml.compute.list_sizes()
    assert list(ml.compute.list_usage())


def a_deployment() -> None:
    _file("code/score.py", SCORE)
    endpoint = ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=f"e{TAG}")).result()
    for name in ("blue", "green"):
        deployment = ManagedOnlineDeployment(
            name=name,
            endpoint_name=endpoint.name,
            model=f"azureml:m{TAG}:2",
            environment=f"e{TAG}@latest",
            code_configuration=CodeConfiguration(code=str(FOLDER / "code"), scoring_script="score.py"),
            instance_type="Standard_D2as_v4",
            instance_count=1,
        )
        ml.online_deployments.begin_create_or_update(deployment).result()
    endpoint.traffic = {"blue": 90, "green": 10}
    assert ml.online_endpoints.begin_create_or_update(endpoint).result().traffic == endpoint.traffic


def invoke() -> None:
    file = _file("request.json", json.dumps({"a": 1}))
    for name in (None, "green"):
        answer = ml.online_endpoints.invoke(f"e{TAG}", deployment_name=name, request_file=file)
        assert json.loads(answer) == {"got": {"a": 1}}


def logs_and_scale() -> None:
    assert "it begins" in ml.online_deployments.get_logs("green", f"e{TAG}", lines=50)
    deployment = ml.online_deployments.get("green", f"e{TAG}")
    deployment.instance_count = 2
    done = ml.online_deployments.begin_create_or_update(deployment).result()
    assert done.instance_count == 2


def keys() -> None:
    before = ml.online_endpoints.get_keys(f"e{TAG}")
    ml.online_endpoints.begin_regenerate_keys(f"e{TAG}", key_type="secondary").result()
    after = ml.online_endpoints.get_keys(f"e{TAG}")
    assert (before.primary_key == after.primary_key, before.secondary_key == after.secondary_key) == (
        True,
        False,
    )


def an_endpoint_is_deleted() -> None:
    ml.online_endpoints.begin_delete(f"e{TAG}").result()
    try:
        ml.online_endpoints.get(f"e{TAG}")
    except ResourceNotFoundError:
        return
    raise AssertionError("it is there")


if __name__ == "__main__":
    flows.run(
        data_versions,
        datastores,
        environments,
        a_command_job,
        downloads,
        a_job_of_yaml,
        outputs_become_assets,
        outputs_at_a_path,
        a_job_that_fails,
        a_job_that_is_cancelled,
        automl_job,
        a_pipeline_of_components,
        a_schedule,
        models,
        computes,
        a_deployment,
        invoke,
        logs_and_scale,
        keys,
        an_endpoint_is_deleted,
    )
