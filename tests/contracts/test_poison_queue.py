"""The poison queue: the stand-in and a real account, with messages as the host writes them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest
from azure.storage.queue import QueueClient

from shared.adapters import poison_queue
from shared.adapters.poison_queue import BlobPoison
from shared.services.notify.ports import Poisoned, PoisonQueue
from tests.conftest import StorageAccount
from tests.contracts.poison_queue import PoisonQueueContract
from tests.support.memory_poison import MemoryPoison


class TestMemoryPoison(PoisonQueueContract):
    @pytest.fixture
    def queue(self) -> PoisonQueue:
        return MemoryPoison()

    def fail(self, queue: PoisonQueue, container: str, blob: str) -> None:
        assert isinstance(queue, MemoryPoison)
        queue.messages.append(Poisoned(f"m{len(queue.messages)}", container, blob, 5.0))


class TestStoredPoison(PoisonQueueContract):
    @pytest.fixture
    def messages(self, storage_account: StorageAccount) -> Iterator[QueueClient]:
        """A queue of this test's own, which isn't there yet."""
        name = storage_account.name("poison")
        with QueueClient.from_connection_string(storage_account.connection_string, name) as messages:
            self.there, self.made = messages, False
            yield messages
            if self.made:
                messages.delete_queue()

    @pytest.fixture
    def queue(
        self, storage_account: StorageAccount, messages: QueueClient, monkeypatch: pytest.MonkeyPatch
    ) -> PoisonQueue:
        monkeypatch.setattr(poison_queue, "QUEUE", messages.queue_name)
        return BlobPoison({"DATA_STORAGE": storage_account.connection_string}, lambda: None)

    def fail(self, queue: PoisonQueue, container: str, blob: str) -> None:
        said = {"Type": "BlobTrigger", "ContainerName": container, "BlobName": blob}
        self.put(base64.b64encode(json.dumps(said).encode()).decode())

    def put(self, content: str) -> None:
        if not self.made:
            self.there.create_queue()
            self.made = True
        self.there.send_message(content)

    def test_a_message_of_another_make_still_counts(self, queue: PoisonQueue) -> None:
        self.put('{"ContainerName": "incoming", "BlobName": "plain.csv"}')
        for content in ("no JSON", base64.b64encode(b'{"other": 1}').decode(), "[1]"):
            self.put(content)
        first, *others = queue.look()
        assert (first.container, first.blob) == ("incoming", "plain.csv")
        assert [message.container for message in others] == ["?"] * 3
