"""GET /api/batches: every batch, newest first, whoever began it; an ETag that holds until one of them moves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from functions import scoring as doors
from tests.conftest import StorageAccount
from tests.support.scoring_batches import Bench, batch_bench, rows
from tests.support.scoring_support import body_of, call, request


@pytest.fixture
def bench(storage_account: StorageAccount, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with batch_bench(storage_account, monkeypatch) as bench:
        yield bench


def listed(etag: str = "", **params: str) -> Any:
    headers = {"if-none-match": etag} if etag else {}
    asked = request(method="GET", url="http://host/api/batches", params=params, headers=headers)
    return call(doors.list_batches, asked)


def test_newest_first_with_what_each_has_come_to(bench: Bench) -> None:
    assert body_of(listed()) == {"batches": [], "cursor": None}
    taken = []
    for n in range(3):
        bench.clock.now += 10
        taken.append(bench.take(bench.upload(rows(5), f"in/{n}.csv"))["id"])
    first = listed()
    assert [batch["id"] for batch in body_of(first)["batches"]] == taken[::-1]
    assert {batch["status"] for batch in body_of(first)["batches"]} == {"queued"}
    etag = first.headers["ETag"]
    assert listed(etag).status_code == 304
    bench.work()
    moved = listed(etag)
    assert moved.status_code == 200
    assert {batch["status"] for batch in body_of(moved)["batches"]} == {"completed"}


def test_by_page_and_dataset(bench: Bench) -> None:
    bench.take(bench.upload(rows(5)))
    bench.clock.now += 10
    bench.take(bench.upload(rows(5), "in/other.csv"))
    page = body_of(listed(limit="1"))
    assert len(page["batches"]) == 1
    rest = body_of(listed(limit="1", cursor=page["cursor"]))
    assert rest["batches"][0]["id"] != page["batches"][0]["id"]
    assert len(body_of(listed(dataset="bank"))["batches"]) == 2
    assert body_of(listed(dataset="nobody"))["batches"] == []
    refused = listed(limit="0")
    assert (refused.status_code, body_of(refused)["code"]) == (400, "invalid-input")
