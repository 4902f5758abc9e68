"""Runs as documents that move only by conditional writes.

`datasets/{slug}.json` says which run numbers are given, which runs are open, who the champion is. A run is claimed in two
writes. First the dataset's document takes the run's first form under `open`; this gives it its number. Then
`runs/{run_id}.json` is created. A crash in between leaves the first form, from which `load` makes the document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from shared.domain import names
from shared.domain.documents import to_json
from shared.domain.errors import Conflict, NotFound
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.run.migrations import run_of
from shared.domain.run.states import RETRYABLE, State
from shared.services.documents import Documents, Ledger
from shared.services.notify.outbox import Outbox
from shared.services.run.first_page import FirstPage
from shared.services.run.index import Index
from shared.services.run.open_datasets import OpenDatasets
from shared.services.run.summary import RefusedSummary, RunSummary, refused_summary, summary

RUNS, REFUSED = "index/runs/", "index/quarantine/"


class RunStore(OpenDatasets):
    """The store of runs, datasets and ledgers, and their index."""

    def __init__(
        self,
        documents: Documents,
        ledger: Ledger,
        clock: Callable[[], float],
        outbox: Outbox | None = None,
        signals: Callable[[Run], None] | None = None,
    ) -> None:
        super().__init__(documents, clock)
        #: Whom to tell of what; without settings nobody, of nothing.
        self.outbox = outbox or Outbox(documents, (), frozenset(), clock)
        #: Is told of a run whose pending lines have just been written, by the host that wrote them.
        self.signals = signals or (lambda _: None)
        #: Every run, newest first.
        self.index = Index(documents, RUNS, RunSummary, FirstPage(documents, RUNS, "index/first/runs.json"))
        #: Every refused file, newest first.
        self.refused = Index(
            documents, REFUSED, RefusedSummary, FirstPage(documents, REFUSED, "index/first/quarantine.json")
        )
        self._ledger = ledger

    def claim(
        self,
        slug: str,
        key: str,
        build: Callable[[int, int], Run],
        *,
        delivery: str | None = None,
        brings_data: bool = False,
        again: bool = False,
    ) -> tuple[str, bool]:
        """`(run id, is it new)` for the run of this key (`Dataset.claimed`); its number is given by this write."""
        taken = ("", False)

        def take(dataset: Dataset) -> Dataset:
            nonlocal taken
            after, run_id, fresh = dataset.claimed(
                key,
                build,
                stands=lambda known: self._stands(known, dataset),
                delivery=delivery,
                brings_data=brings_data,
                again=again,
            )
            taken = run_id, fresh
            if fresh:  # between the reading and the writing of the dataset: see `rest`
                self.mark_open(slug)
            return after

        self.change_dataset(slug, take)
        return taken

    def _stands(self, run_id: str, dataset: Dataset) -> bool:
        found = self.documents.get(f"runs/{run_id}.json")
        if found:
            return State(found[0]["state"]) not in RETRYABLE
        return run_id in dataset.open

    def load(self, run_id: str) -> tuple[Run, str]:
        """The run and its ETag, which is empty where it was claimed and not yet written. Raises NotFound."""
        parsed = names.parse_run_id(run_id)
        path = f"runs/{run_id}.json"
        found = self.documents.get(path) if parsed else None
        if found is None:
            dataset = self.dataset(parsed[0]) if parsed else None
            first = dataset.open.get(run_id) if dataset else None
            if first is None:
                raise NotFound(f"There is no run {run_id[:100]!r}.", remedy="GET /api/runs lists them.")
            return first, ""
        return run_of(found[0]), found[1]

    def save(self, run: Run, etag: str) -> tuple[Run, str]:
        """Write the run if nobody else has since `etag` (else Conflict), then bring ledger and index up to date."""
        return self.settle(run, self._written(run, etag))

    def _written(self, run: Run, etag: str) -> str:
        path, doc = f"runs/{run.run_id}.json", to_json(run)
        return self.documents.replace(path, doc, etag) if etag else self.documents.create(path, doc)

    def settle(self, run: Run, etag: str) -> tuple[Run, str]:
        """What follows from the run's document: its pending lines told and appended, its summary listed, its end made known.

        Doing this after the write, from the document, is what makes a crash in between harmless.
        """
        if run.pending:
            self.outbox.of_run(run)
            size = self._append(run)
            self.list_run(run)
            told, run = run, replace(run, ledger_size=size, pending=())
            etag = self._written(run, etag)
            self.signals(told)
        if not run.is_open:
            if run.placement:
                self.mark_ended(run.slug)
            self.close(run.slug, run.run_id)
        return run, etag

    def _append(self, run: Run) -> int:
        """The ledger's size with the run's pending lines in it.

        A ledger that somebody wrote to or cut goes on at the end that it has now: nothing is lost, the run isn't held up,
        and `verify` tells the place.
        """
        path, lines = f"ledger/{run.run_id}.jsonl", list(run.pending)
        try:
            return self._ledger.append(path, run.ledger_size, lines)
        except Conflict as error:
            if error.error_code != "ledger-diverged":
                raise
        size = sum(len(line.encode()) + 1 for line in self._ledger.read(path))
        try:
            return self._ledger.append(path, size, lines)
        except Conflict:  # a torn line: where it ends can't be told
            return run.ledger_size

    def list_run(self, run: Run) -> None:
        """Put the run's summary into its dataset's index, then into that of all, whose stamp changes with either."""
        for index in (self.index_of(run.slug), self.index):
            index.put(run.created_at, run.run_id, summary(run))
        if run.state is State.QUARANTINED and run.problem:
            self.refused.put(run.created_at, run.run_id, refused_summary(run, run.problem))

    def index_of(self, slug: str) -> Index[RunSummary]:
        """One dataset's runs, newest first."""
        return Index(self.documents, f"index/datasets/{slug}/", RunSummary)

    def close(self, slug: str, run_id: str) -> None:
        """Take a run that has ended off the dataset's open ones."""
        self.change_dataset(slug, lambda dataset: dataset.closed(run_id))

    def run_ids(self, slug: str) -> list[str]:
        """Ids of the dataset's runs, newest first: a listing, no reads."""
        found = (
            names.parse_run_id(path[len("runs/") : -len(".json")])
            for path in self.documents.list(f"runs/{slug}-")
        )
        # `b-1-a1` also lists the runs of a dataset whose slug is `b-1`, hence the check.
        numbers = sorted(((n, attempt) for s, n, attempt in filter(None, found) if s == slug), reverse=True)
        return [names.run_id(slug, n, attempt) for n, attempt in numbers]

    def ledger(self, run_id: str) -> list[str]:
        return self._ledger.read(f"ledger/{run_id}.jsonl")

    def every_run_id(self) -> Iterator[str]:
        """Ids of all runs ever made: a listing call a 5,000."""
        for path in self.documents.list("runs/"):
            yield path.removeprefix("runs/").removesuffix(".json")
