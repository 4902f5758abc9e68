"""Files of batches: the stand-in and a real account."""

from __future__ import annotations

import pytest

from shared.adapters.batch_files import BlobBatchFiles
from shared.services.batches.ports import BatchFiles
from tests.conftest import StorageAccount
from tests.contracts.batch_files import BatchFilesContract
from tests.support.memory_batches import BATCHES, MemoryBatchFiles
from tests.support.memory_files import MemoryFiles


class TestMemoryBatchFiles(BatchFilesContract):
    @pytest.fixture
    def files(self) -> BatchFiles:
        return MemoryBatchFiles(MemoryFiles("incoming"))

    @pytest.fixture
    def incoming(self) -> str:
        return "incoming"

    @pytest.fixture
    def batches(self) -> str:
        return BATCHES


class TestStoredBatchFiles(BatchFilesContract):
    @pytest.fixture
    def files(self, storage_account: StorageAccount) -> BatchFiles:
        return BlobBatchFiles(storage_account.service)

    @pytest.fixture
    def incoming(self, storage_account: StorageAccount) -> str:
        return str(storage_account.container("incoming").container_name)

    @pytest.fixture
    def batches(self, storage_account: StorageAccount) -> str:
        return str(storage_account.container("batches").container_name)
