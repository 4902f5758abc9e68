"""What runs beside the requests outlives any exception: it is one item's, it is recorded, and the others go on."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message

from dropml.azureml.core.config import Settings
from dropml.azureml.core.loops import every
from dropml.azureml.core.store import Doc
from dropml.azureml.front.app import Emulator, build
from dropml.azureml.jobs.automl_runner import AutoMLRunner, EventFile
from dropml.azureml.jobs.nodes import Nodes
from dropml.azureml.jobs.pipeline_runner import PipelineRunner, child_name
from dropml.azureml.jobs.runs import Runs
from dropml.azureml.workspace.computes import Computes
from dropml.azureml.workspace.ingestion import Telemetry
from dropml.common.processes import Child


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    """All of the emulator but its sockets."""
    found = build(Settings(port=1, data=tmp_path, operation_seconds=0.0))
    yield found
    found.context.store.close()


class Oddity(Exception):
    """What nobody foresaw."""


def odd(*_: Any, **__: Any) -> Any:
    raise Oddity


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(2000):
        if holds():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it did not come to that")


def beside(loop: Callable[[], Awaitable[None]], holds: Callable[[], bool]) -> None:
    """Run the loop until something holds."""

    async def story() -> None:
        task = asyncio.ensure_future(loop())
        await until(holds)
        assert not task.done()
        task.cancel()

    asyncio.run(story())


def traced(caplog: pytest.LogCaptureFixture, what: str) -> bool:
    """True if a line about it carries the traceback."""
    return any(what in r.getMessage() and r.exc_info and r.exc_info[0] is Oddity for r in caplog.records)


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


class Scripted:
    """Stands in for a kind of job's runner: the job named `odd` throws."""

    def __init__(self, runs: Runs) -> None:
        self.runs, self.children = runs, dict[str, Child]()

    async def run(self, name: str) -> None:
        if name == "odd":
            raise Oddity
        self.runs.finish(name, "Completed")

    async def cancel(self, name: str) -> None:
        self.runs.finish(name, "Canceled")


def test_a_job_whose_runner_throws_fails_with_the_reason_and_the_next_one_runs(
    emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    runner, runs = emulator.runner, emulator.runner._runs
    runner.register("Command", Scripted(runs))

    async def story() -> None:
        for name in ("odd", "good"):
            runs.create(name, "Command", {})
            runner.submit(name)
        await asyncio.gather(runner.wait("odd"), runner.wait("good"))

    asyncio.run(story())
    found = runs.get("odd") or {}
    assert found["status"] == "Failed"
    assert "could not run this job: Oddity" in found["error"]["message"]
    assert (runs.get("good") or {})["status"] == "Completed"
    assert traced(caplog, "job odd")


def test_a_job_that_cannot_be_taken_up_after_a_restart_fails_and_the_others_are_taken_up(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    runner, runs = emulator.runner, emulator.runner._runs
    runner.register("Command", Scripted(runs))
    monkeypatch.setattr(runner, "_again", odd)

    async def story() -> None:
        runs.create("torn", "Command", {}, interrupted=True)
        runs.create("good", "Command", {})
        runner.resume()
        await runner.wait("good")

    asyncio.run(story())
    assert [(runs.get(n) or {})["status"] for n in ("torn", "good")] == ["Failed", "Completed"]
    assert traced(caplog, "job torn")


def test_a_job_that_throws_gives_its_node_back(emulator: Emulator) -> None:
    nodes = Nodes(Computes(emulator.context))

    async def use() -> None:
        async with nodes.node("cpu-cluster", odd) as caps:
            assert caps.first == 0, "an earlier job kept the first node"
            raise Oddity

    async def story() -> None:
        for _ in range(3):
            with pytest.raises(Oddity):
                await use()

    asyncio.run(story())


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


def test_a_pipelines_node_that_throws_fails_alone_and_its_siblings_run(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    runner, runs = emulator.runner, emulator.runner._runs
    runner.register("Command", Scripted(runs))
    pipelines = runner._runners["Pipeline"]
    assert isinstance(pipelines, PipelineRunner)

    def child(_pipeline: Doc, node: str, _output_of: Any) -> tuple[str, Doc]:
        if node == "odd":
            raise Oddity
        return "Command", {}

    monkeypatch.setattr(pipelines._spec, "child", child)
    nodes: Doc = {"odd": {}, "good": {}}
    properties = {"jobs": nodes, "settings": {"continue_on_step_failure": True}, "outputs": {}}

    async def story() -> None:
        runs.create("pipe", "Pipeline", properties)
        runner.submit("pipe")
        await runner.wait("pipe")

    asyncio.run(story())
    found = runs.get("pipe") or {}
    assert found["status"] == "Failed"
    assert "could not run the node 'odd': Oddity" in found["error"]["message"]
    assert (runs.get(child_name("pipe", "good")) or {})["status"] == "Completed"
    assert traced(caplog, "pipeline pipe")


def test_an_event_of_the_engine_that_cannot_be_applied_is_passed_over(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    applied: list[str] = []

    def apply(_runs: Runs, _name: str, event: Doc) -> None:
        if event["type"] == "odd":
            raise Oddity
        applied.append(event["type"])

    monkeypatch.setattr("dropml.azureml.jobs.automl_runner.apply_event", apply)
    runner = emulator.runner._runners["AutoML"]
    assert isinstance(runner, AutoMLRunner)
    (tmp_path / "events.jsonl").write_text('{"type": "a"}\n{"type": "odd"}\n{"type": "b"}\n')
    runner._drain("job", EventFile(tmp_path / "events.jsonl"))
    assert applied == ["a", "b"]
    assert traced(caplog, "an event of its engine")
