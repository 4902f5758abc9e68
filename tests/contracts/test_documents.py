"""Documents and ledgers: the stand-ins and a real account."""

from __future__ import annotations

import pytest

from shared.adapters.documents import JsonStore
from shared.adapters.ledger import LedgerStore
from shared.adapters.storage import blob_service_client
from shared.services.documents import Documents, Ledger
from tests.conftest import StorageAccount
from tests.contracts.documents import DocumentsContract
from tests.contracts.ledger import PATH, LedgerContract
from tests.support.memory import MemoryDocuments, MemoryLedger


class TestMemoryDocuments(DocumentsContract):
    @pytest.fixture
    def documents(self) -> Documents:
        return MemoryDocuments()


class TestStoredDocuments(DocumentsContract):
    @pytest.fixture
    def documents(self, storage_account: StorageAccount) -> Documents:
        service = blob_service_client({"DATA_STORAGE": storage_account.connection_string}, lambda: None)
        name = storage_account.container("state").container_name
        return JsonStore(service.get_container_client(name))


class TestMemoryLedger(LedgerContract):
    @pytest.fixture
    def ledger(self) -> Ledger:
        return MemoryLedger()

    def half_written(self, ledger: Ledger, data: bytes) -> None:
        assert isinstance(ledger, MemoryLedger)
        ledger.text[PATH] += data.decode()


class TestStoredLedger(LedgerContract):
    @pytest.fixture
    def ledger(self, storage_account: StorageAccount) -> Ledger:
        self.state = storage_account.container("state")
        service = blob_service_client({"DATA_STORAGE": storage_account.connection_string}, lambda: None)
        return LedgerStore(service.get_container_client(self.state.container_name))

    def half_written(self, ledger: Ledger, data: bytes) -> None:
        self.state.get_blob_client(PATH).append_block(data)
