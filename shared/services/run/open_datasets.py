"""Marks of the datasets that may have open runs, so that a tick looks at nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from shared.domain.errors import Conflict
from shared.services.documents import Documents, entries
from shared.services.quiet import Quiet, stir
from shared.services.run.dataset_store import DatasetStore

MARKS = "open/"
OPEN = f"{MARKS}runs/"


class OpenDatasets(DatasetStore):
    """The datasets, and which of them may have open runs."""

    def __init__(self, documents: Documents, clock: Callable[[], float]) -> None:
        super().__init__(documents, clock)
        self._quiet = Quiet(documents, MARKS)

    def mark_open(self, slug: str) -> None:
        """Have the next tick look at this dataset."""
        self.documents.mark(f"{OPEN}{slug}", {})
        stir(self.documents, MARKS)

    def anything_open(self) -> bool:
        """Whether a dataset or a pipeline may have something to be advanced: mostly one read."""
        return not self._quiet.still()

    def open_datasets(self) -> dict[str, str]:
        """Slugs of the datasets that may have open runs, each with its mark's ETag: one listing call a 5,000."""
        return {entry.path.removeprefix(OPEN): entry.etag for entry in entries(self.documents, OPEN)}

    def rest(self, slug: str, mark: str) -> None:
        """Take away the mark of a dataset that has nothing to do.

        A claim marks after it has read the dataset and before it writes it. Here the dataset is written, then the mark of
        before is deleted: a claim that read the dataset earlier loses its write and marks anew, one that read it later
        has marked anew, and an ETag that has changed keeps the mark.
        """
        idle = self.change_dataset(
            slug, lambda found: found if found.busy else replace(found, rests=found.rests + 1)
        )
        if not idle.busy:
            try:
                self.documents.delete(f"{OPEN}{slug}", mark)
            except Conflict:
                return
