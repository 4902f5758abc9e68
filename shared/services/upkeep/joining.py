"""Several versions of a dataset as one snapshot: their training rows side by side under one MLTable.

The storage account copies the files by itself. What was held out of a version is in none of its training rows, and the
rule is the dataset's own, so what the newest version holds out is new to the model that comes of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from shared.domain import names
from shared.domain.errors import NotFound
from shared.domain.run.documents import Run
from shared.domain.run.parts import Snapshot
from shared.domain.table.mltable import DATA_FILE, WEIGHT_COLUMN, UnlikeError, joined
from shared.services.run.training import snapshot_of

#: Bytes of an MLTable file or of a header that are read at most.
MOST = 4 << 20


class Files(Protocol):
    """The data account (`shared.adapters.data_files.DataStore`)."""

    def stream(self, container: str, name: str, etag: str | None = None) -> Iterator[bytes]: ...
    def upload_text(self, container: str, name: str, text: str) -> None: ...
    def begin_copy(self, container: str, name: str, to_name: str) -> bool:
        """Have the account copy a blob within a container; True once the copy is whole. Again, it finds the copy."""


class NotJoinedError(Exception):
    """Why versions can't be trained on together, as a clause."""


@dataclass(frozen=True)
class Joiner:
    files: Files
    container: str

    def joined(self, runs: tuple[Run, ...]) -> Snapshot | None:
        """The snapshot of these runs' data, the newest first; None while the account still copies.

        Raises NotJoinedError where they can't be one table.
        """
        table, snapshots = self.check(runs), [snapshot_of(run) for run in runs]
        folder = f"{runs[0].slug}/{names.digest('joined', *(s.path for s in snapshots))[:20]}"
        try:
            copies = self._copies(snapshots, folder)
            whole = [self.files.begin_copy(self.container, name, to) for name, to in copies.items()]
        except NotFound as error:
            raise _gone(error) from error
        if not all(whole):
            return None
        self.files.upload_text(self.container, f"{folder}/train/MLTable", table)
        return _snapshot(snapshots[0], snapshots, folder, tuple(run.source.content_hash for run in runs))

    def check(self, runs: tuple[Run, ...]) -> str:
        """The text of the MLTable over all of them. Raises NotJoinedError."""
        snapshots = [snapshot_of(run) for run in runs]
        for run, snapshot in zip(runs[1:], snapshots[1:], strict=True):
            _check(snapshots[0], snapshot, run.run_id)
        try:
            return self._table(snapshots)
        except NotFound as error:
            raise _gone(error) from error

    def _copies(self, snapshots: list[Snapshot], folder: str) -> Mapping[str, str]:
        newest = snapshots[0]
        copies = {
            f"{found.path}/{DATA_FILE}": f"{folder}/train/{_name(number)}"
            for number, found in enumerate(snapshots, 1)
        }
        copies[newest.holdout_path] = f"{folder}/holdout/data.csv"
        if newest.profile_path:
            copies[newest.profile_path] = f"{folder}/profile.json"
        return copies

    def _table(self, snapshots: list[Snapshot]) -> str:
        headers = {
            self._beginning(f"{found.path}/{DATA_FILE}").partition(b"\n")[0].rstrip(b"\r")
            for found in snapshots
        }
        if len(headers) > 1:
            raise NotJoinedError("their columns stand in another order")
        texts = [self._beginning(f"{found.path}/MLTable").decode() for found in snapshots]
        try:
            return joined(texts, [_name(number) for number in range(1, len(snapshots) + 1)])
        except UnlikeError as error:
            raise NotJoinedError(str(error)) from error

    def _beginning(self, name: str) -> bytes:
        read = b""
        for piece in self.files.stream(self.container, name):
            read += piece
            if len(read) >= MOST or (not name.endswith("MLTable") and b"\n" in read):
                break
        return read


def _gone(error: NotFound) -> NotJoinedError:
    return NotJoinedError(f"data of an earlier version is gone ({error.message})")


def _name(number: int) -> str:
    return f"data-{number}.csv"


def _check(newest: Snapshot, other: Snapshot, run_id: str) -> None:
    one, two = newest.schema, other.schema
    wrong = None
    if one.label != two.label:
        wrong = f"the label was {two.label!r}"
    elif [(c.name, c.type) for c in one.columns] != [(c.name, c.type) for c in two.columns]:
        wrong = "its columns or their types are others"
    elif bool(one.classes) != bool(two.classes) or set(two.classes) - set(one.classes):
        wrong = "it has classes that the newest version lacks"
    elif newest.weight_column != other.weight_column:
        wrong = f"one of them has no {WEIGHT_COLUMN}"
    if wrong:
        raise NotJoinedError(f"{run_id} does not fit the newest version: {wrong}")


def _snapshot(
    newest: Snapshot, all_of_them: list[Snapshot], folder: str, contents: tuple[str, ...]
) -> Snapshot:
    train: dict[str, int] = {}
    for found in all_of_them:
        for label, rows in found.class_counts.get("train", {}).items():
            train[label] = train.get(label, 0) + rows
    rows = sum(found.train_rows for found in all_of_them)
    return replace(
        newest,
        path=f"{folder}/train",
        holdout_path=f"{folder}/holdout/data.csv",
        profile_path=f"{folder}/profile.json" if newest.profile_path else "",
        rows=rows + newest.holdout_rows,
        train_rows=rows,
        class_counts={**newest.class_counts, "train": dict(sorted(train.items()))}
        if train
        else newest.class_counts,
        input_rows=rows + newest.holdout_rows,
        bad_rows=0,
        bad_rows_path="",
        warnings=(f"Trained on the newest {len(all_of_them)} versions together.",),
        changes=(),
        joined=contents,
    )
