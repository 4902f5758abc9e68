"""What people see of how the live models of a dataset do on fresh data."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.documents import from_json
from shared.domain.run.fresh import Point, Series
from shared.services.documents import Known, unseen
from shared.services.run.fresh import series_path
from shared.services.run.store import RunStore

#: Of a dataset that has no point yet.
NOTHING = '"0"'


@dataclass(frozen=True)
class PerformanceView:
    """The honest live metric of a dataset: a point for each new file that a live model has met, in order of time."""

    dataset: str
    slug: str
    points: tuple[Point, ...]


def performance(name: str, store: RunStore, known: Known = unseen) -> tuple[PerformanceView | None, str]:
    """The series and its ETag; None where the ETag is `known`. Raises NotFound."""
    dataset = store.find_dataset(name)
    found = store.documents.get(series_path(dataset.slug))
    etag = found[1] if found else NOTHING
    if known(etag):
        return None, etag
    series = from_json(found[0], Series) if found else Series()
    return PerformanceView(dataset.dataset, dataset.slug, series.points), etag
