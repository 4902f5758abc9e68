"""What runs beside the requests outlives any exception: it is one item's, it is recorded, and the others go on."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message

from dropml.azureml.core.config import Settings
from dropml.azureml.core.loops import every
from dropml.azureml.core.store import Doc
from dropml.azureml.front.app import Emulator, build
from dropml.azureml.workspace.ingestion import Telemetry
from dropml.common.processes import Child
from tests.support.emulator_loops import Oddity, beside, odd, traced, until, without_sockets


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    with without_sockets(tmp_path) as found:
        yield found


def test_a_loop_records_what_a_round_throws_and_comes_round_again(caplog: pytest.LogCaptureFixture) -> None:
    rounds: list[int] = []

    async def do() -> None:
        rounds.append(len(rounds))
        raise Oddity

    beside(lambda: every(0.001, "the test's loop", do), lambda: len(rounds) > 3)
    assert traced(caplog, "the test's loop")


def schedule(emulator: Emulator, name: str) -> None:
    now = emulator.context.clock.now()
    trigger = {"triggerType": "Recurrence", "frequency": "Hour", "interval": 1, "timeZone": "UTC"}
    doc = {
        "name": name,
        "properties": {"trigger": trigger, "action": {"jobDefinition": {"jobType": name}}},
        "created": now - 7200,
        "next": now + 0.2,
        "state": "Succeeded",
        "status": "enabled",
    }
    emulator.context.store.put("schedule", name, doc)


def test_a_schedule_whose_job_cannot_be_made_stops_no_other_and_fires_again(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fired: list[str] = []

    def submit(_name: str, given: Doc, **_extra: Any) -> None:
        if given["jobType"] == "odd":
            raise Oddity
        fired.append(given["jobType"])

    monkeypatch.setattr(emulator.schedules._jobs, "submit", submit)
    for name in ("good-1", "odd", "good-2"):
        schedule(emulator, name)
    beside(emulator.schedules.run, lambda: len(fired) == 2)
    assert sorted(fired) == ["good-1", "good-2"]
    assert traced(caplog, "schedule odd")
    doc = emulator.context.store.get("schedule", "odd")
    assert doc is not None
    assert doc["next"] > emulator.context.clock.now() + 60, "the occurrence was not passed over"


def test_a_schedule_that_cannot_be_read_stops_no_other_at_the_start(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fired: list[str] = []
    monkeypatch.setattr(emulator.schedules._jobs, "submit", lambda name, *_, **__: fired.append(name))
    broken = {"name": "odd", "next": 1.0, "state": "Succeeded", "status": "enabled", "created": 0.0}
    emulator.context.store.put("schedule", "odd", broken)
    schedule(emulator, "good")
    beside(emulator.schedules.run, lambda: len(fired) == 1)
    assert "schedule odd" in caplog.text


class Dead(Child):
    def __init__(self) -> None:
        super().__init__(0, 0.0)

    def alive(self) -> bool:
        return False


def test_an_endpoint_that_cannot_be_started_again_ends_no_supervision(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    again: list[str] = []

    async def ensure(name: str) -> None:
        again.append(name)
        if name == "odd":
            raise Oddity

    processes = emulator.endpoints.processes
    monkeypatch.setattr("dropml.azureml.online.process._WATCH_SECONDS", 0.005)
    monkeypatch.setattr(processes, "ensure", ensure)
    processes._children = {"odd": Dead(), "good": Dead()}
    beside(processes.supervise, lambda: again.count("good") > 2 and again.count("odd") > 2)
    assert traced(caplog, "endpoint odd")


def test_an_endpoint_that_cannot_be_found_again_after_a_kill_holds_up_no_other(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    async def reload(name: str) -> Doc:
        if name.startswith("odd"):
            raise Oddity
        told.append(name)
        return {}

    processes = emulator.endpoints.processes
    monkeypatch.setattr(processes, "reload", reload)
    processes._serving = ["odd-1", "good-1"]

    async def story() -> None:
        processes.comeback.hold([("odd-2", None), ("good-2", None)])
        await processes.resume()

    asyncio.run(story())
    assert sorted(told) == ["good-1", "good-2"]
    assert traced(caplog, "endpoint odd-1")
    assert traced(caplog, "endpoint odd-2")


@pytest.mark.parametrize("where", ["work_put", "settle_put"])
def test_an_operation_ends_whatever_its_work_or_its_end_throws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    """An operation that never ended would refuse every later one of its resource."""
    from dropml.azureml.batch.endpoints import BatchEndpoints

    monkeypatch.setattr(BatchEndpoints, where, odd)
    emulator = build(Settings(port=1, data=tmp_path, operation_seconds=0.0))
    operations, store = emulator.context.operations, emulator.context.store

    async def story() -> tuple[Doc, Doc]:
        store.put("batch", "ep", {"name": "ep", "state": "Creating"})
        failing = operations.begin("batch.put", "ep", "v1")
        other = operations.begin("compute.put", "cpu-cluster", "v1")
        await until(lambda: not operations.pending(failing["id"]) and not operations.pending(other["id"]))
        return store.get("operation", failing["id"]) or {}, store.get("operation", other["id"]) or {}

    failing, other = asyncio.run(story())
    store.close()
    assert (failing["status"], failing["error"]["code"]) == ("Failed", "InternalServerError")
    assert other["status"] == "Succeeded"
    assert traced(caplog, f"operation {failing['id']}")


def test_an_envelope_that_cannot_be_read_is_refused_and_the_others_are_kept(
    emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    good = {"iKey": "k", "time": "t", "data": {"baseType": "MessageData", "baseData": {"message": "good"}}}
    weird = {"iKey": "k", "time": "t", "data": {"baseType": "MetricData", "baseData": {"metrics": [7]}}}
    telemetry = Telemetry(emulator.context.store, emulator.context.clock)

    async def receive() -> Message:
        return {"type": "http.request", "body": json.dumps([good, weird, good]).encode()}

    scope = {"type": "http", "method": "POST", "headers": []}
    answer = asyncio.run(telemetry.track(Request(scope, receive)))
    assert answer.status_code == 206
    told = json.loads(bytes(answer.body))
    assert (told["itemsAccepted"], told["errors"][0]["index"]) == (2, 1)
    assert emulator.context.store.execute("SELECT name FROM telemetry") == [("good",), ("good",)]
    assert any(r.levelno >= logging.ERROR and r.exc_info for r in caplog.records)
