"""Runs a command job: inputs resolved to files, the command as a subprocess, outputs kept and uploaded."""

from __future__ import annotations

import asyncio
import math
import os
import shlex
import shutil
import sys
from pathlib import Path

from dropml.azureml.assets.codes import Codes
from dropml.azureml.assets.data import Data
from dropml.azureml.assets.environments import Environments
from dropml.azureml.assets.models import Models
from dropml.azureml.core.arm import ArmError
from dropml.azureml.core.fields import seconds
from dropml.azureml.core.store import Doc
from dropml.azureml.jobs.command_job import render
from dropml.azureml.jobs.nodes import Nodes
from dropml.azureml.jobs.output_assets import OutputAssets
from dropml.azureml.jobs.outputs import JobOutputs
from dropml.azureml.jobs.runs import BUILD_LOG, TERMINAL
from dropml.azureml.workspace.storage import DataError
from dropml.common import family
from dropml.common.logs import bound, tail
from dropml.common.processes import Caps, Child, find_by_argument, start

_POLL = 0.1


class CommandRunner:
    def __init__(
        self,
        outputs: JobOutputs,
        data: Data,
        models: Models,
        codes: Codes,
        environments: Environments,
        nodes: Nodes,
        assets: OutputAssets,
    ) -> None:
        self._outputs, self._data, self._models, self._codes, self._nodes = (
            outputs,
            data,
            models,
            codes,
            nodes,
        )
        self._environments, self._assets = environments, assets
        self._runs, self._c = outputs.runs, outputs.runs.c
        self.children: dict[str, Child] = {}

    async def run(self, name: str) -> None:
        run = self._runs.get(name)
        assert run is not None
        target = run["properties"].get("computeId")
        compute = self._c.arm_name(target, "computes") if target else None
        async with self._nodes.node(compute, lambda: self._runs.status(name, "Queued")) as caps:
            child = Child.adopt(run.get("pid"), run.get("pid_started"))
            if child is None and run["status"] != "Starting":
                child = find_by_argument(self._marker(name))
            if child is None and (run.get("pid") or self._exit_code(name).exists()):
                # It ran under an earlier emulator and is gone: what it left decides.
                self._conclude(name, None)
                return
            if child is None:
                child = await self._start(run, caps)
            if child is not None:
                await self._follow(name, child)

    def _marker(self, name: str) -> str:
        return str(self._runs.folder(name))

    def _exit_code(self, name: str) -> Path:
        return self._runs.folder(name) / "exit_code"

    async def _start(self, run: Doc, caps: Caps) -> Child | None:
        name, folder = run["name"], self._runs.folder(run["name"])
        self._runs.status(name, "Preparing")
        try:
            command, cwd = await asyncio.to_thread(self._prepare, run, folder)
        except (DataError, ValueError) as error:
            self._runs.finish(name, "Failed", f"The job's inputs can't be prepared: {error}")
            return None
        # The exit code goes to a file: a later emulator must learn it, too. $0 marks the process.
        written = shlex.quote(str(self._exit_code(name)))
        script = f"({command}\n); code=$?; echo $code > {written}; exit $code"
        log = folder / "user_logs" / "std_log.txt"
        self._say(folder / BUILD_LOG, run["properties"].get("environmentId"))
        line = ["/bin/bash", "-c", script, self._marker(name)]
        child = await asyncio.to_thread(start, line, log, caps, cwd, self._environment(run, folder))

        def apply(found: Doc) -> None:
            found |= {"pid": child.pid, "pid_started": child.started}
            found["status"] = "CancelRequested" if found["cancel_requested"] else "Running"
            found["start"] = found["start"] or self._c.clock.now()

        self._runs.edit(name, apply)
        return child

    def _say(self, log: Path, environment: str | None) -> None:
        """What the job's environment has in Azure and not here, where the service tells how it was built."""
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(
            "".join(f"{line}\n" for line in self._environments.said(environment)), encoding="utf-8"
        )

    def _environment(self, run: Doc, folder: Path) -> dict[str, str]:
        """What the service gives a job to find its workspace and run; a token comes from the identity endpoint."""
        s = self._c.settings
        own = {k: str(v) for k, v in (run["properties"].get("environmentVariables") or {}).items()}
        return (
            own
            | self._c.mark
            | {
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
                "AZUREML_RUN_ID": run["name"],
                "AZUREML_ROOT_RUN_ID": run["root"],
                "AZUREML_ARM_SUBSCRIPTION": s.subscription,
                "AZUREML_ARM_RESOURCEGROUP": s.resource_group,
                "AZUREML_ARM_WORKSPACE_NAME": s.workspace,
                "AZUREML_ARM_PROJECT_NAME": run["experiment"],
                "AZUREML_DEV_URL_MFE": s.base_url,
                "MLFLOW_TRACKING_URI": f"azureml://localhost:{s.port}/mlflow/v1.0{s.workspace_id}",
                "MLFLOW_RUN_ID": run["name"],
                "MLFLOW_EXPERIMENT_NAME": run["experiment"],
                "REQUESTS_CA_BUNDLE": str(s.data / "ca.pem"),
                "IDENTITY_ENDPOINT": f"{s.base_url}/msi/token",
                "IDENTITY_HEADER": s.identity_header or "job",
                "AZUREML_OUTPUT_FOLDER": str(folder / "outputs"),
            }
        )

    # -- inputs and outputs --------------------------------------------------------------------------------

    def _prepare(self, run: Doc, folder: Path) -> tuple[str, Path]:
        properties = run["properties"]
        inputs: dict[str, str | None] = {}
        for name, value in (properties.get("inputs") or {}).items():
            if value["jobInputType"] == "literal":
                inputs[name] = None if value.get("value") is None else str(value["value"])
            else:
                inputs[name] = self._input(value, folder / "input" / name)
        outputs = {}
        for name, value in (properties.get("outputs") or {}).items():
            target = self._runs.named_output(run["name"], name)
            single = value.get("jobOutputType") == "uri_file"
            (target.parent if single else target).mkdir(parents=True, exist_ok=True)
            outputs[name] = str(target)
        cwd = folder / "code"
        cwd.mkdir(parents=True, exist_ok=True)
        if properties.get("codeId"):
            self._codes.download(properties["codeId"], cwd)
        self._working_outputs(folder, cwd)
        return render(properties["command"], inputs, outputs), cwd

    @staticmethod
    def _working_outputs(folder: Path, cwd: Path) -> None:
        """`./outputs` and `./logs` of the command are the run's artifacts, whatever the code brought in them stays."""
        for name in ("outputs", "logs"):
            (folder / name).mkdir(exist_ok=True)
            here = cwd / name
            if here.is_symlink():
                continue
            if here.is_dir():
                shutil.copytree(here, folder / name, dirs_exist_ok=True)
                shutil.rmtree(here)
            if not here.exists():
                here.symlink_to(folder / name)

    def _input(self, value: Doc, target: Path) -> str:
        uri = value["uri"]
        if (output := self._outputs.local(uri)) is not None:
            return str(output)
        model = self._models.folder_of(uri)
        if model is not None:
            return str(model)
        shutil.rmtree(target, ignore_errors=True)
        self._data.download(uri, target)
        files = [p for p in target.rglob("*") if p.is_file()]
        if value["jobInputType"].lower().replace("_", "") == "urifile" and len(files) == 1:
            return str(files[0])
        return str(target)

    def _keep_outputs(self, run: Doc) -> None:
        """Named outputs also go to their datastore, artifacts to the artifact store, as on the service."""
        for name in run["properties"].get("outputs") or {}:
            self._outputs.keep(run["name"], name)
        self._outputs.publish(run)

    # -- the process ---------------------------------------------------------------------------------------

    async def _follow(self, name: str, child: Child) -> None:
        self.children[name] = child
        run = self._runs.get(name)
        if run and run["cancel_requested"]:
            await child.stop(5)
        limits = (run or {})["properties"].get("limits") or {}
        allowed = seconds(limits["timeout"], "limits.timeout") if limits.get("timeout") else math.inf
        try:
            while child.alive():
                bound(self._runs.folder(name) / "user_logs" / "std_log.txt")
                # By its process' age: what it has run under an earlier emulator counts.
                if family.age(child.started) > allowed:
                    self._time_out(name, limits["timeout"])
                    await child.stop(5)
                    break
                await asyncio.sleep(_POLL)
        finally:
            self.children.pop(name, None)
        await child.stop(1)  # what the command left running in its background: its node is free now
        run = self._runs.get(name)
        wrong = ""
        if run and not run["cancel_requested"] and not run.get("interrupted"):
            wrong = await self._kept(run, self._written_code(name, child.code))
        self._conclude(name, child.code, wrong)

    def _time_out(self, name: str, timeout: str) -> None:
        """The service cancels a job that runs for longer than its limit; its run tells why."""
        message = f"The job ran for longer than its limits.timeout of {timeout} and was cancelled."

        def request(found: Doc) -> None:
            found |= {"cancel_requested": True, "status": "CancelRequested"}
            found["error"] = {"code": "UserError", "message": message}

        self._runs.edit(name, request)

    async def _kept(self, run: Doc, code: int | None) -> str:
        """What kept an output from its place, empty where all are there; a failed job's become no assets."""
        try:
            await asyncio.to_thread(self._keep_outputs, run)
        except (DataError, ArmError) as error:
            return error.message if isinstance(error, ArmError) else str(error)
        return await self._assets.register(run) if code == 0 else ""

    def _written_code(self, name: str, code: int | None) -> int | None:
        written = self._exit_code(name)
        return int(written.read_text().strip() or 1) if written.exists() else code

    def _conclude(self, name: str, code: int | None, wrong: str = "") -> None:
        run = self._runs.get(name)
        if run is None or run["status"] in TERMINAL or run.get("interrupted"):
            return
        folder = self._runs.folder(name)
        code = self._written_code(name, code)
        if run["cancel_requested"]:
            self._runs.finish(name, "Canceled")
        elif code == 0 and wrong:
            self._runs.finish(name, "Failed", wrong)
        elif code == 0:
            self._runs.finish(name, "Completed")
        else:
            said = tail(folder / "user_logs" / "std_log.txt", 5)
            how = "ended without an exit code" if code is None else f"exited with code {code}"
            self._runs.finish(name, "Failed", f"The command {how}. Its last lines: {said}")

    async def cancel(self, name: str) -> None:
        child = self.children.get(name)
        if child:
            await child.stop(5)
