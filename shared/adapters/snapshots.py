"""The lifecycle's view of the data account: holdout rows for the gate, and the quarantine."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterator
from typing import Any

from shared.adapters.data_files import DataStore
from shared.settings import Settings


class Snapshots:
    """Implements `shared.services.run.ports.Data`."""

    def __init__(self, store: DataStore, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    def read_rows(
        self, path: str, limit: int, label: str, schema: dict[str, Any]
    ) -> tuple[list[list[Any]], list[str]]:
        """The first `limit` rows: a row is held out by its hash, so their order says nothing about it."""
        lines = self._lines(path)
        reader = csv.reader(lines)
        header = next(reader, [])
        at = {name: index for index, name in enumerate(header)}
        columns = [(at[c["name"]], c["type"]) for c in schema["columns"]]
        rows: list[list[Any]] = []
        truth: list[str] = []
        for record in reader:
            rows.append([typed(record[index], kind) for index, kind in columns])
            truth.append(record[at[label]])
            if len(rows) >= limit:
                break
        return rows, truth

    def _lines(self, path: str) -> Iterator[str]:
        """Lines with their ends, decoded as they stream in; quoted line breaks are the CSV reader's business."""
        decode = codecs.getincrementaldecoder("utf-8")().decode
        rest = ""
        for chunk in self._store.stream(self._settings.data_container, path):
            *whole, rest = (rest + decode(chunk)).split("\n")
            yield from (f"{line}\n" for line in whole)
        if rest:
            yield rest

    def quarantine(self, source: dict[str, Any], folder: str, report: dict[str, Any]) -> None:
        """Original and report side by side under `folder`; the report comes first, so that a crash shows why."""
        container = self._settings.quarantine_container
        self._store.upload_text(container, f"{folder}/report.json", json.dumps(report, indent=2))
        self._store.upload_text(container, f"{folder}/report.txt", report["text"])
        name = source["blob"].rpartition("/")[2]
        self._store.copy(
            source["container"], source["blob"], container, f"{folder}/{name}", etag=source["etag"]
        )


def typed(text: str, kind: str) -> Any:
    """A CSV field as JSON of its column's type; an empty field of a typed column is missing."""
    if text == "":
        return None
    try:
        if kind == "integer":
            return int(text)
        if kind == "number":
            return float(text)
    except ValueError:
        return text
    if kind == "boolean":
        return text.lower() == "true"
    return text
