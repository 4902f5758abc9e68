"""Serving documents that somebody deleted or wrote over are made anew from the dataset, its champion and the endpoint."""

from __future__ import annotations

from functools import partial

from shared.domain.run.serving import ServingEntry
from shared.services.documents import entries
from shared.services.guard import guarded
from shared.services.run.context import Context
from shared.services.run.levers.sleeping import lie_down
from shared.services.run.serving_documents import FOLDER, path_of, placed, slug_of
from shared.services.run.traffic import deployment_of, endpoint_of, write_serving

#: Between two looks (seconds): a listing call, and reads of what has changed.
LOOK_SECONDS = 90.0
#: The datasets are listed when a serving document has changed, and at least this often (seconds).
DATASETS_SECONDS = 600.0
#: Of documents that are there and were never looked at since the process began, so many are read in one look.
NEVER_SEEN = 20


class ServingRepair:
    """One per process: it remembers which versions it has seen."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._seen: dict[str, tuple[str, str]] = {}
        self._serving: dict[str, str] = {}
        self._datasets: dict[str, str] = {}
        self._listed_at = self._looked_at = float("-inf")

    def tick(self, deadline: float) -> None:
        """Look at every dataset that has changed since the last look, until `ctx.active()` reaches `deadline`."""
        ctx = self._ctx
        if ctx.active() - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = ctx.active()
        for slug, now in self._due():
            if ctx.active() >= deadline:
                return
            if guarded(ctx.log, "serving document not looked at", partial(self._look, slug), slug=slug):
                self._seen[slug] = now

    def _due(self) -> list[tuple[str, tuple[str, str]]]:
        """Who has changed or serves nothing first; of the others a process that has just begun reads what the listing doesn't
        tell of, little by little.
        """
        serving = {slug_of(entry): entry for entry in entries(self._ctx.store.documents, FOLDER)}
        self._list_datasets({slug: entry.etag for slug, entry in serving.items()})
        first: list[tuple[str, tuple[str, str]]] = []
        later: list[tuple[str, tuple[str, str]]] = []
        for slug, etag in self._datasets.items():
            document = serving.get(slug)
            now = (etag, document.etag if document else "")
            if self._seen.get(slug) == now:
                continue
            if slug in self._seen or document is None:
                first.append((slug, now))
            elif placed(document):
                self._seen[slug] = now
            else:
                later.append((slug, now))
        return first + later[:NEVER_SEEN]

    def _list_datasets(self, serving: dict[str, str]) -> None:
        before, self._serving = self._serving, serving
        if serving == before and self._ctx.active() - self._listed_at < DATASETS_SECONDS:
            return
        self._listed_at = self._ctx.active()
        listed = entries(self._ctx.store.documents, "datasets/")
        self._datasets = {e.path.removeprefix("datasets/").removesuffix(".json"): e.etag for e in listed}

    def _look(self, slug: str) -> None:
        ctx = self._ctx
        dataset = ctx.store.dataset(slug)
        if dataset is None or dataset.champion is None or dataset.promoting is not None:
            return  # nothing is in service, or the run that is promoted writes it
        if ctx.store.hint(path_of(slug), ServingEntry) is not None:
            return
        champion, _ = ctx.store.load(dataset.champion)
        endpoint, name = endpoint_of(champion, ctx), deployment_of(champion)
        write_serving(champion, endpoint, None, ctx, traffic={name: 100})
        if dataset.sleep:
            lie_down(slug, ctx)
        ctx.log("a serving document was missing or unreadable and is made anew", slug=slug, deployment=name)
