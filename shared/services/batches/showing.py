"""Batches as people see them: one, and a page of them, newest first."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from shared.domain.batches import Batch, BatchView, view
from shared.domain.documents import InvalidDocument
from shared.domain.errors import NotFound
from shared.services.batches.taking import Batches
from shared.services.run.dataset_store import DatasetStore
from shared.services.run.listed_batches import Listed
from shared.services.run.views import READERS, PageQuery


@dataclass(frozen=True)
class BatchQuery:
    """Which page, and of which dataset."""

    page: PageQuery = field(default_factory=PageQuery)
    dataset: str | None = None

    @staticmethod
    def parse(params: Mapping[str, str]) -> BatchQuery:
        """From the query string; raises InvalidInput naming the parameter."""
        return BatchQuery(PageQuery.parse(params), params.get("dataset"))


@dataclass(frozen=True)
class BatchList:
    """Newest first. `cursor` asks for what comes after, None at the end."""

    batches: tuple[BatchView, ...]
    cursor: str | None = None


def show(batches: Batches, dataset: str, batch_id: str) -> BatchView:
    """Also while no model of the dataset is in service: files wait for one. Raises NotFound."""
    slug = _slug(batches, dataset)
    found = batches.load(f"{slug}/{batch_id}") if slug else None
    if found is None:
        batches.scoring.entry(dataset)
        raise NotFound(f"There is no batch {batch_id[:40]!r} of {dataset[:80]!r}.", code="unknown-batch")
    return view(found[0])


def page(batches: Batches, query: BatchQuery) -> tuple[BatchList, str]:
    """The batches asked for and the ETag of this answer: a listing call, and a read for each that is shown."""
    slug = None
    if query.dataset is not None:
        slug = _slug(batches, query.dataset)
        if slug is None:
            return BatchList(()), '"none"'
    found = batches.listed.page(slug, query.page.limit, query.page.cursor)

    def read(listed: Listed) -> tuple[Batch, str] | None:
        try:
            return batches.load(f"{listed.slug}/{listed.id}")
        except InvalidDocument:  # one that can't be read hides no other
            return None

    with ThreadPoolExecutor(READERS, thread_name_prefix="dropml-read") as pool:
        known = [each for each in pool.map(read, found.items) if each]
    tags = "".join([found.etag, *(etag for _, etag in known)])
    shown = BatchList(tuple(view(batch) for batch, _ in known), found.cursor)
    return shown, f'"{hashlib.sha256(tags.encode()).hexdigest()[:32]}"'


def _slug(batches: Batches, dataset: str) -> str | None:
    entry = batches.scoring.directory.get(dataset)
    if entry is not None:
        return entry.slug
    try:
        return DatasetStore(batches.documents, batches.clock).find_dataset(dataset).slug
    except NotFound:
        return None
