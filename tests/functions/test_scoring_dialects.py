"""A CSV to score answers the same whatever program wrote it: in every dialect that intake takes, by request and by batch."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from functions import scoring as doors
from shared import bootstrap
from shared.adapters.telemetry import NoTelemetry
from shared.domain.config import DatasetConfig
from shared.domain.documents import to_json
from shared.domain.schema import Schema
from tests.conftest import StorageAccount
from tests.support.scoring_batches import Bench, batch_bench
from tests.support.scoring_support import call, request
from tests.support.staging_area import staged

CITIES = ["Zürich", "Genève, GE", 'the "old" town', "a;b", "Málaga"]
HEADER = ["age", "city", "income", "note", "member"]
NOTES = ["1,5", "007", "", "2024-01-31", "x"]
DIALECTS: dict[str, Callable[[list[list[str]]], bytes]] = {
    "utf-8 with a mark": lambda rows: written(rows).encode("utf-8-sig"),
    "windows-1252, semicolons, CRLF": lambda rows: written(rows, ";", "\r\n").encode("cp1252"),
    "windows-1252, tabs, CR": lambda rows: written(rows, "\t", "\r").encode("cp1252"),
    "utf-16, tabs": lambda rows: written(rows, "\t", "\r\n").encode("utf-16"),
    "utf-16 big-endian": lambda rows: b"\xfe\xff" + written(rows).encode("utf-16-be"),
    "utf-32": lambda rows: written(rows).encode("utf-32"),
    "gzip": lambda rows: gzip.compress(written(rows).encode()),
    "gzip of utf-16 with pipes": lambda rows: gzip.compress(written(rows, "|").encode("utf-16")),
    "sep= and semicolons": lambda rows: ("sep=;\r\n" + written(rows, ";", "\r\n")).encode(),
    "blank lines, blanks around, rows of nothing": lambda rows: (
        written([[f" {cell}\u00a0" for cell in row] for row in rows], end="\n\n").encode() + b",,,,\n"
    ),
    "separate accents and a zero-width space": lambda rows: (
        written(rows).replace("ü", "u\u0308").replace("x", "x\u200b").encode()
    ),
}


def written(rows: list[list[str]], delimiter: str = ",", end: str = "\n") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=end).writerows(rows)
    return out.getvalue()


def table(count: int) -> list[list[str]]:
    body = [
        [str(18 + i % 70), CITIES[i % 5], f"{i / 8:.3f}", NOTES[i % 5], ("true", "false")[i % 2]]
        for i in range(count)
    ]
    return [HEADER, *body]


def schema() -> Schema:
    """As intake learns it from the plain file."""
    rows = table(200)
    labelled = [[*row, "y" if at == 0 else ("no", "yes")[at % 2]] for at, row in enumerate(rows)]
    return staged(written(labelled), DatasetConfig(imbalance="off")).schema


@pytest.fixture
def bench(storage_account: StorageAccount, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with batch_bench(storage_account, monkeypatch) as bench:
        bench.app.publish(schema=to_json(schema()))
        monkeypatch.setattr(bootstrap, "scoring", lambda: bench.app.scoring)
        monkeypatch.setattr(bootstrap, "telemetry", NoTelemetry)
        yield bench


def asked(bench: Bench) -> list[Any]:
    """What the endpoint was asked since the last look."""
    sent = [row for each in bench.app.endpoint.seen for row in json.loads(each["body"])["input_data"]["data"]]
    bench.app.endpoint.seen.clear()
    return sent


def scored(raw: bytes) -> bytes:
    answer = call(doors.score, request(raw, headers={"content-type": "text/csv"}, route={"dataset": "bank"}))
    assert answer.status_code == 200, answer.get_body()
    return bytes(answer.get_body())


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_request_and_a_batch_ask_and_answer_what_the_plain_file_does(bench: Bench, dialect: str) -> None:
    rows = table(40)
    plain = written(rows).encode()
    answer, values = scored(plain), asked(bench)
    assert len(values) == 40
    assert values[1][1] == "Genève, GE"

    other = DIALECTS[dialect](rows)
    assert other != plain
    assert scored(other) == answer
    assert asked(bench) == values

    batch = bench.take(bench.upload(other))
    bench.work()
    assert bench.show(batch)["rows_failed"] == 0
    assert asked(bench) == values
    assert [row["prediction"] for row in bench.output(batch)] == json.loads(answer)["result"]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_a_file_with_decimal_commas_asks_what_its_plain_form_does(bench: Bench, encoding: str) -> None:
    """The model learnt from a file that was written so; this month's is written either way."""

    def commas(rows: list[list[str]]) -> list[list[str]]:
        return [[*row[:2], row[2].replace(".", ","), *row[3:]] for row in rows]

    rows = table(40)
    learnt = [[*row, "y" if at == 0 else ("no", "yes")[at % 2]] for at, row in enumerate(commas(table(200)))]
    found = staged(written(learnt, ";"), DatasetConfig(imbalance="off")).schema
    assert next(column.type for column in found.columns if column.name == "income") == "number"
    bench.app.publish(schema=to_json(found))
    # One decimal: a sign before three digits may be either, and is refused where it is not the file's own.
    halves = [HEADER, *([*row[:2], f"{float(row[2]):.1f}", *row[3:]] for row in rows[5::8])]
    answer, values = scored(written(halves).encode()), asked(bench)
    assert values[0][2] == 0.5
    other = written(commas(halves), ";", "\r\n").encode(encoding)
    assert (scored(other), asked(bench)) == (answer, values)
    bench.take(bench.upload(other))
    bench.work()
    assert asked(bench) == values
