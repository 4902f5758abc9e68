"""One id from the caller to the endpoint: in the answer, in what the app and the endpoint send, in the log lines of both."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
import requests

from tests.support.live_stack import LiveStack, live_stack

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
SECONDS = 30.0
T = TypeVar("T")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    with live_stack(tmp_path_factory.mktemp("correlation"), budget=10) as live:
        yield live


@pytest.fixture(scope="module")
def live(stack: LiveStack) -> dict[str, Any]:
    return stack.live("shop")


def telemetry(stack: LiveStack, **filters: str) -> list[dict[str, Any]]:
    """What the emulator's Application Insights has taken."""
    (secret,) = stack.running.home.rglob("emulator.secret")
    answer = requests.get(
        f"https://localhost:{stack.running.places.emulator_port}/_emulator/telemetry",
        params=filters,
        headers={"x-emulator-secret": secret.read_text().strip()},
        verify=stack.running.places.ca,
        timeout=30,
    )
    answer.raise_for_status()
    return [each["item"] for each in answer.json()["items"]]


def soon(look: Callable[[], T], enough: Callable[[T], bool]) -> T:
    """What is seen once it is enough, or at the end of patience: telemetry and logs are written beside the calls."""
    deadline = time.monotonic() + SECONDS
    while not enough(found := look()) and time.monotonic() < deadline:
        time.sleep(0.3)
    return found


def role(item: dict[str, Any]) -> str:
    return str(item["tags"].get("ai.cloud.role", "app"))


def lines(stack: LiveStack, endpoint: str, request_id: str) -> list[str]:
    log = stack.get(f"/endpoints/{endpoint}/logs")["log"]
    return [line for line in log.splitlines() if request_id in line]


def guid(trace: str) -> str:
    return "-".join((trace[:8], trace[8:12], trace[12:16], trace[16:20], trace[20:]))


def test_a_callers_trace_is_the_operation_of_all_that_comes_of_its_call(
    stack: LiveStack, live: dict[str, Any]
) -> None:
    trace, endpoint = secrets.token_hex(16), live["placement"]["endpoint"]
    answer = stack.request(
        "POST",
        "/score/shop",
        json={"data": live["snapshot"]["schema"]["example"]},
        headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"},
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-request-id"] == guid(trace)

    items = soon(lambda: telemetry(stack, operation_id=trace), lambda found: len(found) >= 3)
    kinds = sorted((item["data"]["baseType"], role(item) == endpoint) for item in items)
    assert kinds == [("RemoteDependencyData", False), ("RequestData", False), ("RequestData", True)]
    by_kind = {(item["data"]["baseType"], role(item) == endpoint): item for item in items}
    call, dependency = by_kind["RequestData", False], by_kind["RemoteDependencyData", False]
    assert dependency["tags"]["ai.operation.parentId"] == call["data"]["baseData"]["id"]
    assert dependency["data"]["baseData"]["target"] == endpoint
    (line,) = soon(lambda: lines(stack, endpoint, guid(trace)), bool)
    assert "/score" in line


def test_a_name_that_is_no_guid_is_found_at_the_endpoint_as_the_clients(
    stack: LiveStack, live: dict[str, Any]
) -> None:
    name, endpoint = f"order-{secrets.token_hex(4)}", live["placement"]["endpoint"]
    answer = stack.request(
        "POST",
        "/score/shop",
        json={"data": live["snapshot"]["schema"]["example"]},
        headers={"x-request-id": name},
    )
    assert answer.headers["x-request-id"] == name
    found = soon(lambda: telemetry(stack, contains=name), lambda items: len(items) >= 3)
    at_endpoint = [item["data"]["baseData"]["properties"] for item in found if role(item) == endpoint]
    assert [each["Client Request Id"] for each in at_endpoint] == [name]
    assert {each["tags"]["ai.operation.id"] for each in found if role(each) != endpoint} == {name}


def test_a_refusal_names_the_callers_trace(stack: LiveStack, live: dict[str, Any]) -> None:
    trace = secrets.token_hex(16)
    refused = stack.request(
        "POST",
        "/score/shop",
        json={"data": [{"nothing": 1}]},
        headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"},
    )
    assert refused.status_code == 422, refused.text
    assert refused.json()["request_id"] == guid(trace)
    (item,) = soon(lambda: telemetry(stack, operation_id=trace), bool)
    assert item["data"]["baseData"]["responseCode"] == "422"


def test_the_hosts_log_lines_carry_the_callers_trace(stack: LiveStack, live: dict[str, Any]) -> None:
    trace = secrets.token_hex(16)
    done = stack.request(
        "POST",
        f"/datasets/{live['slug']}/pause",
        headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"},
    )
    stack.request("POST", f"/datasets/{live['slug']}/resume")
    assert done.status_code == 200, done.text
    log = stack.running.home / "logs" / "host.log"

    def told() -> list[str]:
        return [line for line in log.read_text().splitlines() if guid(trace) in line]

    (line,) = [line for line in soon(told, bool) if "dataset-paused" in line]
    assert line.endswith(f"[{guid(trace)}]")
    (item,) = soon(lambda: telemetry(stack, operation_id=trace), bool)
    assert item["data"]["baseData"]["name"] == "dataset-paused"
