"""Deployments with a scoring script, made with azure-ai-ml: they answer, and what goes wrong in them is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.emulator_sdk import client
from tests.support.emulator_support import Emulator, emulator, eventually, no_schema_download, sdk_environment

IMAGE = "mcr.microsoft.com/azureml/minimal-ubuntu22.04-py311-cpu-inference"
CONDA = {"dependencies": ["python=3.11", {"pip": ["no-such-package==1.0"]}]}
SCRIPT = """
import json, logging, os, sys
from azureml_inference_server_http.api.aml_response import AMLResponse
import helper

def init():
    global weight
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "weights", "weight.txt")) as file:
        weight = float(file.read())
    print("the weight is", weight)
    print("said to stderr", file=sys.stderr)

def run(raw_data):
    given = json.loads(raw_data)
    if "status" in given:
        return AMLResponse({"refused": True}, given["status"], {"x-own": "yes"}, json_str=True)
    if "end" in given:
        os._exit(9)
    return {"scores": [helper.times(weight, value) for value in given["values"]], "unit": os.environ["UNIT"]}
"""
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, azurite: str) -> Iterator[Emulator]:
    folder = tmp_path_factory.mktemp("emulator")
    with emulator(folder, azurite, "--operation-seconds", "0.2") as found:
        yield found


@pytest.fixture(scope="module")
def ml(running: Emulator) -> Iterator[Any]:
    with sdk_environment(running), no_schema_download():
        yield client()


@pytest.fixture(scope="module")
def endpoint(ml: Any) -> Any:
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    return ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="scripts-ep")).result()


def deploy(ml: Any, folder: Path, name: str, script: str, *, model: bool = True, **more: Any) -> Any:
    """The code of a folder and a model of another, as the documentation's samples deploy them."""
    from azure.ai.ml.entities import (
        CodeConfiguration,
        Environment,
        ManagedOnlineDeployment,
        Model,
        OnlineRequestSettings,
    )

    code, weights = folder / "onlinescoring", folder / "weights"
    code.mkdir(parents=True)
    weights.mkdir()
    (code / "score.py").write_text(script)
    (code / "helper.py").write_text("def times(a, b):\n    return a * b\n")
    (weights / "weight.txt").write_text("2.5")
    deployment = ManagedOnlineDeployment(
        name=name,
        endpoint_name="scripts-ep",
        model=Model(path=str(weights)) if model else None,
        environment=Environment(image=IMAGE, conda_file=CONDA),
        code_configuration=CodeConfiguration(code=str(code), scoring_script="score.py"),
        environment_variables={"UNIT": "kg"},
        instance_type="Standard_D2as_v4",
        instance_count=1,
        request_settings=OnlineRequestSettings(request_timeout_ms=20000),
        **more,
    )
    return ml.online_deployments.begin_create_or_update(deployment).result()


def score(ml: Any, deployment: str, body: Any) -> requests.Response:
    url = ml.online_endpoints.get("scripts-ep").scoring_uri
    key = ml.online_endpoints.get_keys("scripts-ep").primary_key
    headers = {"Authorization": f"Bearer {key}", "azureml-model-deployment": deployment}
    return requests.post(url, json=body, headers=headers, timeout=60)


def logs(ml: Any, deployment: str) -> str:
    return str(ml.online_deployments.get_logs(deployment, "scripts-ep", lines=500))


@pytest.fixture(scope="module")
def blue(ml: Any, endpoint: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return deploy(ml, tmp_path_factory.mktemp("blue"), "blue", SCRIPT)


def test_a_script_answers_with_its_model_its_modules_and_its_variables(ml: Any, blue: Any) -> None:
    assert blue.provisioning_state == "Succeeded"
    assert blue.environment_variables["AML_APP_ROOT"] == "/var/azureml-app/onlinescoring"
    assert blue.environment_variables["AZUREML_ENTRY_SCRIPT"] == "score.py"
    answer = score(ml, "blue", {"values": [1, 2]})
    assert (answer.status_code, answer.json()) == (200, {"scores": [2.5, 5.0], "unit": "kg"})
    assert float(answer.headers["x-ms-run-fn-exec-ms"]) >= 0


def test_what_a_script_says_and_what_its_environment_lacks_is_in_the_logs(ml: Any, blue: Any) -> None:
    found = logs(ml, "blue")
    assert "azmlinfsrv.print - the weight is 2.5" in found
    assert "said to stderr" in found
    assert "no-such-package (not installed)" in found
    assert "isn't built here" in found


def test_an_answer_of_its_own_and_an_exception_are_424_and_the_traceback_is_in_the_logs(
    ml: Any, blue: Any
) -> None:
    own = score(ml, "blue", {"status": 422})
    assert (own.status_code, own.json(), own.headers["x-own"]) == (424, {"refused": True}, "yes")
    assert own.headers["ms-azureml-model-error-statuscode"] == "422"
    failed = score(ml, "blue", {"other": 1})
    assert failed.status_code == 424
    assert failed.json()["message"].startswith("An unexpected error occurred in scoring script")
    assert failed.headers["x-ms-run-function-failed"] == "True"
    eventually(lambda: "KeyError: 'values'" in logs(ml, "blue"), what="the traceback in the logs")


def test_a_script_that_ends_its_process_gets_a_new_one(ml: Any, blue: Any) -> None:
    assert score(ml, "blue", {"end": 1}).status_code == 424
    eventually(lambda: score(ml, "blue", {"values": [2]}).status_code == 200, what="a new process")
    assert "(exit 9); it is started again" in logs(ml, "blue")


def test_no_secret_of_the_endpoint_reaches_the_script(
    ml: Any, running: Emulator, endpoint: Any, tmp_path: Path
) -> None:
    script = """
import os, sys
def init(): pass
def run(raw_data, request_headers):
    return {"variables": sorted(os.environ), "headers": sorted(request_headers), "path": sys.path}
"""
    deploy(ml, tmp_path, "nosy", script, model=False)
    seen = score(ml, "nosy", {}).json()
    assert not [v for v in seen["variables"] if "SECRET" in v or "STORAGE" in v or "IDENTITY" in v]
    assert "AZUREML_MODEL_DIR" not in seen["variables"]
    assert "Authorization" not in seen["headers"]
    assert str(Path(__file__).parents[2]) not in seen["path"]


@pytest.mark.parametrize(
    ("name", "script", "sentence"),
    [
        (
            "raises",
            "def init(): raise ValueError('no weights')\ndef run(data): pass\n",
            "ValueError: no weights",
        ),
        ("lacks", "import no_such_package\n", "no-such-package (not installed)"),
        ("norun", "def init(): pass\n", "does not have a run() function defined"),
    ],
)
def test_a_script_that_does_not_start_fails_its_deployment_with_the_traceback(
    ml: Any, endpoint: Any, tmp_path: Path, name: str, script: str, sentence: str
) -> None:
    with pytest.raises(Exception, match="User container has crashed") as failure:
        deploy(ml, tmp_path, name, script)
    assert sentence in str(failure.value)
    assert "Traceback" in str(failure.value)
    assert "Traceback" in logs(ml, name)
    assert ml.online_deployments.get(name, "scripts-ep").provisioning_state == "Failed"


def test_a_plain_scikit_learn_model_serves_without_a_script(ml: Any, endpoint: Any, tmp_path: Path) -> None:
    from azure.ai.ml.entities import ManagedOnlineDeployment, Model

    from tests.support.ordinary_models import sklearn_model

    folder = sklearn_model(tmp_path / "model")
    (folder / "conda.yaml").write_text("dependencies:\n- pip:\n  - no-such-package==1.0\n")
    model = ml.models.create_or_update(
        Model(name="plain", version="1", path=str(folder), type="mlflow_model")
    )
    deployment = ManagedOnlineDeployment(
        name="plain",
        endpoint_name="scripts-ep",
        model=model,
        instance_type="Standard_D2as_v4",
        instance_count=1,
    )
    made = ml.online_deployments.begin_create_or_update(deployment).result()
    assert made.provisioning_state == "Succeeded"
    body = {"input_data": {"columns": ["a", "b"], "index": [0, 1], "data": [[0.0, 1.0], [1.0, 0.0]]}}
    assert score(ml, "plain", body).json() == ["no", "yes"]
    found = logs(ml, "plain")
    assert "is loaded by" in found
    assert "no-such-package (not installed)" in found
