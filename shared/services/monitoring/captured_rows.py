"""Rows that callers scored, with their answers, appended to blobs of this process alone; as they are, or hashed."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shared.domain.errors import Conflict
from shared.domain.windows import Window
from shared.services.documents import Ledger

FOLDER = "captured-rows/"
#: Bytes that wait for storage, of one dataset; further rows are not kept.
MOST_WAITING = 4 << 20
DAY = 86400.0


@dataclass
class _Blob:
    position: int = 0
    waiting: list[str] = field(default_factory=list)
    size: int = 0
    #: So many blobs of this window could not be gone on with.
    number: int = 0


@dataclass
class _Day:
    number: int
    size: int = 0


class CapturedRows:
    """`salt` gives the dataset's key where values are to be hashed: equal values of a dataset have equal hashes, and
    whoever lacks the key can't try values. Used by one thread.
    """

    def __init__(
        self, ledger: Ledger, process: str, bytes_per_day: float, salt: Callable[[str], str] | None = None
    ) -> None:
        self._ledger, self._process, self._most, self._salt = ledger, process, bytes_per_day, salt
        self._blobs: dict[tuple[str, Window], _Blob] = {}
        self._days: dict[str, _Day] = {}

    def add(
        self,
        slug: str,
        window: Window,
        run_id: str,
        names: Sequence[str],
        rows: Sequence[Sequence[object]],
        answers: Sequence[object],
        at: float,
    ) -> None:
        """Have rows written; beyond what a day may hold they are left out."""
        key = self._salt(slug).encode() if self._salt else None
        blob = self._blobs.setdefault((slug, window), _Blob())
        day = self._days.get(slug)
        if day is None or day.number != int(at // DAY):
            day = self._days[slug] = _Day(int(at // DAY))
        for row, answer in zip(rows, answers, strict=True):
            values = row if key is None else [_hashed(value, key) for value in row]
            said = {
                "at": round(at, 3),
                "run_id": run_id,
                "row": dict(zip(names, values, strict=True)),
                "result": answer,
            }
            line = json.dumps(said, ensure_ascii=False)
            size = len(line.encode()) + 1
            if day.size + size > self._most or blob.size + size > MOST_WAITING:
                return
            day.size += size
            blob.size += size
            blob.waiting.append(line)

    def write(self, slug: str, window: Window) -> None:
        """Append what waits. Raises DropMLError where it can't be; it waits on."""
        blob = self._blobs.get((slug, window))
        for old in [
            key for key in self._blobs if key[0] == slug and key[1] < window and not self._blobs[key].waiting
        ]:
            del self._blobs[old]
        if blob is None or not blob.waiting:
            return
        path = f"{FOLDER}{slug}/{window.name}/{self._process}{f'-{blob.number}' if blob.number else ''}.jsonl"
        try:
            blob.position = self._ledger.append(path, blob.position, blob.waiting)
        except Conflict:  # somebody wrote to it or cut it: the rest goes elsewhere
            blob.number, blob.position = blob.number + 1, 0
            raise
        blob.waiting, blob.size = [], 0


def _hashed(value: object, key: bytes) -> str | None:
    """16 hexadecimal digits; gaps stay gaps."""
    return None if value is None else hmac.new(key, str(value).encode(), hashlib.sha256).hexdigest()[:16]
