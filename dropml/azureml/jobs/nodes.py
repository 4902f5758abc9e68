"""The nodes of each cluster: a job has one while it runs, the others wait in the order they came."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from dropml.azureml.workspace.computes import Computes
from dropml.common.processes import Caps


class Nodes:
    def __init__(self, computes: Computes) -> None:
        self._computes = computes
        self._taken: dict[str, set[int]] = defaultdict(set)
        self._queue: dict[str, list[object]] = defaultdict(list)
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def node(self, compute: str | None, on_wait: Callable[[], None]) -> AsyncIterator[Caps]:
        """One node of the cluster (None is serverless), first come, first served.

        `on_wait` is called once if none is free. A change of the cluster's size is seen at the next release.
        """
        name = self._computes.spec(compute)[0]
        ticket = object()
        self._queue[name].append(ticket)
        waited = False
        try:
            while (index := self._free(name, compute, ticket)) is None:
                if not waited:
                    waited = True
                    on_wait()
                await self._wait()
            self._taken[name].add(index)
        finally:
            self._queue[name].remove(ticket)
            self._notify()
        try:
            _, _, cores, memory = self._computes.spec(compute)
            self._computes.busy[name] = len(self._taken[name])
            yield Caps(cores, memory, index * cores)
        finally:
            self._taken[name].discard(index)
            self._computes.busy[name] = len(self._taken[name])
            self._notify()

    def _free(self, name: str, compute: str | None, ticket: object) -> int | None:
        _, nodes, _, _ = self._computes.spec(compute)
        free = [i for i in range(nodes) if i not in self._taken[name]]
        ahead = self._queue[name].index(ticket)
        return free[ahead] if ahead < len(free) else None

    async def _wait(self) -> None:
        changed = self._changed
        try:
            await asyncio.wait_for(changed.wait(), 5)
        except TimeoutError:
            return

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
