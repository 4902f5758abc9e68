"""Long-running operations: one rule for every kind of resource."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.emulator_support import WS, Emulator, emulator


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator whose clock stands, so that no operation ends."""
    with emulator(tmp_path_factory.mktemp("emulator")) as running:
        running.call("POST", "/_emulator/clock", {"freeze": True})
        yield running


def schedule() -> dict[str, Any]:
    job = {"jobType": "Command", "command": "true", "environmentId": "azureml:AzureML-any:1"}
    trigger = {"triggerType": "Cron", "expression": "0 3 * * *"}
    return {
        "isEnabled": False,
        "trigger": trigger,
        "action": {"actionType": "CreateJob", "jobDefinition": job},
    }


@pytest.mark.parametrize(
    ("path", "properties"),
    [
        (
            "/computes/busy-cluster",
            {"computeType": "AmlCompute", "properties": {"vmSize": "Standard_DS2_v2"}},
        ),
        ("/onlineEndpoints/busy-online", {"authMode": "Key"}),
        ("/batchEndpoints/busy-batch", {"authMode": "aadToken"}),
        ("/schedules/busy-schedule", schedule()),
    ],
    ids=["compute", "online endpoint", "batch endpoint", "schedule"],
)
def test_while_an_operation_is_in_progress_the_resource_takes_no_other(
    frozen: Emulator, path: str, properties: dict[str, Any]
) -> None:
    body = {"location": "westeurope", "properties": properties}
    assert frozen.arm("PUT", path, body).status_code == 201
    for verb in ("PUT", "DELETE"):
        answer = frozen.arm(verb, path, body if verb == "PUT" else None)
        assert answer.status_code == 409
        assert "has an operation in progress (Creating)" in answer.json()["error"]["message"]
    assert frozen.arm("GET", path).json()["properties"]["provisioningState"] == "Creating"


def test_the_answer_that_begins_an_operation_names_where_it_is_polled(frozen: Emulator) -> None:
    answer = frozen.arm("PUT", "/batchEndpoints/polled", {"location": "x", "properties": {}})
    polled = frozen.call("GET", answer.headers["Azure-AsyncOperation"])
    assert polled.json()["status"] == "Updating"
    assert answer.headers["Location"].startswith(f"{frozen.url}{WS}/batchEndpoints/polled")
