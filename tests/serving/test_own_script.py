"""Our own entry script answers in the endpoint's process, and nobody can tell by its answers.

One endpoint serves the same model twice: `m1` with scorer/score.py byte for byte, `m2` with one comment more, which makes it
a stranger with a process of its own.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

import scorer
from tests.support.emulator_support import trained_model
from tests.support.serving_support import PRIMARY, Endpoint, deployment, running, settings


def code(folder: Path, *, altered: bool) -> Path:
    folder.mkdir(parents=True)
    for file in Path(scorer.__file__).parent.glob("*.py"):
        shutil.copy(file, folder)
    if altered:
        entry = folder / "score.py"
        entry.write_text(entry.read_text() + "# somebody's own\n")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "bank" / "1"
    shutil.copytree(trained_model(), folder)
    return folder


@pytest.fixture(scope="module")
def endpoint(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    folder = tmp_path_factory.mktemp("own")
    entries = {}
    for name, altered in (("m1", False), ("m2", True)):
        told = {
            "code_dir": str(code(folder / name, altered=altered)),
            "code_name": "scorer",
            "entry": "score.py",
            "model_as": "mlflow-model",
            "mounts": str(folder / "app"),
            "variables": {"DROPML_MODEL": "bank:1", "DROPML_THRESHOLD": "0.25"},
        }
        entries[name] = deployment(
            model, folder / f"{name}.log", models_dir=str(model.parents[1]), script=told
        )
    with running(folder, settings(entries, {"m1": 100}), tiny=False) as found:
        states = found.settled()
        assert {name: state["status"] for name, state in states.items()} == {"m1": "ready", "m2": "ready"}
        yield found


def ask(endpoint: Endpoint, name: str, method: str, body: bytes, query: str = "") -> requests.Response:
    headers = {"Authorization": f"Bearer {PRIMARY}", "azureml-model-deployment": name}
    headers["Content-Type"] = "application/json"
    return requests.request(method, f"{endpoint.url}/score{query}", data=body, headers=headers, timeout=30)


def table(model: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((model / "input_example.json").read_text())
    return {"columns": found["columns"], "data": found["data"][:2]}


def questions(model: Path) -> list[tuple[str, bytes, str]]:
    split = table(model)
    columns, (row, *_) = split["columns"], split["data"]
    record = dict(zip(columns, row, strict=True))
    bodies: list[Any] = [
        {"input_data": split},
        {"input_data": [record, record]},
        {"input_data": [record] * 3000},
        {"input_data": [record], "params": {"method": "predict"}},
        {"input_data": [record], "params": {"threshold": 0.9}},
        {"input_data": [record], "params": {"explain": True}},
        {"Inputs": {"data": [record]}, "GlobalParameters": {"method": "predict_proba"}},
        [record],
        {"input_data": []},
        {"input_data": [{"nothing": 1}]},
        {"input_data": [{**record, columns[0]: {"no": "cell"}}]},
        {"input_data": [record], "params": {"threshold": 2}},
        {"input_data": [record], "unknown": 1},
        7,
    ]
    odd = [b"", b"{", b"\xff\xfe", b'{"input_data": [NaN]}', b"[" * 5000]
    posts = [("POST", body, "") for body in (*(json.dumps(body).encode() for body in bodies), *odd)]
    queries = ["", f"?input_data={json.dumps([record])}", "?data=[1]&data=x", "?input_data=%ff"]
    return [*posts, *(("GET", b"", query) for query in queries), ("PUT", b"{}", ""), ("OPTIONS", b"", "")]


def told(answer: requests.Response) -> tuple[object, ...]:
    kept = ("content-type", "x-ms-run-function-failed", "ms-azureml-model-error-statuscode")
    try:
        body = answer.json()
    except ValueError:
        body = answer.text
    return answer.status_code, body, [answer.headers.get(name) for name in kept]


def test_it_answers_as_in_a_process_of_its_own(endpoint: Endpoint, model: Path) -> None:
    for method, body, query in questions(model):
        ours, theirs = (ask(endpoint, name, method, body, query) for name in ("m1", "m2"))
        assert told(ours) == told(theirs), (method, body[:200], query)


def test_it_describes_its_columns_as_in_a_process_of_its_own(endpoint: Endpoint) -> None:
    headers = {"Authorization": f"Bearer {PRIMARY}"}
    for version in ("", "?version=2", "?version=3", "?version=3.1", "?version=9"):
        ours, theirs = (
            requests.get(
                f"{endpoint.url}/swagger.json{version}",
                headers=headers | {"azureml-model-deployment": name},
                timeout=30,
            )
            for name in ("m1", "m2")
        )
        assert told(ours) == told(theirs), version


def test_the_first_question_is_answered_with_probabilities_and_the_deployment_s_threshold(
    endpoint: Endpoint, model: Path
) -> None:
    body = json.dumps({"input_data": table(model)}).encode()
    found = ask(endpoint, "m1", "POST", body).json()
    assert found.keys() == {"result", "probabilities", "classes", "threshold", "model"}
    assert (found["model"], found["threshold"]) == ("bank:1", 0.25)
    second = found["classes"][1]
    assert [label == second for label in found["result"]] == [
        row[1] >= 0.25 for row in found["probabilities"]
    ]


def test_only_the_stranger_has_a_process(endpoint: Endpoint) -> None:
    assert endpoint.process is not None
    assert len(psutil.Process(endpoint.process.pid).children()) == 1
    assert "answers in the endpoint's process" in endpoint.log


def test_a_new_threshold_of_its_variables_comes_into_force_and_a_wrong_one_does_not(
    endpoint: Endpoint, model: Path
) -> None:
    body = json.dumps({"input_data": table(model)}).encode()
    variables = endpoint.settings["deployments"]["m1"]["script"]["variables"]
    for said, due in (("0.75", 0.75), ("often", 0.75), ("0.25", 0.25)):
        variables["DROPML_THRESHOLD"] = said
        endpoint.reload()
        assert endpoint.settled()["m1"]["status"] == ("failed" if said == "often" else "ready")
        assert ask(endpoint, "m1", "POST", body).json()["threshold"] == due
