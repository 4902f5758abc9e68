"""Scoring scripts by the contract of azureml-inference-server-http: what they are given, what their answers become."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from tests.support.serving_support import PRIMARY, Endpoint, deployment, running, settings, wait_until

#: A stand-in for the decorator of inference-schema, which calls `run` with what was found under its parameters' names.
INFERENCE_SCHEMA = "def is_schema_decorated(function): return getattr(function, 'schema', False)\n"
QUIET = "def init(): pass\n"


@contextmanager
def script(
    folder: Path, text: str, *, variables: dict[str, str] | None = None, **more: Any
) -> Iterator[Endpoint]:
    """An endpoint whose deployment m1 runs the script."""
    code = folder / "code"
    (code / "inference_schema").mkdir(parents=True, exist_ok=True)
    (code / "inference_schema" / "schema_util.py").write_text(INFERENCE_SCHEMA)
    (code / "score.py").write_text(text)
    model = folder / "models" / "bank" / "1"
    model.mkdir(parents=True, exist_ok=True)
    (model / "weight.txt").write_text("2")
    told = {
        "code_dir": str(code),
        "code_name": "onlinescoring",
        "entry": "score.py",
        "model_as": "weight.txt",
        "mounts": str(folder / "app"),
        "variables": variables or {},
    }
    entry = deployment(model, folder / "m1.log", models_dir=str(folder / "models"), script=told, **more)
    with running(folder, settings({"m1": entry}, {"m1": 100}), tiny=False) as endpoint:
        yield endpoint


def child(endpoint: Endpoint) -> psutil.Process:
    assert endpoint.process is not None
    (found,) = psutil.Process(endpoint.process.pid).children()
    return found


def test_run_is_given_the_body_as_text_and_a_registered_file_lies_in_the_models_folder(
    tmp_path: Path,
) -> None:
    text = """
import os
def init(): global weight; weight = open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "weight.txt")).read()
def run(anything): return [anything, weight, os.environ["UNIT"]]
"""
    with script(tmp_path, text, variables={"UNIT": "kg"}) as endpoint:
        assert endpoint.settled()["m1"]["status"] == "ready"
        assert endpoint.score({"a": "\u00e9"}).json() == [json.dumps({"a": "\u00e9"}), "2", "kg"]
        headers = {"Authorization": f"Bearer {PRIMARY}"}
        got = requests.get(f"{endpoint.url}/score?a=1&b=x&b=[2]", headers=headers, timeout=10)
        assert json.loads(got.json()[0]) == {"a": 1, "b": ["x", [2]]}
        assert endpoint.score({}, key="wrong").status_code == 401


def test_a_raw_request_is_given_as_it_came_and_answered_as_the_script_says(tmp_path: Path) -> None:
    text = (
        QUIET
        + """
from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse
@rawhttp
def run(request):
    assert isinstance(request, AMLRequest)
    body = request.get_data()[::-1]
    return AMLResponse(body, 200, {"Content-Type": "image/png", "x-seen": request.headers["x-mine"] + request.method})
"""
    )
    with script(tmp_path, text) as endpoint:
        headers = {"Authorization": f"Bearer {PRIMARY}", "Content-Type": "image/png", "x-mine": "1"}
        got = requests.post(f"{endpoint.url}/score", b"\x00\xff", headers=headers, timeout=10)
        assert (got.status_code, got.content) == (200, b"\xff\x00")
        assert (got.headers["Content-Type"], got.headers["x-seen"]) == ("image/png", "1POST")


def test_typed_inputs_are_taken_by_their_names(tmp_path: Path) -> None:
    text = (
        QUIET
        + """
def run(Inputs, GlobalParameters=1.5): return {"inputs": Inputs, "parameters": GlobalParameters}
run.schema = True
"""
    )
    with script(tmp_path, text) as endpoint:
        assert endpoint.score({"Inputs": [1]}).json() == {"inputs": [1], "parameters": 1.5}
        refused = endpoint.score({"GlobalParameters": 2})
        assert (refused.status_code, refused.headers["ms-azureml-model-error-statuscode"]) == (424, "400")
        assert refused.json() == {"message": "A value is not provided for the 'Inputs' parameter."}
        other = endpoint.raw((endpoint.head() + "Content-Length: 3\r\n\r\nabc").encode(), seconds=1)
        assert b"POST body could not be decoded as JSON" in other


@pytest.mark.parametrize(
    ("returned", "status", "body"),
    [
        ("'text'", 200, "text"),
        ("None", 200, {}),
        ("{1, 2}", 424, {"message": "An unexpected internal error occurred. Check the logs for more info."}),
    ],
)
def test_what_run_returns_becomes_json(tmp_path: Path, returned: str, status: int, body: Any) -> None:
    with script(tmp_path, f"{QUIET}def run(data): return {returned}\n") as endpoint:
        answer = endpoint.score({})
        assert (answer.status_code, answer.json()) == (status, body)


def test_the_containers_own_timeout_ends_run_and_the_front_doors_answers_408(tmp_path: Path) -> None:
    slow = QUIET + "import time\ndef run(data): time.sleep(60)\n"
    with script(tmp_path / "own", slow, variables={"SCORING_TIMEOUT_MS": "200"}) as endpoint:
        answer = endpoint.score({})
        assert (answer.status_code, answer.json()) == (424, {"message": "Scoring timeout after 200 ms"})
    with script(tmp_path / "front", slow, request_timeout_s=0.3) as endpoint:
        assert endpoint.score({}).status_code == 408


def test_more_requests_at_once_than_allowed_are_429(tmp_path: Path) -> None:
    text = (
        QUIET
        + "import os, time\ndef run(data):\n    while not os.path.exists(data.strip('\"')): time.sleep(0.02)\n"
    )
    with script(
        tmp_path, text, max_concurrent_requests=1, max_queue_wait_s=30, request_timeout_s=60
    ) as endpoint:
        seen: list[int] = []
        go = str(tmp_path / "go")
        threads = [
            threading.Thread(target=lambda: seen.append(endpoint.score(go).status_code)) for _ in range(5)
        ]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(seen) == 3)  # one runs, one waits
        (tmp_path / "go").touch()
        for thread in threads:
            thread.join()
        assert sorted(seen) == [200, 200, 429, 429, 429]


def test_a_killed_process_is_replaced_and_its_files_go_with_the_endpoint(tmp_path: Path) -> None:
    with script(tmp_path, QUIET + "import os\ndef run(data): return os.getpid()\n") as endpoint:
        before = child(endpoint)
        before.kill()
        wait_until(lambda: endpoint.score({}).status_code == 200)
        assert endpoint.score({}).json() not in (before.pid, 0)
        after = child(endpoint)
        assert [*(tmp_path / "app").iterdir()]
    assert not after.is_running()
    assert [*(tmp_path / "app").iterdir()] == []


def test_a_killed_endpoint_leaves_no_process_behind_though_run_hangs(tmp_path: Path) -> None:
    text = QUIET + "import time\ndef run(data):\n    while True: time.sleep(1)\n"
    with script(tmp_path, text, request_timeout_s=0.2) as endpoint:
        assert endpoint.score({}).status_code == 408
        hanging = child(endpoint)
        assert endpoint.process is not None
        os.kill(endpoint.process.pid, signal.SIGKILL)
        wait_until(lambda: not hanging.is_running() or hanging.status() == psutil.STATUS_ZOMBIE)


def test_a_script_that_never_stops_printing_stays_within_the_logs_bounds(tmp_path: Path) -> None:
    text = "def init():\n    for i in range(200000): print('x' * 100)\ndef run(data): return 'alive'\n"
    with script(tmp_path, text) as endpoint:
        assert endpoint.score({}).json() == "alive"
        assert sum(path.stat().st_size for path in tmp_path.glob("m1.log*")) < 12_000_000


def test_a_registered_file_that_a_script_changes_stays_as_it_was(tmp_path: Path) -> None:
    text = """
import os
def init():
    open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "weight.txt"), "w").write("changed")
    open("score.py", "w").write("changed")
def run(data): return 1
"""
    with script(tmp_path, text) as endpoint:
        assert endpoint.score({}).json() == 1
    assert (tmp_path / "models" / "bank" / "1" / "weight.txt").read_text() == "2"
    assert (tmp_path / "code" / "score.py").read_text() == text


def test_the_projects_own_scoring_script_runs(tmp_path: Path) -> None:
    import shutil

    from tests.support.emulator_support import trained_model

    root = Path(__file__).parents[2]
    model = tmp_path / "models" / "bank" / "1"
    shutil.copytree(trained_model(), model)
    told = {
        "code_dir": str(root / "scorer"),
        "code_name": "scorer",
        "entry": "score.py",
        "model_as": "mlflow-model",
        "mounts": str(tmp_path / "app"),
    }
    own = {"model": "bank:1", "models_dir": str(tmp_path / "models"), "script": told}
    entry = deployment(model, tmp_path / "m1.log", **own)
    with running(tmp_path, settings({"m1": entry}, {"m1": 100}), tiny=False) as endpoint:
        assert endpoint.settled()["m1"]["status"] == "ready", endpoint.log
        table = {"columns": ["age", "balance", "job"], "index": [0], "data": [[65, 800, "student"]]}
        found = endpoint.score({"input_data": table}).json()
        assert found["result"] == ["yes"]
        assert found["model"] == "bank:1"
        assert sum(found["probabilities"][0]) == pytest.approx(1)
        for version in ("2", "3", "3.1"):
            taken, given = described(endpoint, version)
            assert list(taken["properties"]["input_data"]["items"]["properties"]) == table["columns"]
            assert endpoint.score(taken["example"]).json().keys() <= given["properties"].keys()
    assert not [*(root / "scorer").glob("swagger*.json")]


def described(endpoint: Endpoint, version: str) -> list[dict[str, Any]]:
    """What the deployment says it takes and answers."""
    headers = {"Authorization": f"Bearer {PRIMARY}"}
    got = requests.get(f"{endpoint.url}/swagger.json?version={version}", headers=headers, timeout=10).json()
    schemas = got.get("definitions") or got["components"]["schemas"]
    return [schemas[name] for name in ("ServiceInput", "ServiceOutput")]
