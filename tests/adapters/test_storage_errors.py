"""What storage answers, told apart: a lost race, something that passes, or a refusal with its remedy."""

from __future__ import annotations

import pytest

from shared.adapters import storage
from shared.adapters.batch_files import BlobBatchFiles
from shared.adapters.documents import JsonStore
from shared.adapters.storage import blob_service_client
from shared.domain.errors import Conflict, DropMLError, NotFound, Transient, Upstream
from shared.services import conditional
from tests.support.scripted_http import Reply, Service, scripted


@pytest.fixture(autouse=True)
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "RETRIES", 0)


def documents(service: Service) -> JsonStore:
    connection = f"AccountName=acct;AccountKey=QQ==;BlobEndpoint={service.url}/acct"
    return JsonStore(
        blob_service_client({"DATA_STORAGE": connection}, lambda: None).get_container_client("c")
    )


def answer(status: int, code: str) -> Reply:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>m</Message></Error>".encode()
    return Reply(status, body, {"Content-Type": "application/xml", "x-ms-error-code": code})


def failure(status: int, code: str) -> DropMLError:
    with scripted(usual=answer(status, code)) as service, pytest.raises(DropMLError) as caught:
        documents(service).replace("a.json", {}, "0x1")
    return caught.value


@pytest.mark.parametrize(
    ("status", "code", "kind", "ours"),
    [
        (409, "BlobAlreadyExists", Conflict, "blob-exists"),
        (412, "ConditionNotMet", Conflict, "blob-changed"),
        (412, "AppendPositionConditionNotMet", Conflict, "blob-changed"),
        (400, "InvalidBlockList", Conflict, "blob-changed"),
        (404, "BlobNotFound", NotFound, "blob-not-found"),
        (404, "ContainerNotFound", NotFound, "container-not-found"),
        (503, "ServerBusy", Transient, "storage-unavailable"),
        (500, "OperationTimedOut", Transient, "storage-unavailable"),
        (429, "TooManyRequests", Transient, "storage-unavailable"),
        (409, "ContainerBeingDeleted", Transient, "storage-unavailable"),
        (409, "BlobImmutableDueToPolicy", Upstream, "storage-error"),
        (409, "InvalidBlobType", Upstream, "storage-error"),
        (412, "LeaseIdMissing", Upstream, "storage-error"),
        (401, "InvalidAuthenticationInfo", Upstream, "storage-refused"),
        (403, "AuthenticationFailed", Upstream, "storage-refused"),
        (403, "AuthorizationPermissionMismatch", Upstream, "storage-refused"),
        (403, "AuthorizationFailure", Upstream, "storage-refused"),
        (400, "InvalidHeaderValue", Upstream, "storage-error"),
    ],
)
def test_answers_are_told_apart(status: int, code: str, kind: type[DropMLError], ours: str) -> None:
    error = failure(status, code)
    assert (type(error), error.error_code) == (kind, ours)
    assert "a.json" in error.message


def test_a_refusal_names_the_role() -> None:
    assert "Storage Blob Data Contributor" in failure(403, "AuthorizationPermissionMismatch").remedy


def test_a_batch_that_may_not_read_its_file_is_refused_not_retried() -> None:
    """It was Transient: a missing role was waited for, batch after batch, as if it would pass."""
    with scripted(usual=answer(403, "AuthorizationPermissionMismatch")) as service:
        connection = f"AccountName=acct;AccountKey=QQ==;BlobEndpoint={service.url}/acct"
        files = BlobBatchFiles(blob_service_client({"DATA_STORAGE": connection}, lambda: None))
        with pytest.raises(Upstream) as caught:
            files.read("c", "a.csv", '"0x1"', 0, 10)
    assert not isinstance(caught.value, Transient)
    assert caught.value.error_code == "storage-refused"


def test_a_permanent_conflict_ends_a_write_at_once_and_a_lasting_race_after_some_tries() -> None:
    pauses: list[float] = []
    with scripted(usual=answer(409, "BlobImmutableDueToPolicy")) as service:
        with pytest.raises(Upstream, match="BlobImmutableDueToPolicy"):
            conditional.write(lambda: documents(service).create("a.json", {}), "a.json", sleep=pauses.append)
        assert (len(service.seen), pauses) == (1, [])
    with scripted(usual=answer(412, "ConditionNotMet")) as service:
        with pytest.raises(Conflict, match="times in a row"):
            conditional.write(lambda: documents(service).create("a.json", {}), "a.json", sleep=pauses.append)
        assert len(service.seen) == conditional.TRIES


def test_a_service_that_hangs_or_hangs_up_is_transient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "READ", 0.1)
    for reply in (Reply(seconds=0.5), Reply(hang_up=True)):
        with scripted(usual=reply) as service:
            with pytest.raises(Transient) as caught:
                documents(service).create("a.json", {})
            assert caught.value.error_code == "storage-unavailable"
            assert len(service.seen) == 1
