"""What people see of runs and datasets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from shared.domain.documents import InvalidDocument
from shared.domain.errors import InvalidInput, NotFound
from shared.domain.metrics import primary_metric, smaller_is_better
from shared.domain.run.acts import Act, Shift
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run, RunDetail
from shared.domain.run.ledger import verify
from shared.domain.run.parts import Trial
from shared.domain.run.serving import ServingEntry
from shared.domain.run.states import State
from shared.services.documents import Entry
from shared.services.run.index import decoded, encoded
from shared.services.run.listed_batches import ListedBatches
from shared.services.run.store import RunStore
from shared.services.run.summary import RunSummary

MAX_ITEMS = 500
#: Documents of a page that are read at a time.
READERS = 8


@dataclass(frozen=True)
class PageQuery:
    """Which page of a list, and how long it is."""

    limit: int = 50
    cursor: str | None = None

    @staticmethod
    def parse(params: Mapping[str, str]) -> PageQuery:
        """From the query string; raises InvalidInput naming the parameter."""
        limit = params.get("limit", "50")
        if not (limit.isascii() and limit.isdigit() and len(limit) <= 3 and 1 <= int(limit) <= MAX_ITEMS):
            raise InvalidInput(f"limit must be a whole number from 1 to {MAX_ITEMS}.", field="limit")
        return PageQuery(int(limit), params.get("cursor"))


@dataclass(frozen=True)
class RunQuery:
    """What a list of runs is narrowed to."""

    page: PageQuery = PageQuery()
    dataset: str | None = None
    state: State | None = None

    @staticmethod
    def parse(params: Mapping[str, str]) -> RunQuery:
        """From the query string; raises InvalidInput naming the parameter."""
        page, state = PageQuery.parse(params), params.get("state")
        if state is not None and state not in set(State):
            raise InvalidInput(
                f"There is no state {state[:50]!r}.", remedy=f"One of {', '.join(State)}.", field="state"
            )
        return RunQuery(page, params.get("dataset"), State(state) if state else None)


@dataclass(frozen=True)
class RunList:
    """Newest first. `cursor` asks for what comes after, None at the end."""

    runs: tuple[RunSummary, ...]
    cursor: str | None = None


@dataclass(frozen=True)
class Leaderboard:
    """Trials, best first by the run's primary metric; those without a value last. `best` names the chosen one."""

    run_id: str
    primary_metric: str
    best: str | None
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class LedgerView:
    """Entries as they were written. `broken_at` is the index of the first that can't be right, and `reason` why."""

    run_id: str
    entries: tuple[dict[str, Any], ...]
    broken_at: int | None = None
    reason: str | None = None


@dataclass(frozen=True)
class DatasetView:
    """A dataset and, once a model of it is in service, by what it is served. `traffic` is in percent."""

    dataset: str
    slug: str
    champion: str | None
    open_runs: tuple[str, ...]
    versions: int
    endpoint: str | None = None
    model: str | None = None
    traffic: dict[str, int] = field(default_factory=dict)
    #: Who paused it, where it is paused.
    paused: Act | None = None
    #: The last time that traffic went to another version without a canary.
    shift: Shift | None = None
    #: The run that is watched after 100 %, and since when (unix seconds).
    watched: str | None = None
    watched_since: float | None = None
    #: Why its documents can't be read, where they can't.
    problem: str | None = None
    #: Batches that wait for a model or are worked on.
    open_batches: int = 0
    #: Its endpoint sleeps (IDLE_HOURS), or is on its way there or back.
    asleep: bool = False


@dataclass(frozen=True)
class DatasetList:
    """By name. `cursor` asks for what comes after, None at the end."""

    datasets: tuple[DatasetView, ...]
    cursor: str | None = None


def runs(query: RunQuery, store: RunStore) -> tuple[RunList, str]:
    """The runs asked for, and the ETag of this answer; a listing call or a few, however many runs there are."""
    index = store.index
    if query.dataset is not None:
        try:
            index = store.index_of(store.find_dataset(query.dataset).slug)
        except NotFound:
            return RunList(()), '"none"'

    def wanted(_: str, found: RunSummary) -> bool:
        return found.state == query.state

    page = index.page(query.page.limit, query.page.cursor, wanted if query.state else None)
    return RunList(page.items, page.cursor), page.etag


def leaderboard(run: RunDetail) -> Leaderboard:
    """The run's trials in the order of their primary metric."""
    name = primary_metric(run.config)
    sign = 1 if smaller_is_better(name) else -1

    def rank(trial: Trial) -> tuple[bool, float]:
        value = trial.metrics.get(name)
        return (value is None, sign * (value or 0.0))

    best = run.best.name if run.best else None
    return Leaderboard(run.run_id, name, best, tuple(sorted(run.trials, key=rank)))


def ledger(run_id: str, store: RunStore) -> LedgerView:
    """The run's ledger, held against the head that its document keeps. A line that can't be read is shown as text."""
    return ledger_of(store.load(run_id)[0], store)


def ledger_of(run: Run, store: RunStore) -> LedgerView:
    """As `ledger`, of a run that was read just before."""
    lines = store.ledger(run.run_id)
    found = verify(lines, run.ledger_head, run.pending)
    return LedgerView(run.run_id, tuple(_entry(line) for line in lines), found.broken_at, found.reason)


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    return entry if isinstance(entry, dict) else {"unreadable": line[:1000]}


def datasets(query: PageQuery, store: RunStore) -> DatasetList:
    """A page of datasets: two listing calls, a read, and two for each that is shown, several at a time."""
    batches = ListedBatches(store.documents).open_by_dataset()
    entries, after = store.documents.page("datasets/", query.limit, decoded(query.cursor)[0])

    def read(entry: Entry) -> DatasetView | None:
        slug = entry.path.removeprefix("datasets/").removesuffix(".json")
        try:
            found = store.dataset(slug)
            serving = store.read(f"serving/{slug}.json", ServingEntry) if found else None
            return dataset_view(found, serving, batches[slug]) if found else None
        except InvalidDocument as error:  # one that can't be read hides no other
            return DatasetView(slug, slug, None, (), 0, problem=error.message)

    with ThreadPoolExecutor(READERS, thread_name_prefix="dropml-read") as pool:
        return DatasetList(
            tuple(view for view in pool.map(read, entries) if view), encoded(after, "") if after else None
        )


def dataset_view(dataset: Dataset, serving: ServingEntry | None, open_batches: int = 0) -> DatasetView:
    live = serving.version(serving.live) if serving else None
    return DatasetView(
        dataset=dataset.dataset,
        slug=dataset.slug,
        champion=dataset.champion,
        open_runs=tuple(sorted(dataset.open)),
        versions=dataset.next_n - 1,
        endpoint=serving.endpoint if serving else None,
        model=(live.model or None) if live else None,
        traffic=serving.traffic if serving else {},
        open_batches=open_batches,
        paused=dataset.paused,
        asleep=dataset.sleep is not None,
        shift=dataset.shift,
        watched=dataset.watch.run_id if dataset.watch else None,
        watched_since=dataset.watch.at if dataset.watch else None,
    )
