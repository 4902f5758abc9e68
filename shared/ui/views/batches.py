"""The latest batches of a dataset: files of rows, and what became of them."""

from __future__ import annotations

from shared.domain.batches import OPEN_STATES, Batch, BatchView, view
from shared.services.run.listed_batches import ListedBatches
from shared.ui.desk import Desk

#: Batches that a dataset's page shows; `GET /batches` has all.
SHOWN = 5


def latest(desk: Desk, slug: str) -> tuple[BatchView, ...]:
    """The newest first, as they were within seconds: a listing, and a read for each."""
    found = desk.settled.told.get(("batches", slug), lambda: _read(desk, slug))
    return found if isinstance(found, tuple) else ()


def _read(desk: Desk, slug: str) -> tuple[BatchView, ...]:
    store = desk.store
    listed = ListedBatches(store.documents).page(slug, SHOWN, None).items
    known = (store.hint(f"batches/{each.slug}/{each.id}.json", Batch) for each in listed)
    return tuple(view(batch) for batch in known if batch)


def moving(batches: tuple[BatchView, ...]) -> bool:
    return any(batch.status in OPEN_STATES for batch in batches)
