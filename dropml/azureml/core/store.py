"""State in one SQLite file (WAL): documents by kind and key, which outlive the process."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dropml.azureml.core.numbers import worded

Doc = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents(
    kind TEXT NOT NULL, key TEXT NOT NULL, parent TEXT, status TEXT, archived INTEGER NOT NULL DEFAULT 0,
    seq INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY(kind, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS documents_by_parent ON documents(kind, parent, seq);
CREATE INDEX IF NOT EXISTS documents_by_seq ON documents(kind, seq);
CREATE INDEX IF NOT EXISTS documents_by_status ON documents(kind, status);
CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS telemetry(
    id INTEGER PRIMARY KEY, received REAL NOT NULL, time TEXT, type TEXT, name TEXT, operation_id TEXT,
    role TEXT, ikey TEXT, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS telemetry_by_type ON telemetry(type, id);
CREATE INDEX IF NOT EXISTS telemetry_by_operation ON telemetry(operation_id);
"""

_LOG_BYTES = 8 * 2**20
_FREE_PAGES = 4096  # 16 MiB
#: Of what the documents look like: 1 has numbers without a JSON notation as words.
_VERSION = 1


class Store:
    """Safe to use from any thread; each call is one short statement or one transaction."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        # A killed process loses nothing at NORMAL; a power cut may lose the last moments, never the file.
        self._db.execute("PRAGMA synchronous=NORMAL")
        # After a burst the log of writes shrinks again.
        self._db.execute(f"PRAGMA journal_size_limit={_LOG_BYTES}")
        self._db.executescript(_SCHEMA)
        self._compact()
        self._mend_numbers()
        row = self._db.execute("SELECT coalesce(max(seq), 0) FROM documents").fetchone()
        self._seq = int(row[0])

    def _compact(self) -> None:
        """Give back to the disk what an earlier time needed, where that is most of the file."""
        pages, free = (
            int(self._db.execute(f"PRAGMA {n}").fetchone()[0]) for n in ("page_count", "freelist_count")
        )
        if free > _FREE_PAGES and free > pages / 2:
            self._db.execute("VACUUM")

    def _mend_numbers(self) -> None:
        """Once a file: documents that an earlier release wrote with a bare NaN, which no JSON reader takes."""
        if self._db.execute("PRAGMA user_version").fetchone()[0] >= _VERSION:
            return
        with self.transaction():
            rows = self.execute("SELECT kind, key, body FROM documents WHERE NOT json_valid(body)")
            for kind, key, body in rows:
                self.put(kind, key, worded(json.loads(body)))
            self._db.execute("DELETE FROM telemetry WHERE NOT json_valid(body)")
            self._db.execute(f"PRAGMA user_version={_VERSION}")

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside become visible together, or none of them."""
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def execute(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def executemany(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        with self.transaction():
            self._db.executemany(sql, rows)

    # -- documents -----------------------------------------------------------------------------------------

    def get(self, kind: str, key: str) -> Doc | None:
        rows = self.execute("SELECT body FROM documents WHERE kind=? AND key=?", (kind, key))
        return json.loads(rows[0][0]) if rows else None

    def put(self, kind: str, key: str, body: Doc, parent: str | None = None) -> bool:
        """Insert or replace; True if it is new. `status` and `archived` of the body become columns."""
        text = json.dumps(body, separators=(",", ":"), allow_nan=False)
        status, archived = body.get("status"), int(bool(body.get("archived")))
        with self.transaction():
            done = self._db.execute(
                "UPDATE documents SET body=?, status=?, archived=? WHERE kind=? AND key=?",
                (text, status, archived, kind, key),
            )
            if done.rowcount:
                return False
            self._seq += 1
            self._db.execute(
                "INSERT INTO documents(kind, key, parent, status, archived, seq, body) VALUES(?,?,?,?,?,?,?)",
                (kind, key, parent, status, archived, self._seq, text),
            )
            return True

    def update(self, kind: str, key: str, change: Callable[[Doc], None]) -> Doc | None:
        """Read, change, write, as one transaction; None if there is no such document."""
        with self.transaction():
            body = self.get(kind, key)
            if body is None:
                return None
            change(body)
            self.put(kind, key, body)
            return body

    def delete(self, kind: str, key: str) -> bool:
        with self._lock:
            return self._db.execute("DELETE FROM documents WHERE kind=? AND key=?", (kind, key)).rowcount > 0

    def find(
        self,
        kind: str,
        *,
        parent: str | None = None,
        top_level: bool = False,
        statuses: tuple[str, ...] | None = None,
        archived: bool | None = None,
        except_type: str | None = None,
        before: int | None = None,
        limit: int = -1,
        oldest_first: bool = False,
    ) -> list[tuple[int, str, Doc]]:
        """(seq, key, body), newest first. `before` is the seq where the page before ended."""
        where, values = ["kind=?"], [kind]
        if parent is not None:
            where.append("parent=?")
            values.append(parent)
        elif top_level:
            where.append("parent IS NULL")
        if statuses:
            where.append(f"status IN ({','.join('?' * len(statuses))})")
            values += statuses
        if archived is not None:
            where.append("archived=?")
            values.append(int(archived))  # type: ignore[arg-type]
        if except_type is not None:
            where.append("json_extract(body, '$.type') IS NOT ?")
            values.append(except_type)
        if before is not None:
            where.append("seq>?" if oldest_first else "seq<?")
            values.append(before)  # type: ignore[arg-type]
        order = "ASC" if oldest_first else "DESC"
        sql = f"SELECT seq, key, body FROM documents WHERE {' AND '.join(where)} ORDER BY seq {order} LIMIT ?"  # noqa: S608 - of our own words; values are bound
        rows = self.execute(sql, (*values, limit))
        return [(seq, key, json.loads(body)) for seq, key, body in rows]

    def count(self, kind: str, parent: str | None = None) -> int:
        extra, values = (" AND parent=?", (kind, parent)) if parent is not None else ("", (kind,))
        return int(self.execute(f"SELECT count(*) FROM documents WHERE kind=?{extra}", values)[0][0])  # noqa: S608 - of our own words; values are bound

    # -- small facts ---------------------------------------------------------------------------------------

    def meta(self, name: str, default: str = "") -> str:
        rows = self.execute("SELECT value FROM meta WHERE name=?", (name,))
        return str(rows[0][0]) if rows else default

    def set_meta(self, name: str, value: str) -> None:
        self.execute("INSERT OR REPLACE INTO meta(name, value) VALUES(?,?)", (name, value))

    def meta_once(self, name: str, make: Callable[[], str]) -> str:
        """The stored value, made and stored at the first call."""
        with self.transaction():
            found = self.meta(name)
            if not found:
                found = make()
                self.set_meta(name, found)
            return found
