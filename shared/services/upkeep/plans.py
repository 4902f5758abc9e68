"""What is to be captured of a dataset, and how: remembered for a while, so that counting seldom waits for storage."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from shared.domain.documents import InvalidDocument
from shared.domain.drift import Plan, plan_of
from shared.domain.errors import NotFound
from shared.domain.upkeep import Upkeep
from shared.services.run.profiles import Profiles
from shared.services.run.store import RunStore

#: Seconds that a dataset's word holds here, and after which a plan that could not be made is tried again.
REMEMBERED = 30.0
#: Plans that are remembered.
MOST = 64


@dataclass
class _Known:
    at: float
    captured: bool
    salt: str


class Plans:
    """Thread-safe enough: what two threads ask for at once is made twice."""

    def __init__(
        self,
        store: RunStore,
        profiles: Profiles,
        owned: Upkeep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._profiles, self._owned, self._monotonic = store, profiles, owned, monotonic
        self._datasets: dict[str, _Known] = {}
        self._plans: dict[str, tuple[float, Plan | None]] = {}

    def plan(self, slug: str, run_id: str) -> Plan | None:
        """None where the dataset is not captured, and for a run without a profile."""
        return self.of_run(run_id) if run_id and self._known(slug).captured else None

    def salt(self, slug: str) -> str:
        """The dataset's own, which never leaves the state."""
        return self._known(slug).salt

    def of_run(self, run_id: str) -> Plan | None:
        """How rows of this run's model are counted. None for one without a profile."""
        found = self._plans.get(run_id)
        if found is not None and (found[1] is not None or self._monotonic() - found[0] < REMEMBERED):
            return found[1]
        made = self._made(run_id)
        self._plans[run_id] = (self._monotonic(), made)
        if len(self._plans) > MOST:
            self._plans.pop(next(iter(self._plans)), None)
        return made

    def _made(self, run_id: str) -> Plan | None:
        try:
            snapshot = self._store.load(run_id)[0].snapshot
            if snapshot is None or not snapshot.profile_path:
                return None
            return plan_of(run_id, self._profiles.read(snapshot.profile_path), snapshot.schema)
        except (NotFound, InvalidDocument):
            return None

    def _known(self, slug: str) -> _Known:
        now, found = self._monotonic(), self._datasets.get(slug)
        if found is None or now - found.at >= REMEMBERED:
            dataset = self._store.dataset(slug)
            upkeep = (dataset.upkeep if dataset else None) or self._owned
            captured = dataset is not None and upkeep.capture and self._owned.capture
            found = _Known(now, captured, dataset.holdout.salt if dataset else "")
            self._datasets[slug] = found
        return found
