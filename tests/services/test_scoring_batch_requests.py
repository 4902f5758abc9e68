"""Taking a batch: by upload or by name, once for a key, refused at once where it can never be scored."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from azure.storage.blob import ContentSettings

from functions import scoring as doors
from shared.domain import names
from shared.domain.problems import MalformedBody
from shared.services.batches import showing
from shared.services.batches.csv_chunks import read_layout
from shared.services.batches.taking import HEADER_BYTES
from tests.conftest import StorageAccount
from tests.support.scoring_batches import Bench, batch_bench, rows
from tests.support.scoring_support import body_of, call, request


@pytest.fixture
def bench(storage_account: StorageAccount, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with batch_bench(storage_account, monkeypatch) as bench:
        yield bench


def test_over_http_with_an_upload_and_its_progress(bench: Bench) -> None:
    route = {"dataset": "bank"}
    taken = call(
        doors.create_batch, request(rows(10).encode(), headers={"content-type": "text/csv"}, route=route)
    )
    assert taken.status_code == 202
    batch = body_of(taken)
    assert taken.headers["Location"] == f"/api/score/bank/batch/{batch['id']}"
    bench.work()
    show = request(method="GET", route={**route, "id": batch["id"]})
    assert body_of(call(doors.show_batch, show))["status"] == "completed"
    for wrong, code in (("0123456789abcdef", "unknown-batch"), ("../x", "not-found")):
        missing = call(doors.show_batch, request(method="GET", route={**route, "id": wrong}))
        assert (missing.status_code, body_of(missing)["code"]) == (404, code)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"age,wage\n1,2\n", (422, "invalid-rows")),
        (b"false", (422, "invalid-rows")),
        (b"\x81,\n", (400, "not-utf8")),
        (b"\x00a,\n", (400, "binary-file")),
        (b"x" * 200_000 + b",y\n1,2\n", (400, "invalid-csv")),
        (b"\n \r\r,,\n", (400, "no-rows")),
        (b"age,job,euribor3m,member\n", (400, "no-rows")),
    ],
)
def test_a_wrong_header_is_told_at_once(bench: Bench, data: bytes, expected: tuple[int, str]) -> None:
    upload = request(data, headers={"content-type": "text/csv"}, route={"dataset": "bank"})
    by_upload = call(doors.create_batch, upload)
    by_blob = call(doors.create_batch, request({"blob": bench.upload(data)}, route={"dataset": "bank"}))
    for response in (by_upload, by_blob):
        assert (response.status_code, body_of(response)["code"]) == expected
    assert bench.batches.open.entries() == {}
    left = [blob.name for blob in bench.container.list_blobs(name_starts_with="bank/")]
    assert left == [], "an upload that no batch reads fills no storage"


@pytest.mark.parametrize("packed", [False, True])
def test_blank_lines_without_end_are_not_read_to_their_end(packed: bool) -> None:
    """Whoever asks waits for the header to be read, and so does a worker: packed, a megabyte holds minutes of them."""
    raw = b"\n" * (16 << 20)
    data, asked = gzip.compress(raw) if packed else raw, []

    def read(offset: int, length: int) -> bytes:
        asked.append(min(length, HEADER_BYTES))
        return data[offset : offset + asked[-1]]

    began = time.process_time()
    with pytest.raises(MalformedBody, match="blank lines") as caught:
        read_layout(read, len(data))
    assert caught.value.error_code == "no-rows"
    assert time.process_time() - began < 3
    assert sum(asked) < 4 << 20


def test_a_body_that_names_a_blob_is_short(bench: Bench) -> None:
    asked = request(b'{"blob": "' + b"a" * 70_000 + b'"}', route={"dataset": "bank"})
    response = call(doors.create_batch, asked)
    assert (response.status_code, body_of(response)["code"]) == (413, "body-too-large")


@pytest.mark.parametrize("data", [b"", b" \n"])
def test_an_upload_that_arrived_empty_is_told(bench: Bench, data: bytes) -> None:
    """A chunked body arrives so, in Azure and here."""
    upload = request(data, headers={"content-type": "text/csv"}, route={"dataset": "bank"})
    response = call(doors.create_batch, upload)
    assert (response.status_code, body_of(response)["code"]) == (400, "empty-body")
    assert "arrived empty" in body_of(response)["detail"]


def test_an_idempotency_key_names_the_batch(bench: Bench) -> None:
    blob, other = bench.upload(rows(3)), bench.upload(rows(4), "in/other.csv")
    assert bench.take(blob, "k1")["id"] == bench.take(blob, "k1")["id"]
    assert bench.take(blob, "k2")["id"] != bench.take(blob, "k1")["id"]
    refused = call(
        doors.create_batch,
        request({"blob": other}, headers={"Idempotency-Key": "k1"}, route={"dataset": "bank"}),
    )
    assert (refused.status_code, body_of(refused)["code"]) == (409, "idempotency-key-reused")
    assert len(bench.batches.open.entries()) == 2


def test_the_same_upload_six_times_at_once_is_one_batch_that_ends_well(bench: Bench) -> None:
    data = rows(20).encode()
    with ThreadPoolExecutor(6) as pool:
        taken = list(pool.map(lambda _: bench.batches.create("bank", data, "text/csv", "once"), range(6)))
    assert len({batch.id for batch in taken}) == 1
    assert len({batch.source for batch in taken}) == 1, "the same answer for all"
    inputs = [blob.name for blob in bench.container.list_blobs(name_starts_with="bank/")]
    assert len(inputs) == 1, "copies that nobody will read are gone"
    bench.work()
    assert showing.show(bench.batches, "bank", taken[0].id).status == "completed"


def test_a_key_with_another_request_at_the_same_time_is_refused(bench: Bench) -> None:
    def send(at: int) -> tuple[int, str]:
        asked = request(
            rows(20 + at % 2).encode(),
            headers={"content-type": "text/csv", "Idempotency-Key": "twice"},
            route={"dataset": "bank"},
        )
        response = call(doors.create_batch, asked)
        return response.status_code, body_of(response).get("code", "")

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(send, range(6))) == [(202, "")] * 3 + [(409, "idempotency-key-reused")] * 3


def test_the_same_key_on_two_datasets_is_two_batches(bench: Bench) -> None:
    bench.app.publish("shop")
    blob = json.dumps({"blob": bench.upload(rows(3))}).encode()
    taken = [bench.batches.create(name, blob, "application/json", "k1") for name in ("bank", "shop")]
    assert [batch.dataset for batch in taken] == ["bank", "shop"]
    assert taken[0].id != taken[1].id


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"blob": "secrets/key.csv"}, "blob-not-allowed"),
        ({"blob": "batch/../x"}, "blob-not-allowed"),
        ({"blob": 7}, "invalid-batch"),
        ({"url": "http://evil"}, "invalid-batch"),
        ([], "invalid-batch"),
    ],
)
def test_only_blobs_of_allowed_containers_are_read(bench: Bench, body: Any, code: str) -> None:
    response = call(doors.create_batch, request(body, route={"dataset": "bank"}))
    assert (response.status_code, body_of(response)["code"]) == (400, code)


def test_a_missing_blob_is_told_at_once(bench: Bench) -> None:
    missing = {"blob": f"{bench.container.container_name}/nothing.csv"}
    response = call(doors.create_batch, request(missing, route={"dataset": "bank"}))
    assert (response.status_code, body_of(response)["code"]) == (404, "unknown-blob")


def test_a_compressed_blob_is_refused_and_never_unpacked(bench: Bench) -> None:
    """A few hundred kilobytes may unpack to a gigabyte."""
    packed = gzip.compress(rows(10).encode())
    encoded = ContentSettings(content_encoding="gzip", content_type="text/csv")
    bench.container.upload_blob("in/packed.csv", packed, content_settings=encoded)
    blob = f"{bench.container.container_name}/in/packed.csv"
    response = call(doors.create_batch, request({"blob": blob}, route={"dataset": "bank"}))
    assert (response.status_code, body_of(response)["code"]) == (415, "unsupported-encoding")
    info = bench.files.stat(bench.container.container_name, "in/packed.csv")
    read = bench.files.read(bench.container.container_name, "in/packed.csv", info.etag, 0, info.size)
    assert read == packed


def test_a_name_with_a_slash_is_sent_encoded(bench: Bench) -> None:
    """The host leaves `%2F` in a segment as it is, as Kestrel does."""
    slug = names.slug("eu/bank")
    document = bench.app.documents.get("serving/bank.json")
    assert document is not None
    bench.app.documents.create(f"serving/{slug}.json", {**document[0], "dataset": "eu/bank", "slug": slug})
    asked = request(rows(2).encode(), headers={"content-type": "text/csv"}, route={"dataset": "eu%2Fbank"})
    taken = call(doors.create_batch, asked)
    assert taken.status_code == 202
    assert taken.headers["Location"] == f"/api/score/eu%2Fbank/batch/{body_of(taken)['id']}"
    route = {"dataset": "eu%2fbank", "id": body_of(taken)["id"]}
    assert call(doors.show_batch, request(method="GET", route=route)).status_code == 200


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "application/octet-stream", "", "application/json"]
)
def test_a_csv_under_another_content_type_is_told_what_this_door_takes(
    bench: Bench, content_type: str
) -> None:
    upload = request(rows(3).encode(), headers={"content-type": content_type}, route={"dataset": "bank"})
    found = body_of(call(doors.create_batch, upload))
    json_said = content_type in ("", "application/json")
    assert (found["status"], found["code"]) == (
        (400, "invalid-json") if json_said else (415, "unsupported-media-type")
    )
    assert "text/csv" in found["remedy"]
    assert '{"data"' not in found["remedy"]


@pytest.mark.parametrize("path", [".hidden", "a//b", "a/../b", "", "x" * 1025])
def test_a_path_that_cannot_be_read_is_told_as_that(bench: Bench, path: str) -> None:
    blob = f"{bench.container.container_name}/{path}"
    found = body_of(call(doors.create_batch, request({"blob": blob}, route={"dataset": "bank"})))
    assert (found["status"], found["code"]) == (400, "blob-not-allowed")
    assert "path" in found["detail"]
    other = body_of(call(doors.create_batch, request({"blob": "other/a.csv"}, route={"dataset": "bank"})))
    assert "container" in other["detail"]


def test_an_upload_is_read_in_the_charset_that_is_said(bench: Bench) -> None:
    text = "age,job,euribor3m,member\n57,слесарь,1.3,\n"
    route = {"dataset": "bank"}
    for charset, body in (("koi8-r", text.encode("koi8-r")), ("utf-16-le", text.encode("utf-16-le"))):
        headers = {"content-type": f"text/csv; charset={charset}"}
        taken = body_of(call(doors.create_batch, request(body, headers=headers, route=route)))
        bench.work()
        assert [row["job"] for row in bench.output(taken)] == ["слесарь"]
    for charset, status in (("klingon", 415), ("utf-16-le", 400)):
        headers = {"content-type": f"text/csv; charset={charset}"}
        found = body_of(call(doors.create_batch, request(text.encode(), headers=headers, route=route)))
        assert found["status"] == status
        assert f"charset={charset}" in found["detail"] or charset in found["detail"]
        assert "encoding:" not in found["detail"]
