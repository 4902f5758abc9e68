"""What grows with use has an end, its oldest going first: jobs that are over, and operations that are."""

from __future__ import annotations

import asyncio
import shutil

from dropml.azureml.core.loops import contained, every
from dropml.azureml.jobs.runs import TERMINAL, Runs

OPERATIONS = 5_000
_SECONDS = 60.0
_ENDED = ("Succeeded", "Failed")


class Retention:
    """Registered models have copies of their own: a job that goes takes nothing along that is in use."""

    def __init__(self, runs: Runs, jobs: int, operations: int = OPERATIONS) -> None:
        self._runs, self._store = runs, runs.c.store
        self._jobs, self._operations = jobs, operations

    async def run(self) -> None:
        """Forever."""
        with contained("the limits of what is kept"):
            await self.keep()
        await every(_SECONDS, "the limits of what is kept", self.keep)

    async def keep(self) -> None:
        """Remove what is beyond the limits."""
        for key in self._old("operation", _ENDED, self._operations):
            self._store.delete("operation", key)
        for name in self._old("run", TERMINAL, self._jobs):
            with contained(f"the end of the old job {name}"):
                await self._remove(name)

    def _old(self, kind: str, ended: tuple[str, ...], kept: int) -> list[str]:
        marks = ",".join("?" * len(ended))
        sql = (
            f"SELECT key FROM documents WHERE kind=? AND parent IS NULL AND status IN ({marks}) "  # noqa: S608 - of our own words; values are bound
            "ORDER BY seq DESC LIMIT -1 OFFSET ?"
        )
        return [str(row[0]) for row in self._store.execute(sql, (kind, *ended, kept))]

    async def _remove(self, name: str) -> None:
        for child in self._runs.children(name):
            await self._remove(child["name"])
        folder = self._runs.folder(name)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        self._store.delete("run", name)
