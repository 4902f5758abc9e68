"""A dataset: its versions and what each was worth, its columns, what changed, how to drop the next one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from shared.domain.drift_series import DriftSeries
from shared.domain.errors import DropMLError
from shared.domain.retraining import Retraining
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.run.fresh import Series
from shared.domain.run.serving import ServingEntry
from shared.domain.run.states import OPEN
from shared.domain.table.profile.parts import Profile
from shared.services.run import views
from shared.services.run.fresh import series_path
from shared.services.run.index import Page as RunsPage
from shared.services.run.summary import RunSummary
from shared.services.upkeep.drift import path_of as drift_path
from shared.services.upkeep.retraining import path_of as retraining_path
from shared.ui.desk import Desk, Visit
from shared.ui.render import Page
from shared.ui.views.batches import latest, moving

T = TypeVar("T")
#: Runs listed, and columns of a profile that are drawn; the JSON has them all.
RUNS, COLUMNS = 25, 60
#: Windows of drift that are listed.
WINDOWS = 12


@dataclass(frozen=True)
class Over:
    """The metric over versions: `(version, value, run)`, oldest first."""

    metric: str
    points: tuple[tuple[int, float, str], ...]

    @property
    def line(self) -> list[tuple[float, float]]:
        return [(float(version), value) for version, value, _ in self.points]


def found(desk: Desk, name: str) -> Dataset:
    """By its slug, as our own pages link it, else by its name. Raises NotFound."""
    return desk.store.dataset(name) or desk.store.find_dataset(name)


def dataset(desk: Desk, visit: Visit) -> Page:
    store = desk.store
    now = found(desk, visit.names[0])
    with ThreadPoolExecutor(7, thread_name_prefix="dropml-read") as pool:
        listed = pool.submit(_runs, desk, now.slug, visit.said.get("cursor"))
        serves = pool.submit(store.hint, f"serving/{now.slug}.json", ServingEntry)
        series = pool.submit(_lately, desk, series_path(now.slug), Series)
        drift = pool.submit(_lately, desk, drift_path(now.slug), DriftSeries)
        scored = pool.submit(latest, desk, now.slug)
        retraining = pool.submit(_lately, desk, retraining_path(now.slug), Retraining)
        champion, page = _run(desk, now.champion), listed.result()
        newest = next((run for run in page.items if run.rows), None)
        shown = champion or _run(desk, newest.run_id if newest else None)
        wanted = visit.said.get("version", "")
        version = int(wanted) if wanted.isascii() and wanted.isdigit() else (shown.n if shown else 0)
        profile, why = _profile(desk, now, version, shown)
    values: dict[str, object] = {
        "dataset": now,
        "view": views.dataset_view(now, serves.result()),
        "champion": champion,
        "label": shown.config.label if shown else "",
        "runs": page.items,
        "cursor": page.cursor,
        "over": _over(page.items),
        "profile": profile,
        "no_profile": why,
        "number": version,
        "columns": profile.columns[:COLUMNS] if profile else (),
        "changes": shown.snapshot.changes if shown and shown.snapshot else (),
        "changed": shown.run_id if shown else "",
        "place": desk.place,
        "series": series.result() or Series(),
        "drift": (drift.result() or DriftSeries()).windows[::-1][:WINDOWS],
        "retraining": retraining.result(),
        "batches": scored.result(),
    }
    moves = any(run.state in OPEN for run in page.items) or moving(scored.result())
    return Page("dataset.html", now.dataset, values, live=desk.place.look_seconds if moves else 0)


def _runs(desk: Desk, slug: str, cursor: str | None) -> RunsPage[RunSummary]:
    """Listed anew where any run has moved: knowing that costs a fraction of a listing."""
    index = desk.store.index_of(slug)
    stamp = desk.store.index.stamp()
    if stamp is None:
        return index.page(RUNS, cursor)
    return desk.settled.runs.get((slug, cursor, stamp), lambda: index.page(RUNS, cursor))


def _run(desk: Desk, run_id: str | None) -> Run | None:
    try:
        return desk.store.load(run_id)[0] if run_id else None
    except DropMLError:
        return None


def _lately(desk: Desk, path: str, kind: type[T]) -> T | None:
    found = desk.settled.told.get(path, lambda: desk.store.hint(path, kind))
    return found if isinstance(found, kind) else None


def _over(runs: tuple[RunSummary, ...]) -> Over:
    """Of the metric that the newest version was trained by; what was trained by another is left out."""
    known = [
        (int(run.run_id.rpartition("-a")[0].rpartition("-")[2]), *_worth(run), run.run_id)
        for run in reversed(runs)
    ]
    trained = [(n, metric, value, run_id) for n, metric, value, run_id in known if value is not None]
    now = trained[-1][1] if trained else "AUC_weighted"
    return Over(now, tuple((n, value, run_id) for n, metric, value, run_id in trained if metric == now))


def _worth(run: RunSummary) -> tuple[str, float | None]:
    """An earlier release has written down the one metric alone."""
    return (run.metric, run.score) if run.metric else ("AUC_weighted", run.AUC_weighted)


def _profile(desk: Desk, now: Dataset, version: int, shown: Run | None) -> tuple[Profile | None, str]:
    """That of the run that is shown lies where its snapshot says, and never changes."""
    if not version:
        return None, "No version of it has been taken yet."
    mine = shown.snapshot if shown and shown.n == version else None
    if mine and not mine.profile_path:
        return None, f"Version {version} has no profile: an earlier release staged it. The next one has."
    try:
        if mine:
            path = mine.profile_path
            return desk.settled.profiles.get(path, lambda: desk.profiles().read(path)), ""
        return desk.profiles().version(now.slug, version)[0], ""
    except DropMLError as error:
        return None, f"{error.message} {error.remedy}".strip()
