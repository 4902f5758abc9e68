"""Pipeline runs: of each dataset the latest, and one with its steps as a graph."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from shared.domain.errors import DropMLError
from shared.services.run import views
from shared.services.run.pipeline_views import PipelineRunView
from shared.services.run.views import DatasetView, PageQuery
from shared.ui.desk import Desk, Visit
from shared.ui.render import Page

DATASETS, RUNS = 20, 10
ENDED = frozenset({"completed", "failed", "cancelled", "published"})


def pipelines(desk: Desk, visit: Visit) -> Page:
    listed = views.datasets(PageQuery(DATASETS, visit.said.get("cursor")), desk.store)

    def runs_of(view: DatasetView) -> tuple[PipelineRunView, ...]:
        try:
            return desk.pipelines().page(view.slug, RUNS, None).items
        except DropMLError:
            return ()

    with ThreadPoolExecutor(8, thread_name_prefix="dropml-read") as pool:
        found = list(pool.map(runs_of, listed.datasets))
    values: dict[str, object] = {
        "datasets": [
            (view, runs) for view, runs in zip(listed.datasets, found, strict=True) if view.champion or runs
        ],
        "cursor": listed.cursor,
    }
    return Page("pipelines.html", "Pipelines", values)


def pipeline(desk: Desk, visit: Visit) -> Page:
    view = desk.pipelines().show(visit.names[0], visit.names[1])
    live = desk.place.look_seconds if view.status not in ENDED else 0
    return Page(
        "pipeline.html", f"Pipeline run of {view.dataset}", {"view": view, "open": bool(live)}, live=live
    )
