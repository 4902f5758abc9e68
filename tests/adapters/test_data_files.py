"""The storage adapters against a real Azurite."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient

from dropml.azureml.automl.data.reader import read_table
from shared.adapters import storage
from shared.adapters.data_files import DataStore
from shared.adapters.documents import JsonStore
from shared.adapters.ledger import LedgerStore
from shared.adapters.storage import CHUNK, blob_service_client
from shared.domain.config import DatasetConfig
from shared.domain.errors import (
    Conflict,
    InvalidSetting,
    InvalidTable,
    NotFound,
    Transient,
    Upstream,
)
from shared.domain.run.documents import Run
from shared.domain.run.parts import Source
from shared.domain.run.states import State
from shared.services.intake.staging import HOLDOUT, MLTABLE, PROFILE, TRAIN, stage
from shared.services.intake.taking import snapshot_of
from shared.services.upkeep.joining import Joiner
from tests.conftest import StorageAccount
from tests.support.staging_area import RULE, MemoryArea, people, staged

#: A run of a table of people, but for its data.
RUN = Run("people-1-a1", "people", "people", 1, 1, "k", "drop", State.REGISTERED, 1.0, 1.0, "cfg")


@pytest.fixture
def service(storage_account: StorageAccount) -> BlobServiceClient:
    """The application's own client, with its limits."""
    return blob_service_client({"DATA_STORAGE": storage_account.connection_string}, lambda: None)


@pytest.fixture
def container(storage_account: StorageAccount) -> str:
    return str(storage_account.container("data").container_name)


@pytest.fixture
def store(service: BlobServiceClient) -> DataStore:
    return DataStore(service)


def fill(store: DataStore, container: str, name: str, data: bytes, piece: int = 1 << 20) -> None:
    with store.writer(container, name) as out:
        for start in range(0, len(data), piece):
            out.write(data[start : start + piece])


def test_a_file_of_several_blocks_comes_back_whole(store: DataStore, container: str) -> None:
    data = os.urandom(2 * CHUNK + 12_345)
    fill(store, container, "a/b.csv", data)
    info = store.properties(container, "a/b.csv")
    assert info.size == len(data)
    pieces = list(store.stream(container, "a/b.csv", info.etag, 1 << 20))
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) == 1 << 20


def test_two_deliveries_that_write_the_same_blob_never_mix(store: DataStore, container: str) -> None:
    """The first commit throws the other's blocks away, and the other is told so."""
    with pytest.raises(Conflict):
        write_within_writing(store, container)
    assert set(b"".join(store.stream(container, "a.csv"))) == {ord("2")}


def write_within_writing(store: DataStore, container: str) -> None:
    with store.writer(container, "a.csv") as first:
        first.write(b"1" * (CHUNK + 1))
        with store.writer(container, "a.csv") as second:
            second.write(b"2" * (CHUNK + 1))


def test_a_copy_keeps_bytes_and_metadata(store: DataStore, container: str) -> None:
    data = os.urandom(CHUNK + 1)
    with store.writer(container, "a.csv", metadata={"dropml_label": "y"}) as out:
        out.write(data)
    store.copy(container, "a.csv", container, "kept/a.csv")
    assert b"".join(store.stream(container, "kept/a.csv")) == data
    assert store.properties(container, "kept/a.csv").metadata == {"dropml_label": "y"}
    with pytest.raises(Conflict):
        store.copy(container, "a.csv", container, "b.csv", etag='"0x123"')
    with pytest.raises(NotFound):
        store.properties(container, "b.csv")


def test_texts_and_containers(store: DataStore, storage_account: StorageAccount) -> None:
    names = [storage_account.name("one"), storage_account.name("two")]
    store.ensure_containers(names)
    store.ensure_containers(names)
    store.upload_text(names[0], "report.json", '{"naïve": 1}')
    assert b"".join(store.stream(names[0], "report.json")) == '{"naïve": 1}'.encode()


def test_staging_from_blob_to_blobs_equals_staging_in_memory(store: DataStore, container: str) -> None:
    raw = people(5000).encode()
    fill(store, container, "incoming/people.csv", raw)
    info = store.properties(container, "incoming/people.csv")
    area = store.area(container, "people/1/")
    done = stage(store.stream(container, info.name, info.etag), area, DatasetConfig(), RULE, "people")
    memory = MemoryArea()
    assert staged(raw, area=memory) == done
    assert done.content_hash == hashlib.sha256(raw).hexdigest()
    found = {i.name.removeprefix("people/1/") for i in store.list(container, "people/1/")}
    assert found == {TRAIN, MLTABLE, HOLDOUT, PROFILE}
    for name, data in memory.blobs.items():
        assert b"".join(area.reader(name)) == data


def test_a_refused_file_leaves_no_blob(store: DataStore, container: str) -> None:
    area = store.area(container, "people/2")
    with pytest.raises(InvalidTable):
        stage([people(30).encode()], area, DatasetConfig(), RULE, "people")
    assert list(store.list(container)) == []


# -- how the account is found, and what goes wrong with it


def test_the_connection_is_found_as_the_blob_trigger_finds_it(azurite: str) -> None:
    def no_credential() -> object:
        raise AssertionError("a connection string needs no credential")

    assert blob_service_client({"DATA_STORAGE": azurite}, no_credential).account_name == "devstoreaccount1"
    uri = "https://acct.blob.core.windows.net/"
    assert blob_service_client({"DATA_STORAGE__blobServiceUri": uri}, lambda: None).url == uri
    for setting in ("AzureWebJobsDATA_STORAGE", "DATA_STORAGE__accountName"):
        with pytest.raises(InvalidSetting, match="DATA_STORAGE__blobServiceUri"):
            blob_service_client({setting: "acct"}, no_credential)
    with pytest.raises(InvalidSetting, match="no connection string"):
        blob_service_client({"DATA_STORAGE": "nonsense"}, no_credential)


def test_a_wrong_key_is_told_with_a_remedy_and_without_the_key(azurite: str, container: str) -> None:
    key = "AccountKey=" + "A" * 86 + "=="
    parts = [key if part.startswith("AccountKey=") else part for part in azurite.split(";")]
    store = DataStore(blob_service_client({"DATA_STORAGE": ";".join(parts)}, lambda: None))
    with pytest.raises(Upstream) as caught:
        store.properties(container, "a.csv")
    assert not isinstance(caught.value, Transient)
    assert "AAAA" not in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize(
    "call",
    [
        lambda service: JsonStore(service.get_container_client("c")).get("a"),
        lambda service: list(DataStore(service).list("c")),
        lambda service: list(DataStore(service).stream("c", "a")),
        lambda service: LedgerStore(service.get_container_client("c")).append("a", 0, ["x"]),
    ],
)
def test_an_account_out_of_reach_is_transient(
    call: Callable[[BlobServiceClient], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "RETRIES", 0)
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}/acct"
        connection = f"AccountName=acct;AccountKey=QQ==;BlobEndpoint={endpoint}"
        with pytest.raises(Transient):
            call(blob_service_client({"DATA_STORAGE": connection}, lambda: None))


def test_the_account_copies_by_itself_and_a_copy_that_is_there_is_found(
    store: DataStore, container: str
) -> None:
    data = os.urandom(2 * CHUNK + 7)
    fill(store, container, "a/data.csv", data)
    assert store.begin_copy(container, "a/data.csv", "b/data-1.csv")
    before = store.properties(container, "b/data-1.csv").etag
    assert store.begin_copy(container, "a/data.csv", "b/data-1.csv")
    assert store.properties(container, "b/data-1.csv").etag == before
    assert b"".join(store.stream(container, "b/data-1.csv")) == data
    with pytest.raises(NotFound):
        store.begin_copy(container, "a/none.csv", "b/data-2.csv")


def test_two_staged_versions_are_one_table_for_whoever_trains_on_it(
    store: DataStore, container: str, tmp_path: Path
) -> None:
    """Staged, joined in the account, and read as the emulator's engine reads it."""
    runs = []
    for number, text in enumerate((people(400), people(300).replace("2024-", "2025-")), 1):
        area = store.area(container, f"people/{number}")
        found = stage([text.encode()], area, DatasetConfig(label="y"), RULE, "people")
        snapshot = snapshot_of(found, f"people/{number}", str(number))
        made = {"run_id": f"people-{number}-a1", "n": number, "snapshot": snapshot}
        runs.append(replace(RUN, **made, source=Source(content_hash=str(number))))  # type: ignore[arg-type]
    whole = Joiner(store, container).joined((runs[1], runs[0]))
    assert whole
    for name in ("MLTable", "data-1.csv", "data-2.csv"):
        (tmp_path / name).write_bytes(b"".join(store.stream(container, f"{whole.path}/{name}")))
    table = read_table(tmp_path)
    parts = [run.snapshot.train_rows for run in runs if run.snapshot]
    assert len(table) == sum(parts) == whole.train_rows
    held = b"".join(store.stream(container, whole.holdout_path))
    assert held == b"".join(store.stream(container, "people/2/holdout/data.csv"))
    assert store.properties(container, whole.profile_path).size
