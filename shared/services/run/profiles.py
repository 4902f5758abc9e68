"""The profile of a dataset's version, read from beside its snapshot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Protocol

from shared.domain import names
from shared.domain.documents import from_json
from shared.domain.errors import NotFound
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.table.profile.parts import Profile
from shared.services.documents import Known, unseen
from shared.services.run.store import RunStore


class Found(Protocol):
    """A blob; `etag` is quoted."""

    @property
    def etag(self) -> str: ...


class Files(Protocol):
    """The data account (`shared.adapters.data_files.DataStore`)."""

    def properties(self, container: str, name: str) -> Found: ...
    def stream(self, container: str, name: str, etag: str | None = None) -> Iterator[bytes]: ...


class Profiles:
    def __init__(self, store: RunStore, files: Files, container: str) -> None:
        self._store, self._files, self._container = store, files, container

    def version(self, dataset: str, n: int, known: Known = unseen) -> tuple[Profile | None, str]:
        """The profile of version `n` and its ETag; no profile where the ETag is `known`. Raises NotFound."""
        found = self._store.find_dataset(dataset)
        run = self._newest(found, n)
        if run is None:
            raise NotFound(
                f"There is no version {n} of {found.dataset[:100]!r}.",
                remedy="GET /api/runs?dataset=NAME lists its runs; `n` is the version.",
                field="n",
            )
        path = run.snapshot.profile_path if run.snapshot else ""
        if not path:
            why = "nothing of it was staged" if run.snapshot is None else "an earlier release staged it"
            raise _none(run, why)
        try:
            etag = self._files.properties(self._container, path).etag
            return (None if known(etag) else self.read(path, etag)), etag
        except NotFound as error:
            raise _none(run, "it was deleted with the data") from error

    def read(self, path: str, etag: str | None = None) -> Profile:
        """Raises NotFound, and InvalidDocument for one that was changed by hand."""
        raw = b"".join(self._files.stream(self._container, path, etag))
        return from_json(json.loads(raw), Profile)

    def _newest(self, dataset: Dataset, n: int) -> Run | None:
        """The last attempt at this version that staged data, else the last attempt."""
        prefix = f"runs/{names.run_id(dataset.slug, n, 0)[:-1]}"
        listed = (
            path.removeprefix("runs/").removesuffix(".json") for path in self._store.documents.list(prefix)
        )
        attempts = {
            parsed[2]: run_id
            for run_id in (*listed, *dataset.open)
            if (parsed := names.parse_run_id(run_id)) and parsed[:2] == (dataset.slug, n)
        }
        runs = [self._store.load(attempts[attempt])[0] for attempt in sorted(attempts, reverse=True)]
        return next((run for run in runs if run.snapshot), runs[0] if runs else None)


def _none(run: Run, why: str) -> NotFound:
    return NotFound(
        f"Version {run.n} of {run.dataset[:100]!r} has no profile: {why}.",
        remedy="Drop the file again.",
        field="n",
    )
