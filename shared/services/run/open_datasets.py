"""Marks of the datasets that may have open runs, so that a tick looks at nothing else."""

from __future__ import annotations

from dataclasses import replace

from shared.domain.errors import Conflict
from shared.services.documents import entries
from shared.services.run.dataset_store import DatasetStore

OPEN = "open/runs/"


class OpenDatasets(DatasetStore):
    """The datasets, and which of them may have open runs."""

    def mark_open(self, slug: str) -> None:
        """Have the next tick look at this dataset."""
        self.documents.mark(f"{OPEN}{slug}", {})

    def anything_open(self) -> bool:
        """Whether a dataset or a pipeline may have something to be advanced: one listing call."""
        return bool(self.documents.page("open/", 1)[0])

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
