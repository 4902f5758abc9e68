"""The deployments of an endpoint: loading new ones, swapping, routing, draining old ones."""

import asyncio
import random
from bisect import bisect_right
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from dropml.azureml.serving.deployment import Deployment
from dropml.azureml.serving.loading import load
from dropml.azureml.serving.logs import DeploymentLog
from dropml.azureml.serving.parity_cache import ParityCache
from dropml.azureml.serving.settings import DeploymentSettings, EndpointSettings


class Deployments:
    """What is deployed now. Used from the event loop only.

    A deployment whose model changes keeps its old version in service until the new one is ready; then one
    assignment swaps them, and the old one is closed when its last request has been answered.
    """

    def __init__(self, endpoint_dir: Path) -> None:
        self.by_name: dict[bytes, Deployment] = {}
        self._coming: dict[str, Deployment] = {}  # replacements still loading, or failed
        self._cache = ParityCache(endpoint_dir / "parity.json")
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="scoring")
        self._tasks: set[asyncio.Task[None]] = set()
        self._logs: dict[str, DeploymentLog] = {}
        self._names: list[bytes] = []
        self._bounds: list[float] = []
        self.mirrors: list[tuple[bytes, float]] = []

    def apply(self, settings: EndpointSettings) -> None:
        """Bring deployments and traffic in line with the configuration."""
        for name in [*self._logs]:
            if name not in settings.deployments:
                self._remove(name)
        for name, wanted in settings.deployments.items():
            self._update(name, wanted)
        traffic = [(name.encode(), weight) for name, weight in settings.traffic.items() if weight > 0]
        self._names = [name for name, _ in traffic]
        self._bounds = list(accumulate(weight for _, weight in traffic))
        self.mirrors = [
            (name.encode(), weight / 100) for name, weight in settings.mirror_traffic.items() if weight > 0
        ]

    def pick(self) -> Deployment | None:
        """A deployment drawn by the traffic's weights; None if no weight is above 0."""
        if len(self._names) == 1:
            return self.by_name.get(self._names[0])
        if not self._names:
            return None
        drawn = self._names[bisect_right(self._bounds, random.random() * self._bounds[-1])]
        deployment = self.by_name.get(drawn)
        if deployment is not None and deployment.status == "loading":
            ready = [self.by_name[name] for name in self._names if self.by_name[name].status == "ready"]
            return ready[0] if ready else deployment
        return deployment

    def describe(self) -> dict[str, Any]:
        """Answer of `GET /_admin/status`: of a deployment being replaced, the replacement's state."""
        current = {deployment.settings.name: deployment for deployment in self.by_name.values()}
        return {
            "deployments": {name: (self._coming.get(name) or one).describe() for name, one in current.items()}
        }

    async def settled(self) -> None:
        """Wait until nothing is loading or draining."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def flush_logs(self) -> None:
        for log in self._logs.values():
            log.flush()

    async def close(self) -> None:
        """End every child and write the logs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for deployment in (*self.by_name.values(), *self._coming.values()):
            await deployment.close()
        for log in self._logs.values():
            log.info("Shutting down")
            log.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _update(self, name: str, wanted: DeploymentSettings) -> None:
        now = self.by_name.get(name.encode())
        if now is None:
            self._logs[name] = DeploymentLog(wanted.log_file)
            fresh = self._new(wanted)
            self.by_name[name.encode()] = fresh
            self._spawn(load(fresh, self._cache))
            return
        coming = self._coming.get(name)
        newest = coming or now
        same_model = newest.settings.content() == wanted.content()
        if coming is None or same_model:
            now.settings = replace(
                wanted,
                model_dir=now.settings.model_dir,
                model=now.settings.model,
                script=now.settings.script,
            )
            newest.settings = wanted if same_model else newest.settings
        if same_model and newest.status != "failed":
            return
        if now.settings.content() == wanted.content() and now.status == "ready":
            self._coming.pop(name, None)  # back to what serves already
            return
        fresh = self._new(wanted)
        self._coming[name] = fresh
        self._spawn(self._replace(name, fresh))

    async def _replace(self, name: str, fresh: Deployment) -> None:
        await load(fresh, self._cache)
        if self._coming.get(name) is not fresh or name not in self._logs:
            await fresh.close()  # overtaken by a later configuration
            return
        if fresh.status != "ready":
            return  # the old version, if it was ready, goes on; the status tells of the failure
        del self._coming[name]
        old, self.by_name[name.encode()] = self.by_name[name.encode()], fresh
        await old.drain()

    def _remove(self, name: str) -> None:
        deployment = self.by_name.pop(name.encode())
        self._coming.pop(name, None)
        log = self._logs.pop(name)
        log.info(f"Deployment {name} is removed")
        self._spawn(self._retire(deployment, log))

    async def _retire(self, deployment: Deployment, log: DeploymentLog) -> None:
        await deployment.drain()
        log.close()

    def _new(self, settings: DeploymentSettings) -> Deployment:
        return Deployment(settings, self._pool, self._logs[settings.name])

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
