"""Pipeline runs: the latest of each dataset that has any, and one with its steps as a graph."""

from __future__ import annotations

from itertools import groupby

from shared.services.run.index import Index
from shared.services.run.pipeline_views import PipelineRunView
from shared.ui.desk import Desk, Visit
from shared.ui.render import Page

#: Pipeline runs that one listing call reads, by dataset and the newest first, and those of a dataset that are shown.
LISTED, RUNS = 200, 10
ENDED = frozenset({"completed", "failed", "cancelled", "published"})


def pipelines(desk: Desk, visit: Visit) -> Page:
    index = Index(desk.store.documents, "index/pipelines/", PipelineRunView)
    found = index.page(LISTED, visit.said.get("cursor"))
    by_dataset = [(slug, list(runs)) for slug, runs in groupby(found.items, lambda run: run.slug)]
    values: dict[str, object] = {
        "datasets": [(slug, runs[0].dataset, runs[:RUNS]) for slug, runs in by_dataset],
        "cursor": found.cursor,
    }
    return Page("pipelines.html", "Pipelines", values)


def pipeline(desk: Desk, visit: Visit) -> Page:
    view = desk.pipelines().show(visit.names[0], visit.names[1])
    live = desk.place.look_seconds if view.status not in ENDED else 0
    return Page(
        "pipeline.html", f"Pipeline run of {view.dataset}", {"view": view, "open": bool(live)}, live=live
    )
