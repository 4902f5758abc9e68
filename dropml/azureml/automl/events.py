"""Append-only `events.jsonl`: how a job tells the control plane what happens (docs/seams.md)."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any


class Events:
    """Writes one JSON object a line; every line is complete when it becomes visible."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def emit(self, kind: str, **fields: Any) -> None:
        line = {"type": kind, "time": time.time(), **fields}
        self._file.write(json.dumps(_finite(line), ensure_ascii=False) + "\n")
        self._file.flush()

    def phase(self, phase: str) -> None:
        self.emit("phase", phase=phase)

    def close(self) -> None:
        self._file.close()


def _finite(value: Any) -> Any:
    """JSON has no NaN: a figure that does not exist becomes null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value
