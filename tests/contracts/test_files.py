"""Files: the stand-in and a real account."""

from __future__ import annotations

import pytest

from shared.adapters.data_files import DataStore
from shared.adapters.storage import blob_service_client
from shared.services.intake.ports import Files
from tests.conftest import StorageAccount
from tests.contracts.files import FilesContract, Put
from tests.support.memory_files import MemoryFiles


class TestMemoryFiles(FilesContract):
    @pytest.fixture
    def files(self, container: str) -> Files:
        return MemoryFiles(container)

    @pytest.fixture
    def container(self) -> str:
        return "incoming"

    @pytest.fixture
    def put(self, files: Files, container: str) -> Put:
        def put(name: str, data: bytes, metadata: dict[str, str]) -> None:
            assert isinstance(files, MemoryFiles)
            files.put(container, name, data, metadata)

        return put


class TestStoredFiles(FilesContract):
    @pytest.fixture
    def files(self, storage_account: StorageAccount) -> Files:
        return DataStore(
            blob_service_client({"DATA_STORAGE": storage_account.connection_string}, lambda: None)
        )

    @pytest.fixture
    def container(self, storage_account: StorageAccount) -> str:
        return str(storage_account.container("data").container_name)

    @pytest.fixture
    def put(self, storage_account: StorageAccount, container: str) -> Put:
        client = storage_account.service.get_container_client(container)

        def put(name: str, data: bytes, metadata: dict[str, str]) -> None:
            client.upload_blob(name, data, overwrite=True, metadata=metadata)

        return put
