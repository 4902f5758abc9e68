"""Datasets between two files: what looks after them, and data that no run was trained on."""

from __future__ import annotations

import json
from typing import Any

from shared.domain.documents import to_json
from shared.domain.errors import NotFound
from shared.domain.table.profile.parts import Profile
from shared.domain.upkeep import Upkeep
from shared.services.run.context import Context
from shared.services.run.profiles import Profiles
from shared.services.upkeep.drift import DriftWatch
from shared.services.upkeep.joining import Joiner
from shared.services.upkeep.plans import Plans
from shared.services.upkeep.retraining import Retrainer
from tests.services.test_lifecycle import drop, tick
from tests.support.memory import World
from tests.support.memory_files import MemoryFiles

DATA = "data"
WINDOW = 600.0


class Account(MemoryFiles):
    """A data account that copies by itself; `slow` copies take a second look, `copied` counts those that were begun."""

    def __init__(self) -> None:
        super().__init__(DATA)
        self.slow = False
        self.copied: list[str] = []
        self._pending: set[str] = set()

    def begin_copy(self, container: str, name: str, to_name: str) -> bool:
        files = self.containers[container]
        if to_name not in files:
            if name not in files:
                raise NotFound(f"{container}/{name} does not exist.", code="blob-not-found")
            self.put(container, to_name, files[name][1])
            self.copied.append(to_name)
            if self.slow:
                self._pending.add(to_name)
                return False
        if to_name in self._pending:
            self._pending.discard(to_name)
        return True

    def profile(self, path: str, found: Profile) -> None:
        self.put(DATA, path, json.dumps(to_json(found)).encode())


def retrainer(
    world: World, files: Account | None = None, context: Context | None = None, owned: Upkeep | None = None
) -> Retrainer:
    """What a process that has just started has."""
    return Retrainer(context or world.context, Joiner(files or Account(), DATA), owned or Upkeep(), 0.0)


def drift_watch(world: World, files: Account, owned: Upkeep | None = None) -> DriftWatch:
    plans = Plans(world.store, Profiles(world.store, files, DATA), owned or Upkeep())
    return DriftWatch(world.context, plans, owned or Upkeep(), WINDOW)


def app_schedule(world: World, occurrence: str, context: Context | None = None) -> list[str]:
    """The app's own schedule comes round; the runs that were begun."""
    return retrainer(world, context=context).on_app_schedule(occurrence)


def untrained(world: World, content: str = "B", dataset: str = "bank", **more: Any) -> str:
    """A version whose training failed: there is something new to learn."""
    run_id = drop(world, content, dataset=dataset, **more)
    world.azureml.job_status[run_id] = "Failed"
    tick(world, 10)
    assert world.run(run_id).state == "failed"
    return run_id
