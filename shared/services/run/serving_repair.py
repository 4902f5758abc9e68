"""Serving documents that somebody deleted or wrote over are made anew from the dataset, its champion and the endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from shared.domain.run.serving import ServingEntry
from shared.services.documents import entries
from shared.services.guard import guarded
from shared.services.run.context import Context
from shared.services.run.levers.sleeping import lie_down
from shared.services.run.traffic import deployment_of, endpoint_of, write_serving

#: Between two looks (seconds): a listing call each for datasets and serving documents, and reads of what has changed.
LOOK_SECONDS = 60.0
#: Of documents that are there and were never looked at since the process began, so many are read in one look.
NEVER_SEEN = 20


class ServingRepair:
    """One per process: it remembers which versions it has seen."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._seen: dict[str, tuple[str, str]] = {}
        self._looked_at = float("-inf")

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
        """Who has changed or serves nothing first; a process that has just begun reads the others little by little."""
        serving = dict(self._listed("serving/"))
        first: list[tuple[str, tuple[str, str]]] = []
        later: list[tuple[str, tuple[str, str]]] = []
        for slug, etag in self._listed("datasets/"):
            now = (etag, serving.get(slug, ""))
            if self._seen.get(slug) != now:
                known = slug in self._seen or slug not in serving
                (first if known else later).append((slug, now))
        return first + later[:NEVER_SEEN]

    def _listed(self, folder: str) -> Iterator[tuple[str, str]]:
        for entry in entries(self._ctx.store.documents, folder):
            yield entry.path.removeprefix(folder).removesuffix(".json"), entry.etag

    def _look(self, slug: str) -> None:
        ctx = self._ctx
        dataset = ctx.store.dataset(slug)
        if dataset is None or dataset.champion is None or dataset.promoting is not None:
            return  # nothing is in service, or the run that is promoted writes it
        if ctx.store.hint(f"serving/{slug}.json", ServingEntry) is not None:
            return
        champion, _ = ctx.store.load(dataset.champion)
        endpoint, name = endpoint_of(champion, ctx), deployment_of(champion)
        write_serving(champion, endpoint, None, ctx, traffic={name: 100})
        if dataset.sleep:
            lie_down(slug, ctx)
        ctx.log("a serving document was missing or unreadable and is made anew", slug=slug, deployment=name)
