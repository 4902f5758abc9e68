"""Serving documents that somebody deleted or wrote over are made anew from the dataset, its champion and the endpoint."""

from __future__ import annotations

from functools import partial

from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.run.serving import ServingEntry
from shared.domain.run.states import State
from shared.services.documents import entries
from shared.services.guard import guarded
from shared.services.run import serving_documents
from shared.services.run.context import Context
from shared.services.run.levers.sleeping import lie_down
from shared.services.run.ports import Endpoint
from shared.services.run.serving_documents import FOLDER, path_of, placed, slug_of
from shared.services.run.traffic import deployment_of, endpoint_of, serving_entry

#: Between two looks (seconds): a listing call, and reads of what has changed.
LOOK_SECONDS = 90.0
#: The datasets are listed when a serving document has changed, and at least this often (seconds).
DATASETS_SECONDS = 600.0
#: Of documents that are there and were never looked at since the process began, so many are read in one look.
NEVER_SEEN = 20
#: A run that is being promoted writes it itself within so long (seconds), unless it waits: for a person, or for what is away.
PROMOTING_SECONDS = 60.0


class ServingRepair:
    """One per process: it remembers which versions it has seen."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._seen: dict[str, tuple[str, str]] = {}
        self._serving: dict[str, str] = {}
        self._datasets: dict[str, str] = {}
        #: Missing while a run is promoted, since when (the lifecycle's own time).
        self._missing: dict[str, float] = {}
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
            looked = guarded(ctx.log, "serving document not looked at", partial(self._look, slug), slug=slug)
            if looked and slug not in self._missing:
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
        if dataset is None or dataset.champion is None:
            return  # nothing is in service
        if ctx.store.hint(path_of(slug), ServingEntry) is not None:
            self._missing.pop(slug, None)
            return
        if dataset.promoting:
            since = self._missing.setdefault(slug, ctx.active())
            if ctx.active() - since < PROMOTING_SECONDS:
                return
        champion, _ = ctx.store.load(dataset.champion)
        endpoint, name = endpoint_of(champion, ctx), deployment_of(champion)
        other = self._sharing(dataset, champion, endpoint)
        entry = (
            serving_entry(other, endpoint, champion, ctx)
            if other
            else serving_entry(champion, endpoint, None, ctx, traffic={name: 100})
        )
        made = serving_documents.write(entry, ctx.store, anew=True)
        self._missing.pop(slug, None)
        if dataset.sleep:
            lie_down(slug, ctx)
        if made:
            ctx.log(
                "a serving document was missing or unreadable and is made anew", slug=slug, deployment=name
            )

    def _sharing(self, dataset: Dataset, champion: Run, endpoint: Endpoint) -> Run | None:
        """The run whose canary the endpoint's traffic is split for; None where all of it goes to the champion, or back."""
        if dataset.promoting is None or dataset.shifting:
            return None
        run, _ = self._ctx.store.load(dataset.promoting)
        breached = run.canary is not None and run.canary.breach
        if run.state is not State.CANARY or breached or run.cancelling:
            return None
        both = {deployment_of(champion), deployment_of(run)}
        return run if {name for name, share in endpoint.traffic.items() if share} == both else None
