"""Home: what needs a person first, then each dataset with what answers for it. And the list of runs."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from shared.domain.documents import InvalidDocument
from shared.domain.errors import NotFound
from shared.domain.run.states import OPEN, State
from shared.services.documents import Entry
from shared.services.quarantine.listing import RefusedQuery
from shared.services.run import views
from shared.services.run.index import decoded, encoded
from shared.services.run.listed_batches import ListedBatches
from shared.services.run.summary import RefusedSummary, RunSummary
from shared.services.run.views import DatasetView, PageQuery, RunQuery
from shared.ui.desk import Champion, Desk, Visit
from shared.ui.render import Page

#: Datasets and runs on the page; the lists have the rest.
DATASETS, RUNS, LOOKED_AT = 12, 8, 40


@dataclass(frozen=True)
class Attention:
    """One thing that waits for a person, or that went wrong and nothing has mended since."""

    tone: str
    what: str
    why: str
    path: str
    at: float


@dataclass(frozen=True)
class Card:
    """A dataset, the run that answers for it, and what that was worth at the gate."""

    view: DatasetView
    champion: Champion | None
    open_batches: int
    open_runs: tuple[RunSummary, ...]
    #: The newest run, where none is live and the page knows it.
    latest: RunSummary | None = None


def home(desk: Desk, visit: Visit) -> Page:
    """A few storage calls, however many runs there are."""
    store = desk.store
    with ThreadPoolExecutor(8, thread_name_prefix="dropml-read") as pool:
        latest = pool.submit(views.runs, RunQuery(PageQuery(LOOKED_AT)), store)
        cursor = decoded(visit.said.get("cursor"))[0]
        refusals = pool.submit(desk.quarantine().page, RefusedQuery(PageQuery(20)))
        listed = ListedBatches(store.documents)
        worked_on = pool.submit(listed.worked_on)
        runs, changed = latest.result()
        entries, after = desk.settled.entries.get(
            (cursor, changed), lambda: store.documents.page("datasets/", DATASETS, cursor)
        )
        found = list(pool.map(lambda entry: _dataset(desk, entry), entries))
        batches = worked_on.result()
        if any(each and not each[0].champion for each in found):  # only a first model is waited for
            batches += listed.waiting()
        refused = refusals.result()[0]
    cards = [
        Card(
            view,
            champion,
            batches[view.slug],
            _open(view, runs.runs),
            next((each for each in runs.runs if each.slug == view.slug), None),
        )
        for view, champion in filter(None, found)
    ]
    attention = sorted(_attention(runs.runs, refused.files), key=lambda each: -each.at)
    nothing = not (runs.runs or cards or attention)  # whoever waits for a first file sees it come
    moving = nothing or any(run.state in OPEN for run in runs.runs)
    values: dict[str, object] = {
        "attention": attention,
        "cards": cards,
        "cursor": encoded(after, "") if after else None,
        "first": "cursor" not in visit.said,
        "runs": runs.runs[:RUNS],
        "place": desk.place,
    }
    return Page("home.html", "Overview", values, live=desk.place.look_seconds if moving else 0)


def _dataset(desk: Desk, entry: Entry) -> tuple[DatasetView, Champion | None] | None:
    """Read where it has changed since this process saw it last: the listing has told its ETag."""
    slug = entry.path.removeprefix("datasets/").removesuffix(".json")
    try:
        view = desk.settled.datasets.get((slug, entry.etag), lambda: _view(desk, slug))
        run_id = view.champion
        champion = (
            desk.settled.champions.get(run_id, lambda: _champion(desk, str(run_id))) if run_id else None
        )
    except NotFound:
        return None
    except InvalidDocument as error:  # one that can't be read hides no other
        return DatasetView(slug, slug, None, (), 0, problem=error.message), None
    return view, champion


def _view(desk: Desk, slug: str) -> DatasetView:
    return views.dataset_view(desk.store.find_dataset(slug), None)


def _champion(desk: Desk, run_id: str) -> Champion:
    run, _ = desk.store.load(run_id)
    return Champion(
        run.model.label if run.model else None,
        run.best.algorithm if run.best else None,
        run.placement.endpoint if run.placement else None,
        run.gate.numbers if run.gate else None,
    )


def _open(view: DatasetView, runs: tuple[RunSummary, ...]) -> tuple[RunSummary, ...]:
    return tuple(run for run in runs if run.run_id in view.open_runs)


def _attention(runs: tuple[RunSummary, ...], refused: tuple[RefusedSummary, ...]) -> Iterator[Attention]:
    """The newest word on each dataset counts: a failure that a later run has made good is no news."""
    seen: set[str] = set()
    for run in runs:
        path = f"/runs/{run.run_id}"
        if run.state is State.AWAITING_APPROVAL:
            why = run.gate or "It passed the gate as far as rules can tell."
            yield Attention("warn", f"{run.run_id} waits for your approval", why, path, run.entered_at)
        elif run.slug in seen:
            continue
        elif run.state is State.FAILED:
            yield Attention("bad", f"{run.run_id} failed", run.error or "", f"{path}/failure", run.entered_at)
        elif run.state is State.ROLLED_BACK:
            yield Attention("warn", f"{run.run_id} was rolled back", run.gate or "", path, run.entered_at)
        if run.state is not State.QUARANTINED:
            seen.add(run.slug)
    for file in refused:
        if file.decision is None:
            yield Attention(
                "warn", f"{file.file} waits in quarantine", file.message, f"/quarantine/{file.id}", file.at
            )


def runs(desk: Desk, visit: Visit) -> Page:
    """The list of runs, narrowed by dataset and state."""
    said = {name: value for name, value in visit.said.items() if value}
    query = RunQuery.parse(
        {"limit": "50", **{k: said[k] for k in ("dataset", "state", "cursor") if k in said}}
    )
    found, _ = views.runs(query, desk.store)
    moving = any(run.state in OPEN for run in found.runs) and "cursor" not in said
    values: dict[str, object] = {
        "runs": found.runs,
        "cursor": found.cursor,
        "states": list(State),
        "state": said.get("state", ""),
        "dataset": said.get("dataset", ""),
        "place": desk.place,
    }
    return Page("runs.html", "Runs", values, live=desk.place.look_seconds if moving else 0)
