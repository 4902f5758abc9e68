"""Datasets as documents, `datasets/{slug}.json`, found by name or slug and changed by conditional writes."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shared.domain import names
from shared.domain.documents import to_json
from shared.domain.errors import Conflict, NotFound
from shared.domain.run.dataset import Dataset, Holdout
from shared.domain.run.migrations import dataset_of
from shared.domain.table.holdout import NEWEST
from shared.services import conditional
from shared.services.documents import Documents
from shared.services.run.state_documents import StateDocuments

HOLDOUT_SHARE = 0.10
#: Marks of the datasets whose champion has followed another, and when (unix seconds): see `shared.services.run.previous`.
SUCCEEDED = "succeeded/"
#: Marks of the datasets of which a run with a deployment has ended: see `shared.services.run.leftovers`.
ENDED = "ended/"
#: How long a reading of a dataset serves the looks that follow it within one `glance` (seconds): a few calls' time, with all
#: workers at theirs. Nothing is safe by it: whoever stalls between a look and a write is as late.
GLANCE_SECONDS = 0.5


class _Glance(threading.local):
    """What this thread has read of datasets, and when; None outside of a glance."""

    def __init__(self) -> None:
        self.read: dict[str, tuple[float, Dataset]] | None = None


class DatasetStore(StateDocuments):
    """The datasets; `clock` tells unix seconds."""

    def __init__(self, documents: Documents, clock: Callable[[], float]) -> None:
        super().__init__(documents)
        self._clock = clock
        self._glance = _Glance()

    @contextmanager
    def glance(self) -> Iterator[None]:
        """Within it, looks at one dataset that follow each other at once are one reading, as if they had come together.

        What is decided by them is safe as before: a change is made to the document as it is then (`change_dataset`). One within
        another goes on with its readings.
        """
        before = self._glance.read
        self._glance.read = {} if before is None else before
        try:
            yield
        finally:
            self._glance.read = before

    def dataset(self, slug: str) -> Dataset | None:
        read = self._glance.read
        if read and slug in read and time.monotonic() - read[slug][0] < GLANCE_SECONDS:
            return read[slug][1]
        asked, found = time.monotonic(), self.documents.get(f"datasets/{slug}.json")
        dataset = dataset_of(found[0]) if found else None
        if read is not None and dataset is not None:
            read[slug] = asked, dataset
        return dataset

    def slugs(self) -> list[str]:
        """Of every dataset: a listing call a 5,000, no reads."""
        return [
            path.removeprefix("datasets/").removesuffix(".json") for path in self.documents.list("datasets/")
        ]

    def named(self, name: str) -> Dataset | None:
        """The dataset of this very name; two names may come to the same slug, and then one has another."""
        for slug in names.slugs(name):
            found = self.dataset(slug)
            if found is None or found.dataset == name:
                return found
        return None

    def find_dataset(self, name: str) -> Dataset:
        """By its name or its slug. Raises NotFound."""
        found = self.named(name) or (self.dataset(name) if names.is_slug(name) else None)
        if found is None:
            raise NotFound(
                f"There is no dataset {name[:100]!r}.",
                remedy="Drop a CSV of that name, or see GET /api/datasets.",
            )
        return found

    def ensure_dataset(self, name: str) -> Dataset:
        """The dataset's document, made at its first file; it fixes slug and holdout rule for good."""
        for slug in names.slugs(name):
            found = self.dataset(slug)
            if found is None:
                found = self._new_dataset(name, slug)
            if found.dataset == name:
                return found
        raise Conflict(
            f"Every short form of the name {name[:100]!r} is taken by another dataset.",
            remedy="Drop the file under another name.",
            code="name-taken",
        )

    def _new_dataset(self, name: str, slug: str) -> Dataset:
        made = Dataset(name, slug, self._clock(), Holdout(secrets.token_hex(8), HOLDOUT_SHARE, NEWEST))
        path = f"datasets/{slug}.json"
        try:
            self.documents.create(path, to_json(made))
        except Conflict:  # another host saw a first file at the same time
            found = self.documents.get(path)
            return dataset_of(found[0]) if found else made
        return made

    def change_dataset(self, slug: str, change: Callable[[Dataset], Dataset]) -> Dataset:
        """Write what `change` makes of the dataset; again on the new document when another writer was first.

        A `change` that leaves the dataset as it was costs no write.
        """
        path = f"datasets/{slug}.json"
        if self._glance.read:
            self._glance.read.pop(slug, None)

        def attempt() -> Dataset:
            found = self.documents.get(path)
            if found is None:
                raise NotFound(f"There is no dataset {slug!r}.")
            before = dataset_of(found[0])
            after = change(before)
            if before.champion and after.champion != before.champion:  # first, so that a crash loses no mark
                self.mark_succeeded(slug, self._clock())
            if after != before:
                self.documents.replace(path, to_json(after), found[1])
            return after

        return conditional.write(attempt, path)

    def mark_succeeded(self, slug: str, at: float) -> None:
        """Have the version before this dataset's champion taken away once its hours since `at` (unix seconds) are over."""
        self.documents.mark(f"{SUCCEEDED}{slug}", {"at": f"{at:.3f}"})

    def mark_ended(self, slug: str) -> None:
        """Have what nothing of this dataset names any more taken away."""
        self.documents.mark(f"{ENDED}{slug}", {})
