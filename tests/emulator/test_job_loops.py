"""What runs jobs outlives any exception: it ends its own job, or its own node, and is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dropml.azureml.core.store import Doc
from dropml.azureml.front.app import Emulator
from dropml.azureml.jobs.automl_runner import AutoMLRunner, EventFile
from dropml.azureml.jobs.nodes import Nodes
from dropml.azureml.jobs.pipeline_runner import PipelineRunner, child_name
from dropml.azureml.jobs.runs import Runs
from dropml.azureml.workspace.computes import Computes
from dropml.common.processes import Child
from tests.support.emulator_loops import Oddity, odd, traced, without_sockets


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    with without_sockets(tmp_path) as found:
        yield found


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
