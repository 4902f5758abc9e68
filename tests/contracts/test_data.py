"""The data account as the lifecycle sees it: the stand-in and a real one."""

from __future__ import annotations

import pytest

from shared.adapters.data_files import DataStore
from shared.adapters.snapshots import Snapshots
from shared.adapters.storage import blob_service_client
from shared.domain.run.parts import Source
from shared.services.run.ports import Data
from shared.settings import Settings
from tests.conftest import StorageAccount
from tests.contracts.data import HOLDOUT, ROWS, DataContract
from tests.support.memory import MemoryData


class TestMemoryData(DataContract):
    @pytest.fixture
    def data(self) -> Data:
        return MemoryData(ROWS)

    @pytest.fixture
    def source(self) -> Source:
        return Source("incoming", "bank.csv", '"1"', 8)

    def replace(self, data: Data, source: Source) -> None:
        assert isinstance(data, MemoryData)
        data.replaced.add(source.etag)


class TestStoredData(DataContract):
    @pytest.fixture
    def data(self, storage_account: StorageAccount) -> Data:
        self.incoming = storage_account.container("incoming")
        holdout = "x,y\n" + "".join(f"{x},{'no' if x % 2 else 'yes'}\n" for x in range(ROWS))
        storage_account.container("data").upload_blob(HOLDOUT, holdout.encode())
        self.quarantined = storage_account.container("quarantine")
        settings = Settings(
            data_container=storage_account.name("data"),
            quarantine_container=storage_account.name("quarantine"),
        )
        account = blob_service_client({"DATA_STORAGE": storage_account.connection_string}, lambda: None)
        return Snapshots(DataStore(account), settings)

    @pytest.fixture
    def source(self, data: Data) -> Source:
        etag = str(self.incoming.upload_blob("2026/bank.csv", b"x,y\n1,no\n").get_blob_properties().etag)
        return Source(str(self.incoming.container_name), "2026/bank.csv", etag, 9)

    def replace(self, data: Data, source: Source) -> None:
        self.incoming.upload_blob(source.blob, b"x,y\n2,yes\n", overwrite=True)

    def test_the_original_lies_beside_its_report(self, data: Data, source: Source) -> None:
        data.quarantine(source, "bank/bank-1-a1", self.refused(source))
        found = {blob.name.rpartition("/")[2] for blob in self.quarantined.list_blobs("bank/bank-1-a1/")}
        assert found == {"bank.csv", "report.json", "report.txt"}
        assert self.quarantined.download_blob("bank/bank-1-a1/bank.csv").readall() == b"x,y\n1,no\n"
