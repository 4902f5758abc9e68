"""State as years of use leave it, written through the product's own store: closed runs in datasets that serve."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from azure.storage.blob import BlobServiceClient

from shared.adapters.documents import JsonStore
from shared.adapters.ledger import LedgerStore
from shared.domain import names
from shared.domain.documents import to_json
from shared.domain.run.dataset import Dataset, Holdout
from shared.domain.run.documents import Run
from shared.domain.run.parts import Moment, Snapshot, Source
from shared.domain.run.serving import ServingEntry, Version
from shared.domain.run.states import State
from shared.domain.schema import Column, Schema
from shared.services.run import housekeeping, serving_documents, upgrade
from shared.services.run.store import RunStore

WRITERS = 8
#: When the first run was made; each later one a minute after (unix seconds).
BEGAN = 1_700_000_000.0
SCHEMA = Schema(
    label="y",
    columns=tuple(Column(f"x{i}", "number", minimum=0.0, maximum=1.0) for i in range(10)),
    classes=("no", "yes"),
    example=({f"x{i}": 0.5 for i in range(10)},),
)


def store(service: BlobServiceClient, container: str, clock: Callable[[], float]) -> RunStore:
    client = service.get_container_client(container)
    return RunStore(JsonStore(client), LedgerStore(client), clock)


def write_history(to: RunStore, runs: int, datasets: int) -> None:
    """So many closed runs, evenly in so many datasets, the last run of each in service; upgraded, and swept just now."""
    share = runs // datasets
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(partial(_dataset, to, share=share, datasets=datasets), range(datasets)))
    to.write(upgrade.DONE, upgrade.Upgrade(tuple(upgrade.STEPS)))
    to.write(housekeeping.PATH, housekeeping.House(time.time()))


def _dataset(to: RunStore, number: int, *, share: int, datasets: int) -> None:
    slug = f"data-{number}"
    made = [run_of(slug, n, BEGAN + 60.0 * (n * datasets + number)) for n in range(1, share + 1)]
    last = made[-1]
    made[-1] = Run(**{**vars(last), "state": State.LIVE})
    document = Dataset(slug, slug, BEGAN, Holdout("salt", 0.1), next_n=share + 1, champion=last.run_id)
    to.documents.create(f"datasets/{slug}.json", to_json(document))
    for run in made:
        to.documents.create(f"runs/{run.run_id}.json", to_json(run))
        to.list_run(run)
    serving_documents.write(serving_of(last), to)


def run_of(slug: str, n: int, at: float, state: State = State.RETIRED) -> Run:
    """The n-th run of a dataset, as its document is after intake and some steps."""
    return Run(
        run_id=names.run_id(slug, n, 1),
        dataset=slug,
        slug=slug,
        n=n,
        attempt=1,
        key=f"{n:064x}",
        cause="drop",
        state=state,
        created_at=at,
        entered_at=at,
        config_hash="0" * 16,
        source=Source("incoming", f"{slug}.csv", '"0x1"', 1_000_000, f"{n:064x}"),
        snapshot=Snapshot(str(n), f"{slug}/{n}/train/", f"{slug}/{n}/holdout/", SCHEMA, 10_000, 9_000, 1_000),
        history=tuple(Moment(step, at) for step in _before(state)),
    )


def _before(state: State) -> Iterator[State]:
    for step in State:
        yield step
        if step is state:
            return


def serving_of(run: Run) -> ServingEntry:
    deployment = names.deployment(run.n, 1)
    return ServingEntry(
        dataset=run.dataset,
        slug=run.slug,
        endpoint=f"{run.slug}-abc123",
        scoring_uri="http://127.0.0.1:9/score",
        live=deployment,
        schema=SCHEMA,
        traffic={deployment: 100},
        deployments={deployment: Version(run.run_id, f"{run.slug}:{run.n}")},
        updated_at=run.created_at,
    )
