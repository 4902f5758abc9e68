"""A staging area in memory, and a table to damage."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest

from shared.domain.config import DatasetConfig
from shared.domain.errors import InvalidTable
from shared.domain.table import text
from shared.domain.table.holdout import HoldoutRule
from shared.domain.table.packed import Engine
from shared.services.intake.staging import Staged, stage

RULE = HoldoutRule("people", 0.1)


class MemoryArea:
    """Like a folder of blobs: a blob appears when its writer is left without an exception."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    @contextmanager
    def writer(self, name: str) -> Iterator[io.BytesIO]:
        out = io.BytesIO()
        yield out
        self.blobs[name] = out.getvalue()

    def reader(self, name: str) -> Iterable[bytes]:
        data = self.blobs[name]
        return (data[i : i + 1000] for i in range(0, len(data), 1000))

    def delete(self, name: str) -> None:
        del self.blobs[name]

    def rows(self, name: str) -> list[list[str]]:
        """The staged rows, read as any CSV reader would."""
        return list(csv.reader(io.StringIO(self.blobs[name].decode(), newline=""), strict=True))


def people(rows: int = 200, delimiter: str = ",") -> str:
    """A small, sound table: id-like code, age, income, city, member, joined, label y."""
    lines = [delimiter.join(("code", "age", "income", "city", "member", "joined", "y"))]
    for i in range(rows):
        lines.append(
            delimiter.join(
                (
                    f"{i:05d}",
                    str(20 + i % 50),
                    f"{1000 + i * 1.5}",
                    ("Bern", "Oslo", "Rome")[i % 3],
                    ("true", "false")[i % 2],
                    f"2024-01-{1 + i % 28:02d}",
                    "yes" if i % 4 == 0 else "no",
                )
            )
        )
    return "\n".join(lines) + "\n"


def staged(
    data: bytes | str,
    config: DatasetConfig | None = None,
    rule: HoldoutRule | None = RULE,
    area: MemoryArea | None = None,
    chunk: int = 4096,
    block: int = text.BLOCK,
    engine: Engine | None = None,
) -> Staged:
    """Stage `data`, arriving in pieces of `chunk` bytes and worked on `block` bytes at a time, clean rows by `engine`."""
    raw = data.encode() if isinstance(data, str) else data
    source = (raw[i : i + chunk] for i in range(0, len(raw), chunk))
    with patch.object(text, "BLOCK", block):
        return stage(source, area or MemoryArea(), config or DatasetConfig(), rule, "people", engine=engine)


def refusal(data: bytes | str, config: DatasetConfig | None = None) -> InvalidTable:
    """The refusal of `data`, having made sure that nothing of it was staged."""
    area = MemoryArea()
    with pytest.raises(InvalidTable) as caught:
        staged(data, config, area=area)
    assert area.blobs == {}
    assert caught.value.remedy
    return caught.value
