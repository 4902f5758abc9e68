"""Telemetry as it is kept: bounded in rows and bytes, the oldest going first."""

from __future__ import annotations

from typing import Any

from dropml.azureml.core.store import Store

ROWS, BYTES = 20_000, 32 * 2**20
#: This share goes at once, so that not every batch deletes.
_SHARE = 10
Row = tuple[Any, ...]


class TelemetryRows:
    """Safe to use from any thread."""

    def __init__(self, store: Store, rows: int = ROWS, size: int = BYTES) -> None:
        self._store, self._most_rows, self._most_bytes = store, rows, size
        with store.transaction():
            self._shorten()

    def keep(self, rows: list[Row]) -> None:
        with self._store.transaction():
            self._store.executemany(
                "INSERT INTO telemetry(received, time, type, name, operation_id, role, ikey, body) "
                "VALUES(?,?,?,?,?,?,?,?)",
                rows,
            )
            self._rows += len(rows)
            self._bytes += sum(len(row[-1]) for row in rows)
            if self._rows > self._most_rows or self._bytes > self._most_bytes:
                self._shorten()

    def forget(self) -> None:
        with self._store.transaction():
            self._store.execute("DELETE FROM telemetry")
            self._count()

    def _count(self) -> None:
        found = self._store.execute("SELECT count(*), coalesce(sum(length(body)), 0) FROM telemetry")
        self._rows, self._bytes = int(found[0][0]), int(found[0][1])

    def _shorten(self) -> None:
        self._count()
        while self._rows > self._most_rows or self._bytes > self._most_bytes:
            share = max(1, self._rows // _SHARE, self._rows - self._most_rows)
            self._store.execute(
                "DELETE FROM telemetry WHERE id IN (SELECT id FROM telemetry ORDER BY id LIMIT ?)", (share,)
            )
            self._count()
