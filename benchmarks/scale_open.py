"""Many open runs at once: how long one tick takes, and who waits."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.scale_state import WRITERS, run_of, store
from shared.adapters.storage import DOCUMENTS, blob_service_client
from shared.domain.run.states import State
from shared.services.run import loop
from shared.services.run.context import Context, Pace
from shared.services.run.pulse import Pulse
from shared.services.run.store import RunStore
from tests.support.memory import MemoryAzureML, MemoryData, MemoryScorer

#: As the application's settings have it: seconds a tick may take.
PACE = Pace()


def advance_open_runs(storage: str, count: int) -> dict[str, Any]:
    """So many datasets, each with a run whose data is registered: seconds of the first tick, runs that two leave."""
    # As the application reaches its account.
    with blob_service_client({"DATA_STORAGE": storage}, _nobody, patience=DOCUMENTS) as service:
        service.create_container("open")
        runs = store(service, "open", time.time)
        with ThreadPoolExecutor(WRITERS) as pool:
            ids = list(pool.map(lambda number: _opened(runs, f"open-{number}"), range(count)))
        context = Context(
            runs,
            MemoryAzureML(patience=10**6),
            MemoryScorer(),
            MemoryData(),
            time.time,
            Pulse(runs, time.time, _unheard),
            _unheard,
            workspace_id="/subscriptions/s/resourceGroups/g/workspaces/w",
            pace=PACE,
        )
        started = time.perf_counter()
        loop.tick(context)
        seconds = time.perf_counter() - started
        after_one = _waiting(runs, ids)
        loop.tick(context)
        return {"seconds": seconds, "waiting_after_one": after_one, "waiting": _waiting(runs, ids)}


def _nobody() -> None:
    """A connection string brings its own key."""


def _unheard(_what: str, /, **_fields: Any) -> None:
    """A log that nobody reads."""


def _opened(runs: RunStore, slug: str) -> str:
    runs.ensure_dataset(slug)

    def build(n: int, _attempt: int) -> Any:
        return run_of(slug, n, time.time(), State.REGISTERED).opened(time.time(), "drop")

    return runs.claim(slug, "key", build)[0]


def _waiting(runs: RunStore, ids: list[str]) -> int:
    with ThreadPoolExecutor(WRITERS) as pool:
        return sum(pool.map(lambda run_id: runs.load(run_id)[0].state is State.REGISTERED, ids))
