"""The lifecycle's view of the data account: holdout rows for the gate, and the quarantine."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from shared.adapters.data_files import DataStore
from shared.domain.errors import NotFound
from shared.domain.gate import Draw, KnownRows, newest
from shared.domain.names import safe_file
from shared.domain.run.parts import Source
from shared.domain.run.quarantine import Report, json_of
from shared.domain.schema import Schema
from shared.domain.table.blocks import staged_lines
from shared.domain.table.values import convert
from shared.services.run.ports import Drawn
from shared.settings import Settings


class Snapshots:
    """Implements `shared.services.run.ports.Data`."""

    def __init__(self, store: DataStore, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    def draw(self, path: str, schema: Schema, limit: int, besides: str = "") -> Drawn:
        """At most `limit` rows, drawn by hash from all of the file at `path`: feature values and true labels."""
        at, reader = self._read(path)
        label = at[schema.label]
        classes = label if schema.classes else None
        columns = [(at[column.name], column.type) for column in schema.columns]
        known = self._known(besides, schema) if besides else None
        everything, new = Draw(classes, limit), Draw(classes, limit)
        for place, record in enumerate(reader, 1):
            values = tuple(record)
            everything.add(place, values)
            if known and known.is_new(tuple(values[index] for index, _ in columns)):
                new.add(place, values)
        drawn, left_out = newest(everything, new, known) if known else (everything.chosen(), 0)
        return Drawn(
            [[convert(record[index], kind) for index, kind in columns] for _, record in drawn],
            [record[label] for _, record in drawn],
            [place for place, _ in drawn],
            left_out,
        )

    def _read(self, path: str) -> tuple[dict[str, int], Iterator[list[str]]]:
        """Where each column is, and the rows."""
        reader = csv.reader(staged_lines(self._store.stream(self._settings.data_container, path)))
        return {name: index for index, name in enumerate(next(reader))}, reader

    def _known(self, path: str, schema: Schema) -> KnownRows | None:
        """What the rows of another holdout are under this schema; None where it is gone, or lacks a column."""
        try:
            at, reader = self._read(path)
        except NotFound:
            return None
        if not all(column.name in at for column in schema.columns):
            return None
        columns = [at[column.name] for column in schema.columns]
        return KnownRows(tuple(record[index] for index in columns) for record in reader)

    def put_aside(self, path: str, folder: str) -> None:
        """Copy staged rows that can't be trained on to the quarantine's folder; again, over what is there."""
        settings = self._settings
        self._store.copy(settings.data_container, path, settings.quarantine_container, f"{folder}/rows.csv")

    def quarantine(self, source: Source, folder: str, report: Report) -> None:
        """Original and report side by side under `folder`; the report comes first, so that a crash shows why."""
        container = self._settings.quarantine_container
        self._store.upload_text(container, f"{folder}/report.json", json_of(report))
        self._store.upload_text(container, f"{folder}/report.txt", report.text)
        name = f"{folder}/{safe_file(source.blob)}"
        self._store.copy(source.container, source.blob, container, name, etag=source.etag)
