"""Runs and datasets as documents that move only by conditional writes.

`datasets/{slug}.json` is the index of a dataset: which run numbers are given, which are open, who the champion is. A run is
claimed in two writes. First the dataset document takes the run's initial form under `open`; this gives it its number.
Then `runs/{run_id}.json` is created. A crash in between leaves the initial form, from which `load` makes the document.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

from shared.domain import names
from shared.domain.errors import Conflict, NotFound
from shared.domain.run.run import RETRYABLE, Run, State

T = TypeVar("T")
HOLDOUT_SHARE = 0.10
#: Remembered deliveries and keys of a dataset; older ones can no longer be redelivered by any queue.
REMEMBERED = 500


class Documents(Protocol):
    """JSON documents with ETags (`shared.adapters.blobs.JsonStore`)."""

    def get(self, path: str) -> tuple[dict[str, Any], str] | None: ...
    def create(self, path: str, doc: dict[str, Any]) -> str: ...
    def replace(self, path: str, doc: dict[str, Any], etag: str) -> str: ...
    def delete(self, path: str) -> None: ...
    def list(self, prefix: str) -> Iterator[str]: ...


class Ledger(Protocol):
    """Append blobs (`shared.adapters.blobs.LedgerStore`)."""

    def append(self, path: str, first_position: int, lines: list[str]) -> int: ...
    def read(self, path: str) -> list[str]: ...


class Runs:
    """The store of runs, datasets and ledgers."""

    def __init__(self, documents: Documents, ledger: Ledger, clock: Callable[[], float]) -> None:
        self._docs = documents
        self._ledger = ledger
        self._clock = clock

    # -- datasets ------------------------------------------------------------------------------------------

    def dataset(self, slug: str) -> dict[str, Any] | None:
        found = self._docs.get(f"datasets/{slug}.json")
        return found[0] if found else None

    def datasets(self) -> Iterator[dict[str, Any]]:
        for path in self._docs.list("datasets/"):
            found = self._docs.get(path)
            if found:
                yield found[0]

    def find_dataset(self, name: str) -> dict[str, Any]:
        """By its name or its slug. Raises NotFound."""
        for slug in (names.slug(name), name):
            doc = self.dataset(slug)
            if doc and name in (doc["dataset"], doc["slug"]):
                return doc
        raise NotFound(
            f"There is no dataset {name!r}.", remedy="Drop a CSV of that name, or see GET /api/datasets."
        )

    def ensure_dataset(self, dataset: str) -> dict[str, Any]:
        """The dataset's document, made at its first file; it fixes the holdout rule for good."""
        slug = names.slug(dataset)
        doc = self.dataset(slug)
        if doc is None:
            doc = {
                "dataset": dataset,
                "slug": slug,
                "created_at": self._clock(),
                "holdout": {"salt": secrets.token_hex(8), "threshold": HOLDOUT_SHARE},
                "next_n": 1,
                "keys": {},
                "drops": {},
                "latest_key": None,
                "open": {},
                "champion": None,
                "promoting": None,
            }
            try:
                self._docs.create(f"datasets/{slug}.json", doc)
            except Conflict:  # another host saw the first file at the same time
                return self.ensure_dataset(dataset)
        return doc

    def change_dataset(self, slug: str, change: Callable[[dict[str, Any]], T]) -> T:
        """Apply `change` to the document and write it; again on the new document when another writer was first.

        A `change` that leaves the document as it was costs no write.
        """
        path = f"datasets/{slug}.json"
        while True:
            found = self._docs.get(path)
            if found is None:
                raise NotFound(f"There is no dataset {slug!r}.")
            doc, etag = found
            before = repr(doc)
            result = change(doc)
            if repr(doc) == before:
                return result
            try:
                self._docs.replace(path, doc, etag)
            except Conflict:
                continue
            return result

    # -- runs ----------------------------------------------------------------------------------------------

    def claim(
        self,
        slug: str,
        key: str,
        build: Callable[[int, int], Run],
        *,
        delivery: str | None = None,
        again: bool = False,
    ) -> tuple[str, bool]:
        """`(run id, is it new)` for the run of this key; `build(n, attempt)` makes its first form.

        The dataset's latest key is no new run unless it ended in a RETRYABLE state (then: the next attempt, same `n`).
        Any other key is a new `n`, also one seen before (A, then B, then A again). `again` forces a next attempt.
        """

        def take(doc: dict[str, Any]) -> tuple[str, bool]:
            if delivery and delivery in doc["drops"] and not again:
                return doc["drops"][delivery], False
            n, attempt = doc["next_n"], 1
            known = doc["keys"].get(key) if (again or doc["latest_key"] == key) else None
            if known:
                if self._still_counts(known["run_id"], doc):
                    if delivery:
                        doc["drops"][delivery] = known["run_id"]
                    return known["run_id"], False
                n, attempt = known["n"], known["attempt"] + 1
            run = build(n, attempt)
            doc["next_n"] = max(doc["next_n"], n + 1)
            doc["latest_key"] = key
            doc["keys"][key] = {"n": n, "attempt": attempt, "run_id": run.run_id}
            doc["open"][run.run_id] = run.to_dict()
            if delivery:
                doc["drops"][delivery] = run.run_id
            for memory in (doc["drops"], doc["keys"]):
                while len(memory) > REMEMBERED:
                    del memory[next(iter(memory))]
            return run.run_id, True

        return self.change_dataset(slug, take)

    def _still_counts(self, run_id: str, doc: dict[str, Any]) -> bool:
        found = self._docs.get(f"runs/{run_id}.json")
        state = found[0]["state"] if found else doc["open"].get(run_id, {}).get("state", State.FAILED)
        return State(state) not in RETRYABLE

    def load(self, run_id: str) -> tuple[Run, str]:
        """The run and its ETag. Raises NotFound."""
        path = f"runs/{run_id}.json"
        found = self._docs.get(path)
        if found is None:
            parsed = names.parse_run_id(run_id)
            dataset = self.dataset(parsed[0]) if parsed else None
            initial = (dataset or {}).get("open", {}).get(run_id)
            if initial is None:
                raise NotFound(f"There is no run {run_id!r}.", remedy="GET /api/runs lists them.")
            try:
                return Run.from_dict(initial), self._docs.create(path, initial)
            except Conflict:
                return self.load(run_id)
        return Run.from_dict(found[0]), found[1]

    def save(self, run: Run, etag: str) -> str:
        """Write the run if nobody else has since `etag` (else Conflict), then bring ledger and index up to date."""
        etag = self._docs.replace(f"runs/{run.run_id}.json", run.to_dict(), etag)
        return self.settle(run, etag)

    def settle(self, run: Run, etag: str) -> str:
        """What follows from the run's document: its pending ledger lines appended, its place in the index closed.

        Doing this after the write, from the document, is what makes a crash in between harmless.
        """
        if run.pending:
            run.ledger_size = self._ledger.append(f"ledger/{run.run_id}.jsonl", run.ledger_size, run.pending)
            run.pending = []
            etag = self._docs.replace(f"runs/{run.run_id}.json", run.to_dict(), etag)
        if not run.is_open:

            def close(doc: dict[str, Any]) -> None:
                doc["open"].pop(run.run_id, None)
                if doc["promoting"] == run.run_id:
                    doc["promoting"] = None

            self.change_dataset(run.slug, close)
        return etag

    def open_runs(self) -> list[str]:
        """Ids of the runs that the timer works on, oldest number first within a dataset."""
        return [run_id for doc in self.datasets() for run_id in doc["open"]]

    def all(self) -> Iterator[Run]:
        for path in self._docs.list("runs/"):
            found = self._docs.get(path)
            if found:
                yield Run.from_dict(found[0])

    def ledger(self, run_id: str) -> list[str]:
        return self._ledger.read(f"ledger/{run_id}.jsonl")

    # -- other documents -----------------------------------------------------------------------------------

    def read(self, path: str) -> dict[str, Any] | None:
        found = self._docs.get(path)
        return found[0] if found else None

    def write(self, path: str, doc: dict[str, Any]) -> None:
        """Last writer wins; for documents that one holder of a claim writes."""
        while True:
            found = self._docs.get(path)
            try:
                if found is None:
                    self._docs.create(path, doc)
                elif found[0] != doc:
                    self._docs.replace(path, doc, found[1])
            except Conflict:
                continue
            return

    def delete(self, path: str) -> None:
        """Idempotent; for documents that only ever hold what can be seen again."""
        self._docs.delete(path)

    def paths(self, prefix: str) -> Iterator[str]:
        return self._docs.list(prefix)
