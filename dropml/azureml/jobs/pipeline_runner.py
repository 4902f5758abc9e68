"""Runs a pipeline job: each node as a child job, as soon as the nodes that it takes from are done."""

from __future__ import annotations

import asyncio
import logging
import shutil
import uuid
from typing import Any

from dropml.azureml.core.arm import ArmError
from dropml.azureml.core.store import Doc
from dropml.azureml.jobs.output_assets import OutputAssets
from dropml.azureml.jobs.outputs import JobOutputs
from dropml.azureml.jobs.pipeline_job import PipelineSpec
from dropml.azureml.jobs.pipeline_nodes import depends_on
from dropml.azureml.jobs.runner import JobRunner
from dropml.azureml.jobs.runs import OPEN, TERMINAL
from dropml.common.processes import Child

log = logging.getLogger(__name__)
_NAMES = uuid.UUID("0a1f0b53-4a0c-5c39-a1be-7c2ac1a90b9d")


def child_name(pipeline: str, node: str) -> str:
    """A node's run id: a GUID, the same after a restart."""
    return str(uuid.uuid5(_NAMES, f"{pipeline}/{node}"))


def _module(body: Doc, node: str) -> str:
    """The name of the component that a node runs, which the service shows as its module's; a node without one, its own."""
    return str(body.get("componentId") or "").rpartition("/components/")[2].partition("/")[0] or node


class PipelineRunner:
    def __init__(
        self, outputs: JobOutputs, spec: PipelineSpec, runner: JobRunner, assets: OutputAssets
    ) -> None:
        self._outputs_of, self._spec, self._runner, self._assets = outputs, spec, runner, assets
        self._runs, self._c = outputs.runs, outputs.runs.c
        self.children: dict[str, Child] = {}

    async def run(self, name: str) -> None:
        self._runs.status(name, "Running")
        run = self._runs.get(name)
        assert run is not None
        nodes = run["properties"]["jobs"]
        going_on = bool(run["properties"]["settings"].get("continue_on_step_failure"))
        done: dict[str, str] = {}
        tasks: dict[asyncio.Task[str], str] = {}
        while len(done) < len(nodes):
            if not self._halted(name, done, going_on):
                for node in self._ready(nodes, done, set(tasks.values())):
                    task = asyncio.get_running_loop().create_task(self._node(run, node))
                    tasks[task] = node
            if not tasks:
                break
            finished, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in finished:
                done[tasks.pop(task)] = task.result()
        wrong = ""
        if len(done) == len(nodes) and set(done.values()) <= {"Completed"}:
            wrong = await self._assets.register(run)
        self._conclude(name, nodes, done, wrong)

    def _halted(self, name: str, done: dict[str, str], going_on: bool) -> bool:
        run = self._runs.get(name)
        if run is None or run["cancel_requested"] or run.get("interrupted"):
            return True
        return not going_on and any(status != "Completed" for status in done.values())

    @staticmethod
    def _ready(nodes: Doc, done: dict[str, str], started: set[str]) -> list[str]:
        good = {node for node, status in done.items() if status == "Completed"}
        return [
            n for n, node in nodes.items() if n not in started and n not in done and depends_on(node) <= good
        ]

    async def _node(self, pipeline: Doc, node: str) -> str:
        """Run a node to its end; its status. An unexpected error is the node's alone."""
        name = child_name(pipeline["name"], node)
        try:
            return await self._to_its_end(pipeline, node, name)
        except Exception as error:
            log.exception("pipeline %s: the node '%s'", pipeline["name"], node)
            if self._runs.get(name) is None:
                self._runs.create(name, "Command", {"displayName": node}, parent=pipeline, node=node)
            reason = f"The emulator could not run the node '{node}': {type(error).__name__}: {error}"
            self._runs.finish(name, "Failed", reason, "SystemError")
            return "Failed"

    async def _to_its_end(self, pipeline: Doc, node: str, name: str) -> str:
        run = self._runs.get(name) or self._create(pipeline, node, name)
        if run["status"] not in TERMINAL:
            self._runner.submit(name)
            await self._runner.wait(name)
        done = self._runs.get(name)
        assert done is not None
        if done["status"] == "Completed":
            await asyncio.to_thread(self._outputs, pipeline, node, done)
        return str(done["status"])

    def _create(self, pipeline: Doc, node: str, name: str) -> Doc:
        try:
            kind, body = self._spec.child(pipeline, node, self._output_of(pipeline))
        except (ArmError, ValueError) as error:
            # A node that can't be made is a failed run of its own, so that its reason can be read.
            run = self._runs.create(name, "Command", {"displayName": node}, parent=pipeline, node=node)
            reason = error.message if isinstance(error, ArmError) else str(error)
            self._runs.finish(name, "Failed", f"The node '{node}' can't be started: {reason}.")
            return self._runs.get(name) or run
        extra = {
            "azureml.runsource": "azureml.StepRun",
            "azureml.nodeid": name[:8],
            "azureml.pipelinerunid": pipeline["name"],
            "azureml.rootpipelinerunid": pipeline["root"],
            "azureml.moduleName": _module(body, node),
            "azureml.pipeline": pipeline["name"],
            "azureml.pipelineComponent": "mastercloud",
        }
        body["properties"] = extra | (body.get("properties") or {})
        return self._runs.create(name, kind, body, parent=pipeline, node=node)

    def _output_of(self, pipeline: Doc) -> Any:
        def find(node: str, output: str) -> Doc:
            child = self._runs.get(child_name(pipeline["name"], node))
            declared = ((child or {}).get("properties") or {}).get("outputs") or {}
            kind = (declared.get(output) or {}).get("jobOutputType") or "uri_folder"
            uri = f"azureml://jobs/{child_name(pipeline['name'], node)}/outputs/{output}/paths/"
            return {"jobInputType": kind, "uri": uri, "mode": None}

        return find

    def _outputs(self, pipeline: Doc, node: str, run: Doc) -> None:
        """An AutoML node's best model as its output, and outputs that the pipeline publishes. Blocking."""
        own = self._runs.folder(run["name"]) / "named_outputs"
        if run["type"] == "AutoML":
            best = self._runs.get(run["tags"].get("automl_best_child_run_id", ""))
            if best:
                trial = self._runs.folder(run["name"]) / "trials" / str(best["iteration"])
                for name in run["properties"]["outputs"]:
                    shutil.copytree(trial / "outputs" / "mlflow-model", own / name, dirs_exist_ok=True)
                    self._outputs_of.keep(run["name"], name)
        for name, value in (pipeline["properties"]["jobs"][node].get("outputs") or {}).items():
            bound = value.get("value") if isinstance(value, dict) else value
            published = str(bound or "").removeprefix("${{parent.outputs.").removesuffix("}}")
            source = own / name
            if published in pipeline["properties"]["outputs"] and source.exists():
                target = self._runs.named_output(pipeline["name"], published)
                if source.is_dir():
                    shutil.copytree(source, target, dirs_exist_ok=True)
                else:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(source, target)
                self._outputs_of.keep(pipeline["name"], published)

    def _conclude(self, name: str, nodes: Doc, done: dict[str, str], wrong: str) -> None:
        run = self._runs.get(name)
        if run is None or run.get("interrupted"):
            return
        failed = [n for n, status in done.items() if status == "Failed"]
        if run["cancel_requested"]:
            self._runs.finish(name, "Canceled")
        elif failed:
            child = self._runs.get(child_name(name, failed[0]))
            reason = ((child or {}).get("error") or {}).get("message") or "it gave no reason"
            self._runs.finish(name, "Failed", f"The node '{failed[0]}' failed: {reason}")
        elif len(done) < len(nodes) or "Canceled" in done.values():
            stopped = next((n for n, status in done.items() if status == "Canceled"), "a node")
            self._runs.finish(name, "Canceled", f"{stopped} was cancelled.")
        elif wrong:
            self._runs.finish(name, "Failed", wrong)
        else:
            self._runs.finish(name, "Completed")

    async def cancel(self, name: str) -> None:
        for child in self._runs.children(name):
            if child["status"] in OPEN:
                await self._runner.cancel(child["name"])
