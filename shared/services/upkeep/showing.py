"""What people see of a dataset between two files: what is said of it, what was decided, whether it drifts."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.drift_series import DriftSeries, JudgedWindow
from shared.domain.retraining import Retraining
from shared.domain.run.serving import ServingEntry
from shared.domain.upkeep import Upkeep
from shared.services.run.listed_batches import ListedBatches
from shared.services.run.store import RunStore
from shared.services.run.views import DatasetView, dataset_view
from shared.services.upkeep import drift, retraining


@dataclass(frozen=True)
class DatasetDetailView:
    """One dataset; `upkeep` is what holds for it now. `retraining` and `drift`, the window judged last, lack until there is
    something to tell.
    """

    dataset: DatasetView
    upkeep: Upkeep
    retraining: Retraining | None = None
    drift: JudgedWindow | None = None


@dataclass(frozen=True)
class DriftView:
    """Windows, the newest first. `captured` is false where nothing is; `champion` is what is live."""

    dataset: str
    slug: str
    champion: str | None
    captured: bool
    threshold: float
    min_rows: int
    windows: tuple[JudgedWindow, ...]


def detail(name: str, store: RunStore, owned: Upkeep) -> DatasetDetailView:
    """By name or slug. Raises NotFound."""
    found = store.find_dataset(name)
    serving = store.read(f"serving/{found.slug}.json", ServingEntry)
    batches = ListedBatches(store.documents).open_by_dataset()
    series = store.hint(drift.path_of(found.slug), DriftSeries) or DriftSeries()
    return DatasetDetailView(
        dataset_view(found, serving, batches[found.slug]),
        found.upkeep or owned,
        store.hint(retraining.path_of(found.slug), Retraining),
        series.windows[-1] if series.windows else None,
    )


def windows(name: str, limit: int, store: RunStore, owned: Upkeep) -> DriftView:
    """The newest windows that were judged. Raises NotFound."""
    found = store.find_dataset(name)
    series = store.hint(drift.path_of(found.slug), DriftSeries) or DriftSeries()
    upkeep = found.upkeep or owned
    return DriftView(
        found.dataset,
        found.slug,
        found.champion,
        upkeep.capture and owned.capture,
        upkeep.drift.threshold,
        upkeep.drift.min_rows,
        series.windows[::-1][:limit],
    )
