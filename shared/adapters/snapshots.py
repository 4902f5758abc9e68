"""The lifecycle's view of the data account: holdout rows for the gate, and the quarantine."""

from __future__ import annotations

import csv

from shared.adapters.data_files import DataStore
from shared.domain.gate import draw
from shared.domain.names import safe_file
from shared.domain.run.parts import Source
from shared.domain.run.quarantine import Report, json_of
from shared.domain.schema import Schema, Value
from shared.domain.table.blocks import staged_lines
from shared.domain.table.values import convert
from shared.settings import Settings


class Snapshots:
    """Implements `shared.services.run.ports.Data`."""

    def __init__(self, store: DataStore, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    def draw_holdout(self, path: str, schema: Schema, limit: int) -> tuple[list[list[Value]], list[str]]:
        """At most `limit` rows, drawn by hash from all of the file at `path`: feature values and true labels."""
        reader = csv.reader(staged_lines(self._store.stream(self._settings.data_container, path)))
        at = {name: index for index, name in enumerate(next(reader))}
        label = at[schema.label]
        drawn = draw(reader, label if schema.classes else None, limit)
        columns = [(at[column.name], column.type) for column in schema.columns]
        rows = [[convert(record[index], kind) for index, kind in columns] for record in drawn]
        return rows, [record[label] for record in drawn]

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
