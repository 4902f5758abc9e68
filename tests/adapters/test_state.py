"""The state container beyond the contract of its documents: what is broken in it, and what a listing costs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.adapters.documents import MARK_BYTES, JsonStore, packed
from shared.adapters.ledger import LedgerStore
from shared.adapters.storage import DOCUMENTS, blob_service_client
from shared.domain.documents import InvalidDocument
from shared.domain.errors import NotFound, Transient
from tests.conftest import StorageAccount
from tests.support.scripted_http import Reply, scripted

PAGE = b"""<?xml version="1.0" encoding="utf-8"?>
<EnumerationResults ContainerName="c"><Prefix>index/</Prefix><MaxResults>2</MaxResults><Blobs><Blob><Name>index/1</Name>
<Properties><Etag>0x1</Etag><BlobType>BlockBlob</BlobType></Properties><Metadata><state>live</state></Metadata></Blob></Blobs>
<NextMarker>index/2</NextMarker></EnumerationResults>"""


@pytest.mark.parametrize(
    "read",
    [
        lambda store, ledger: store.get("runs/a.json"),
        lambda store, ledger: store.delete("runs/a.json"),
        lambda store, ledger: store.page("runs/", 10),
        lambda store, ledger: list(store.list("runs/")),
        lambda store, ledger: ledger.read("ledger/a.jsonl"),
        lambda store, ledger: ledger.append("ledger/a.jsonl", 0, ["x"]),
        lambda store, ledger: ledger.append("ledger/a.jsonl", 5, ["x"]),
    ],
)
def test_a_missing_container_is_not_an_empty_one(
    read: Callable[[JsonStore, LedgerStore], object], storage_account: StorageAccount
) -> None:
    service = blob_service_client({"DATA_STORAGE": storage_account.connection_string}, lambda: None)
    lost = service.get_container_client("never-created")
    with pytest.raises(NotFound) as caught:
        read(JsonStore(lost), LedgerStore(lost))
    assert caught.value.error_code == "container-not-found"


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b"\xff", b"null"])
def test_a_document_that_is_none_is_told_with_its_path(storage_account: StorageAccount, text: bytes) -> None:
    state = storage_account.container("state")
    state.upload_blob("runs/a.json", text)
    with pytest.raises(InvalidDocument, match=r"runs/a\.json"):
        JsonStore(state).get("runs/a.json")


def test_a_ledger_that_was_garbled_can_still_be_read(storage_account: StorageAccount) -> None:
    """Its reader finds the line by its hash; raising here hid which one."""
    state = storage_account.container("state")
    LedgerStore(state).append("l", 0, ["one"])
    state.get_blob_client("l").append_block(b"\xff\xfe\n")
    assert LedgerStore(state).read("l") == ["one", "\ufffd\ufffd"]


def test_a_page_and_a_mark_cost_one_call_each() -> None:
    with scripted(Reply(body=PAGE, headers={"Content-Type": "application/xml"})) as service:
        connection = f"AccountName=acct;AccountKey=QQ==;BlobEndpoint={service.url}/acct"
        account = blob_service_client({"DATA_STORAGE": connection}, lambda: None)
        store = JsonStore(account.get_container_client("c"))
        (entry,), after = store.page("index/", 2)
        assert (entry.path, entry.metadata, after) == ("index/1", {"state": "live"}, "index/2")
        assert len(service.seen) == 1
        assert "include=metadata" in service.seen[0]
        assert "maxresults=2" in service.seen[0]
        service.usual = Reply(201, b"", {"ETag": '"0x2"', "Last-Modified": "Sat, 28 Nov 2026 17:00:00 GMT"})
        store.mark("index/1", {"state": "retired"})
        assert service.seen[1:] == ["PUT /acct/c/index/1?timeout=8"]


@pytest.mark.parametrize("letter", ["x", " ", "ü", "€", "\U0001f600"])
def test_a_mark_never_outgrows_its_bytes_and_wastes_few(letter: str) -> None:
    out = packed({"state": "failed", "message": letter * 20_000, "later": "gone"})
    size = sum(len(name) + len(value) for name, value in out.items())
    assert MARK_BYTES - 24 <= size <= MARK_BYTES
    assert out["state"] == "failed"


def test_a_caller_hears_within_seconds_that_a_document_cannot_be_had() -> None:
    """A few short tries: nobody waits two minutes to be told that storage is away."""
    with scripted(usual=Reply(503, b"", {"x-ms-error-code": "ServerBusy"})) as service:
        connection = f"AccountName=acct;AccountKey=QQ==;BlobEndpoint={service.url}/acct"
        account = blob_service_client({"DATA_STORAGE": connection}, lambda: None, patience=DOCUMENTS)
        with pytest.raises(Transient):
            JsonStore(account.get_container_client("c")).get("runs/a.json")
        assert len(service.seen) == 1 + DOCUMENTS.retries
    tries = 1 + DOCUMENTS.retries
    assert tries * max(DOCUMENTS.connect, DOCUMENTS.read) + 5 <= 25
