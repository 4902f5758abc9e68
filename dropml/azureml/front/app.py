"""Builds the emulator: state, resources, routes, and what runs beside them."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from azure.core.exceptions import AzureError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp

from dropml.azureml.assets.codes import Codes
from dropml.azureml.assets.components import Components
from dropml.azureml.assets.data import Data
from dropml.azureml.assets.environments import Environments
from dropml.azureml.assets.models import Models
from dropml.azureml.batch.deployments import BatchDeployments
from dropml.azureml.batch.endpoints import BatchEndpoints
from dropml.azureml.batch.invoke import BatchInvoke
from dropml.azureml.core import orphans
from dropml.azureml.core.arm import ArmError, GatewayError
from dropml.azureml.core.clock import Clock
from dropml.azureml.core.config import PROVIDER, Settings
from dropml.azureml.core.context import Context, workspace_guid
from dropml.azureml.core.identity import Identity
from dropml.azureml.core.loops import contained
from dropml.azureml.core.operations import Operations
from dropml.azureml.core.secret import Secret
from dropml.azureml.core.store import Store
from dropml.azureml.front.admin import Admin
from dropml.azureml.front.faults import Faults
from dropml.azureml.front.gateway import Gateway
from dropml.azureml.front.guard import Guard
from dropml.azureml.jobs.automl_runner import AutoMLRunner
from dropml.azureml.jobs.command_runner import CommandRunner
from dropml.azureml.jobs.nodes import Nodes
from dropml.azureml.jobs.ordered import OrderedFailures
from dropml.azureml.jobs.output_assets import OutputAssets
from dropml.azureml.jobs.outputs import JobOutputs
from dropml.azureml.jobs.pipeline_job import PipelineSpec
from dropml.azureml.jobs.pipeline_runner import PipelineRunner
from dropml.azureml.jobs.retention import Retention
from dropml.azureml.jobs.routes import Jobs
from dropml.azureml.jobs.runner import JobRunner
from dropml.azureml.jobs.runs import TERMINAL, Runs
from dropml.azureml.jobs.schedules import Schedules
from dropml.azureml.jobs.v1_pipelines import PublishedPipelines
from dropml.azureml.online.deployments import OnlineDeployments
from dropml.azureml.online.endpoints import OnlineEndpoints
from dropml.azureml.online.ordered import OrderedAnswers
from dropml.azureml.online.scripts import Scripts
from dropml.azureml.tracking.artifacts import Artifacts
from dropml.azureml.tracking.history import History
from dropml.azureml.tracking.logged_models import LoggedModels
from dropml.azureml.tracking.mlflow import Mlflow
from dropml.azureml.tracking.mlflow_writes import MlflowWrites
from dropml.azureml.tracking.output_uris import OutputUris
from dropml.azureml.tracking.run_artifacts import RunArtifacts
from dropml.azureml.workspace.computes import Computes
from dropml.azureml.workspace.datastores import Datastores
from dropml.azureml.workspace.ingestion import Telemetry
from dropml.azureml.workspace.storage import DataError, Storage
from dropml.azureml.workspace.workspace import Workspace

log = logging.getLogger(__name__)


@dataclass
class Emulator:
    """The two ASGI apps and the life of what runs beside them."""

    context: Context
    app: ASGIApp
    ingestion: ASGIApp
    runner: JobRunner
    endpoints: OnlineEndpoints
    datastores: Datastores
    schedules: Schedules
    retention: Retention
    _tasks: list[asyncio.Task[None]]

    async def start(self) -> None:
        """Take up what an earlier process left: operations, jobs, endpoints."""
        with contained("what an earlier emulator left behind"):
            await orphans.end(self.context.settings.data, self._known)
        with contained("the endpoints' ports"):
            await self.endpoints.hold()
        self.context.operations.resume()
        self.runner.resume()
        loop = asyncio.get_running_loop()
        self._tasks += [
            loop.create_task(self.endpoints.processes.resume()),
            loop.create_task(self.endpoints.processes.supervise()),
            loop.create_task(self.schedules.run()),
            loop.create_task(self.retention.run()),
            loop.create_task(self._containers()),
        ]

    def _known(self, folder: Path) -> bool:
        """True for the folder of an endpoint that is there, or of a job that is not over."""
        kind, name = folder.relative_to(self.context.settings.data).parts[:2]
        found = self.context.store.get({"endpoints": "endpoint", "jobs": "run"}.get(kind, ""), name)
        return found is not None and found.get("status") not in TERMINAL

    async def _containers(self) -> None:
        """The workspace's own containers, once storage answers."""
        if not self.datastores.storage.configured:
            return
        for _ in range(10):
            try:
                await asyncio.to_thread(self.datastores.ensure_containers)
            except (AzureError, DataError) as error:
                log.info("storage does not answer yet: %s", str(error).splitlines()[0])
            else:
                return
            await asyncio.sleep(2)

    async def stop(self) -> None:
        """Leave no process behind; what ran starts again with the emulator."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        closing = (self.runner.close(), self.endpoints.processes.close())
        for end in await asyncio.gather(*closing, return_exceptions=True):
            if isinstance(end, Exception):
                log.error("an unexpected error while stopping", exc_info=end)
        await self.context.operations.close()
        self.context.store.close()


class Part(Protocol):
    """A concern with routes of its own."""

    def routes(self) -> list[Route]: ...


def _context(settings: Settings) -> Context:
    store = Store(settings.data / "state.sqlite")
    clock = Clock(store)
    identity = Identity(store, clock, settings.tenant, settings.identity_header)
    operations = Operations(store, clock, settings, workspace_guid(store))
    return Context(settings, store, clock, identity, operations, Secret(settings))


def build(settings: Settings) -> Emulator:
    context = _context(settings)
    datastores = Datastores(context, Storage(settings.storage))
    computes = Computes(context)
    runs = Runs(context)
    outputs = JobOutputs(runs, datastores)
    data = Data(context, datastores, outputs)
    models = Models(context, data)
    codes = Codes(context, data)
    environments = Environments(context)
    components = Components(context, environments)
    pipelines = PipelineSpec(context, components, computes)
    nodes, assets = Nodes(computes), OutputAssets(outputs, data, models)
    runner = JobRunner(runs)
    runner.register("AutoML", AutoMLRunner(runs, data, nodes))
    runner.register("Command", CommandRunner(outputs, data, models, codes, environments, nodes, assets))
    runner.register("Pipeline", PipelineRunner(outputs, pipelines, runner, assets))
    jobs = Jobs(runs, runner, computes, pipelines)
    endpoints = OnlineEndpoints(context, models, Scripts(context, codes, environments))
    batch = BatchEndpoints(context)
    batch_deployments = BatchDeployments(batch, components, computes)
    schedules = Schedules(jobs)
    telemetry = Telemetry(context.store, context.clock)
    parts: list[Part] = [
        context.identity, context.operations, Workspace(context), datastores, computes, telemetry,
        data, models, codes, components, environments, jobs, History(outputs),
        Mlflow(runs), MlflowWrites(runs), LoggedModels(runs), Artifacts(outputs), RunArtifacts(outputs),
        OutputUris(outputs), schedules, endpoints, OnlineDeployments(endpoints, models), batch, batch_deployments,
        BatchInvoke(batch, batch_deployments, jobs, runs), PublishedPipelines(jobs, runs, components),
    ]  # fmt: skip
    app = _front(context, [*parts, OrderedAnswers(context, endpoints.processes)])
    ingestion = Guard(Starlette(routes=telemetry.routes()), context.secret)
    return Emulator(
        context,
        app,
        ingestion,
        runner,
        endpoints,
        datastores,
        schedules,
        Retention(runs, settings.keep_jobs),
        [],
    )


def _front(context: Context, parts: list[Part]) -> ASGIApp:
    """The routes behind the gateway, and the gateway behind what tests order to fail."""
    versions: Counter[tuple[str, str, str]] = Counter()
    faults = Faults()
    parts = [*parts, Admin(context, versions), OrderedFailures(context), faults]
    inner = Starlette(routes=[route for part in parts for route in part.routes()])
    gateway = Gateway(inner, context.settings, context.identity, context.clock, versions)
    inner.add_exception_handler(ArmError, gateway.failure)
    inner.add_exception_handler(404, lambda request, _: gateway.failure(request, _no_route(request)))
    inner.add_exception_handler(405, lambda request, _: gateway.failure(request, _no_method(request)))
    return Guard(faults.wrap(gateway), context.secret)


def _no_route(request: Request) -> ArmError:
    path = request.scope.get("original_path", request.url.path)
    return GatewayError(
        404,
        f"The resource type could not be found in the namespace '{PROVIDER}' for path '{path}'.",
        "InvalidResourceType",
    )


def _no_method(request: Request) -> ArmError:
    return GatewayError(
        405,
        f"The requested resource does not support http method '{request.method}'.",
        "UnsupportedHttpVerb",
    )
