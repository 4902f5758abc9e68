"""Online endpoints: real processes behind them, Azure's rules in front of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from tests.support.emulator_support import WS, Emulator, emulator, eventually, trained_model, upload_folder

CODE = {"codeId": f"{WS}/codes/c/versions/1", "scoringScript": "score.py"}
ROWS = {"input_data": {"columns": ["age", "balance", "job"], "index": [0], "data": [[65, 800, "student"]]}}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, azurite: str) -> Iterator[Emulator]:
    upload_folder(azurite, "emulator-endpoints", "model", trained_model())
    options = ["--datastore", "data=emulator-endpoints", "--operation-seconds", "0.2"]
    with emulator(tmp_path_factory.mktemp("emulator"), azurite, *options) as found:
        register(found, "bank")
        put_endpoint(found, "bank-ep")
        found.wait_state("/onlineEndpoints/bank-ep")
        put_deployment(found, "bank-ep", "blue")
        found.wait_state("/onlineEndpoints/bank-ep/deployments/blue")
        put_endpoint(found, "bank-ep", traffic={"blue": 100})
        found.wait_state("/onlineEndpoints/bank-ep")
        yield found


def register(running: Emulator, name: str, path: str = "model") -> None:
    body = {"modelType": "mlflow_model", "modelUri": f"azureml://datastores/data/paths/{path}"}
    answer = running.arm("PUT", f"/models/{name}/versions/1", {"properties": body})
    assert answer.status_code == 201, answer.text


def put_endpoint(running: Emulator, name: str, mode: str = "Key", **properties: Any) -> requests.Response:
    body = {
        "location": "westeurope",
        "identity": {"type": "SystemAssigned"},
        "tags": {},
        "properties": {"authMode": mode, "traffic": {}, "mirrorTraffic": {}, "properties": {}} | properties,
    }
    return running.arm("PUT", f"/onlineEndpoints/{name}", body, api="2022-02-01-preview")


def put_deployment(
    running: Emulator, endpoint: str, name: str, model: str = "bank", **properties: Any
) -> requests.Response:
    body = {
        "location": "westeurope",
        "sku": {"name": "Default", "capacity": 1},
        "properties": {
            "endpointComputeType": "Managed",
            "model": f"{WS}/models/{model}/versions/1",
            "instanceType": "Standard_D2as_v4",
            "appInsightsEnabled": True,
            "requestSettings": {"requestTimeout": "PT30S"},
        }
        | properties,
    }
    return running.arm("PUT", f"/onlineEndpoints/{endpoint}/deployments/{name}", body)


def keys(running: Emulator, endpoint: str = "bank-ep") -> dict[str, str]:
    return dict(running.arm("POST", f"/onlineEndpoints/{endpoint}/listKeys").json())


def score(running: Emulator, key: str, endpoint: str = "bank-ep") -> requests.Response:
    uri = running.properties(f"/onlineEndpoints/{endpoint}")["scoringUri"]
    return requests.post(uri, json=ROWS, headers={"Authorization": f"Bearer {key}"}, timeout=10)


def message(answer: requests.Response) -> str:
    assert answer.status_code >= 400, answer.text
    return str(answer.json()["error"]["message"])


def test_a_put_answers_201_and_creating_and_the_operation_tells_the_rest(running: Emulator) -> None:
    first = put_endpoint(running, "life-ep")
    assert (first.status_code, first.json()["properties"]["provisioningState"]) == (201, "Creating")
    assert first.json()["properties"]["scoringUri"] is None
    assert first.headers["x-ms-async-operation-timeout"] == "PT30M"
    poll = running.call("GET", first.headers["Azure-AsyncOperation"]).json()
    assert (poll["status"], poll["endTime"]) == ("Updating", "0001-01-01T00:00:00+00:00")
    assert poll["name"].startswith("oeidp:")
    assert put_endpoint(running, "life-ep").status_code == 409
    made = running.wait_state("/onlineEndpoints/life-ep")
    assert made["scoringUri"].endswith("/score")
    # An update answers 201 as well, without what the service leaves out.
    second = put_endpoint(running, "life-ep", description="again")
    assert second.status_code == 201
    assert not {"location", "identity"} & second.json().keys()
    assert second.json()["systemData"].keys() == {"lastModifiedAt"}
    running.wait_state("/onlineEndpoints/life-ep")
    gone = running.arm("DELETE", "/onlineEndpoints/life-ep")
    assert (gone.status_code, gone.text) == (202, "null")
    eventually(
        lambda: running.arm("GET", "/onlineEndpoints/life-ep").status_code == 404, what="the endpoint to go"
    )
    assert running.arm("DELETE", "/onlineEndpoints/life-ep").status_code == 204
    with pytest.raises(requests.ConnectionError):
        requests.get(made["scoringUri"], timeout=2)


def test_a_deployment_serves_the_registered_model(running: Emulator) -> None:
    found = running.properties("/onlineEndpoints/bank-ep/deployments/blue")
    assert found["requestSettings"] == {
        "maxQueueWait": "PT0S",
        "requestTimeout": "PT30S",
        "maxConcurrentRequestsPerInstance": 1,
    }
    assert found["environmentVariables"]["AZUREML_MODEL_DIR"] == "/var/azureml-app/azureml-models/bank/1"
    answer = score(running, keys(running)["primaryKey"])
    assert (answer.status_code, answer.json()) == (200, ["yes"])
    assert answer.headers["azureml-model-deployment"] == "blue"
    assert score(running, "nonsense").status_code == 401
    log = running.arm("POST", "/onlineEndpoints/bank-ep/deployments/blue/getLogs", {"tail": 100}).json()
    assert "bank:1" in log["content"]


@pytest.mark.parametrize(
    ("traffic", "sentence"),
    [
        ({"traffic": {"blue": 60}}, "must be 0 or 100, but it is 60"),
        ({"traffic": {"green": 100}}, "'green', which does not exist"),
        ({"traffic": {"blue": 150}}, "from 0 to 100"),
        ({"traffic": {"blue": 100}, "mirrorTraffic": {"blue": 10}}, "no live traffic"),
    ],
)
def test_traffic_follows_azures_rules(running: Emulator, traffic: dict[str, Any], sentence: str) -> None:
    assert sentence in message(put_endpoint(running, "bank-ep", **traffic))
    assert running.properties("/onlineEndpoints/bank-ep")["traffic"] == {"blue": 100}


def test_a_deployment_with_traffic_is_not_deleted(running: Emulator) -> None:
    assert "100 percent" in message(running.arm("DELETE", "/onlineEndpoints/bank-ep/deployments/blue"))
    assert running.arm("DELETE", "/onlineEndpoints/bank-ep/deployments/absent").status_code == 204


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"model": f"{WS}/models/absent/versions/1"}, "The specified resource was not found."),
        ({"instanceType": None}, "instance type 'None' is invalid"),
        ({"requestSettings": {"requestTimeout": "PT5M"}}, "at most 180 seconds"),
        ({"endpointComputeType": "Kubernetes"}, "endpointComputeType is invalid"),
        ({"codeConfiguration": {"scoringScript": "score.py"}}, "needs 'codeId' and 'scoringScript'"),
        ({"codeConfiguration": CODE}, "'environmentId' is required"),
        ({"codeConfiguration": CODE, "environmentId": "e"}, "Code version c:1 not found"),
        ({"environmentId": "azureml:nope:1"}, "No environment exists for name: nope, version: 1, label: "),
        (
            {"codeConfiguration": CODE | {"scoringScript": "../score.py"}, "environmentId": "e"},
            "a path inside the code",
        ),
    ],
)
def test_deployments_that_azure_or_the_emulator_cannot_run_are_refused(
    running: Emulator, change: dict[str, Any], sentence: str
) -> None:
    assert sentence in message(put_deployment(running, "bank-ep", "wrong", **change))
    assert running.arm("GET", "/onlineEndpoints/bank-ep/deployments/wrong").status_code == 404


def test_a_model_that_does_not_load_fails_the_operation_and_spares_the_others(
    running: Emulator, azurite: str, tmp_path: Path
) -> None:
    (tmp_path / "MLmodel").write_text("flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n")
    upload_folder(azurite, "emulator-endpoints", "broken", tmp_path)
    register(running, "broken", "broken")
    answer = put_deployment(running, "bank-ep", "broken", model="broken")
    assert answer.status_code == 201
    poll = eventually(
        lambda: (
            (p := running.call("GET", answer.headers["Azure-AsyncOperation"]).json())["status"] != "Updating"
            and p
        )
    )
    assert poll["status"] == "Failed"
    assert poll["error"]["code"] == "ResourceNotReady"
    assert "User container has crashed or terminated" in poll["error"]["message"]
    assert running.properties("/onlineEndpoints/bank-ep/deployments/broken")["provisioningState"] == "Failed"
    assert "it can't take traffic" in message(put_endpoint(running, "bank-ep", traffic={"broken": 100}))
    assert score(running, keys(running)["primaryKey"]).json() == ["yes"]
    assert running.arm("DELETE", "/onlineEndpoints/bank-ep/deployments/broken").status_code == 202


def test_keys_are_regenerated_one_at_a_time(running: Emulator) -> None:
    before = keys(running)
    body = {"keyType": "Primary", "keyValue": "a-key-of-my-own-choice"}
    answer = running.arm("POST", "/onlineEndpoints/bank-ep/regenerateKeys", body)
    assert answer.status_code == 202
    running.wait_state("/onlineEndpoints/bank-ep")
    assert keys(running) == {"primaryKey": "a-key-of-my-own-choice", "secondaryKey": before["secondaryKey"]}
    assert score(running, before["primaryKey"]).status_code == 401
    assert score(running, "a-key-of-my-own-choice").status_code == 200


def test_token_endpoints_take_their_tokens_and_have_no_keys(running: Emulator) -> None:
    for name, mode in (("aml-ep", "AMLToken"), ("aad-ep", "AADToken")):
        put_endpoint(running, name, mode)
        running.wait_state(f"/onlineEndpoints/{name}")
        put_deployment(running, name, "blue")
        running.wait_state(f"/onlineEndpoints/{name}/deployments/blue")
        put_endpoint(running, name, mode, traffic={"blue": 100})
        running.wait_state(f"/onlineEndpoints/{name}")
        assert "has no keys" in message(running.arm("POST", f"/onlineEndpoints/{name}/listKeys"))
        token = running.arm("POST", f"/onlineEndpoints/{name}/token").json()
        assert token["expiryTimeUtc"] - token["refreshAfterTimeUtc"] == 43169
        assert score(running, token["accessToken"], name).status_code == 200
        assert score(running, jwt.encode({"exp": 4102444800}, "x" * 32), name).status_code == 401
    assert score(running, running.token("https://ml.azure.com"), "aad-ep").status_code == 200
    assert score(running, running.token("https://management.azure.com"), "aad-ep").status_code == 401


def test_a_dead_endpoint_process_is_started_again_where_it_was(running: Emulator) -> None:
    key = keys(running)["primaryKey"]
    uri = running.properties("/onlineEndpoints/bank-ep")["scoringUri"]
    process = next(
        p for p in running.processes() if str(running.folder / "endpoints" / "bank-ep") in p.cmdline()
    )
    process.kill()

    def answers() -> bool:
        try:
            return score(running, key).status_code == 200
        except requests.ConnectionError:
            return False

    eventually(answers, what="the endpoint to come back")
    assert running.properties("/onlineEndpoints/bank-ep")["scoringUri"] == uri


def test_scoring_goes_on_while_the_emulator_is_killed_and_comes_back(running: Emulator) -> None:
    """The endpoint is a process of its own; a new emulator finds it again, and its port stays."""
    key, uri = keys(running)["primaryKey"], running.properties("/onlineEndpoints/bank-ep")["scoringUri"]
    codes: list[int] = []
    done = threading.Event()

    def caller() -> None:
        with requests.Session() as session:
            while not done.is_set():
                answer = session.post(uri, json=ROWS, headers={"Authorization": f"Bearer {key}"}, timeout=10)
                codes.append(answer.status_code)

    thread = threading.Thread(target=caller)
    thread.start()
    running.kill()
    time.sleep(0.3)
    running.start(running.port)
    eventually(lambda: running.properties("/onlineEndpoints/bank-ep")["provisioningState"] == "Succeeded")
    put_endpoint(running, "bank-ep", traffic={"blue": 100}, description="still mine")
    running.wait_state("/onlineEndpoints/bank-ep")
    done.set()
    thread.join()
    assert len(codes) > 20
    assert set(codes) == {200}
    # A stop takes the process along; the next start brings it back to the same address.
    running.stop()
    assert running.processes() == []
    running.start(running.port)
    eventually(running.processes, what="the endpoint's process")
    eventually(lambda: _scores(uri, key), what="the endpoint to serve again")


def _scores(uri: str, key: str) -> bool:
    try:
        answer = requests.post(uri, json=ROWS, headers={"Authorization": f"Bearer {key}"}, timeout=10)
    except requests.ConnectionError:
        return False
    return answer.status_code == 200


def test_a_call_right_after_a_restart_waits_for_its_endpoint_and_is_answered(running: Emulator) -> None:
    """Every process went with the emulator; the port is held until the new process has its model."""
    key = keys(running)["primaryKey"]
    uri = running.properties("/onlineEndpoints/bank-ep")["scoringUri"]
    assert running.stop() == 0
    assert running.processes() == []
    running.start(running.port)
    answer = requests.post(uri, json=ROWS, headers={"Authorization": f"Bearer {key}"}, timeout=40)
    assert answer.status_code == 200
    assert answer.json() == score(running, key).json()


def test_a_deployment_answers_late_or_fails_as_a_test_orders_and_as_before_afterwards(
    running: Emulator,
) -> None:
    path = "/_emulator/onlineEndpoints/bank-ep/deployments/blue/answers"
    key = keys(running)["primaryKey"]
    before = score(running, key)
    assert before.status_code == 200
    assert running.call("PUT", path, {"status": 503}).status_code == 201
    failed = score(running, key)
    assert failed.status_code == 424
    assert failed.headers["ms-azureml-model-error-statuscode"] == "503"
    assert running.call("PUT", path, {"seconds": 0.3}).status_code == 201
    began = time.monotonic()
    late = score(running, key)
    assert (late.status_code, late.json()) == (200, before.json())
    assert time.monotonic() - began >= 0.3
    assert running.call("PUT", path, {"status": 200}).status_code == 400
    assert running.call("DELETE", path).status_code == 204
    assert score(running, key).status_code == 200
