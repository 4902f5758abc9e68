"""A batch guesses an encoding once, as intake does, and keeps to it in whatever process goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from shared.domain.problems import MalformedBody
from shared.domain.rows.csv_text import read_csv
from shared.services.batches import csv_chunks
from shared.services.batches.csv_chunks import read_chunks, read_layout
from tests.conftest import StorageAccount
from tests.support.scoring_batches import HEADER, Bench, batch_bench
from tests.support.staging_area import MemoryArea, staged

#: In Windows-1252 its letters are bytes that would be one letter of UTF-8, too.
PAIR = "weiß–rot"


@pytest.fixture
def bench(storage_account: StorageAccount, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with batch_bench(storage_account, monkeypatch) as bench:
        yield bench


def by_batch(raw: bytes, said: str = "") -> list[list[str]]:
    """Every chunk by a reader of its own, with what the chunk before has told."""

    def read(offset: int, length: int) -> bytes:
        return raw[offset : offset + length]

    layout, position = read_layout(read, len(raw), said)
    rows = []
    while chunk := next(read_chunks(read, layout, position, len(raw)), None):
        rows += chunk.records
        position, layout = chunk.position, replace(layout, encoding=chunk.encoding)
    return rows


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_chunks, "CHUNK_ROWS", 1)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("header", ["a,b", "größe,b"])
@pytest.mark.parametrize("packed", [False, True])
def test_bytes_that_utf8_would_read_too_stay_the_words_of_the_guess(header: str, packed: bool) -> None:
    raw = f"{header}\n1,x\n2,Zürich\n3,{PAIR}\n4,x\n5,{PAIR}\n".encode("cp1252")
    rows = [["1", "x"], ["2", "Zürich"], ["3", PAIR], ["4", "x"], ["5", PAIR]]
    assert by_batch(raw) == read_csv(raw)[1] == rows
    area = MemoryArea()
    table = "a,b,y\n" + "".join(f"{i},{('Zürich', PAIR)[i % 2]},{i % 3}\n" for i in range(90))
    staged(table.encode("cp1252"), rule=None, area=area)
    assert {row[1] for row in area.rows("train/data.csv")[1:]} == {"Zürich", PAIR}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_utf8_that_was_damaged_is_no_other_encoding(mark: str) -> None:
    raw = f"{mark}a,b\n1,x\n2,Zürich\n3,Genf\n".encode() + b"4,Z\xfcrich\n"
    for read in (by_batch, read_csv):
        with pytest.raises(MalformedBody) as caught:
            read(raw)
        assert caught.value.error_code == "not-utf8"


@pytest.mark.usefixtures("small")
def test_an_encoding_that_is_said_is_that_or_nothing() -> None:
    raw = "a,b\n1,x\n2,Zürich\n".encode("cp1252")
    assert by_batch(raw)[1] == by_batch(raw, "cp1252")[1] == ["2", "Zürich"]
    with pytest.raises(MalformedBody, match="not UTF-8"):
        by_batch(raw, "utf-8")


def test_what_a_worker_has_learnt_is_kept_with_the_batch(bench: Bench) -> None:
    text = f"{HEADER}\n30,admin.,1.0,true\n30,Zürich,1.0,true\n30,{PAIR},1.0,true\n"
    batch = bench.take(bench.upload(text.encode("cp1252")))
    bench.work()
    assert [row["job"] for row in bench.output(batch)] == ["admin.", "Zürich", PAIR]
    found = bench.batches.load(f"bank/{batch['id']}")
    assert found is not None
    assert found[0].layout.encoding == "cp1252"
