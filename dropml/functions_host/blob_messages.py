"""Messages of the internal blob trigger queue and of the poison queue."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import dataclass
from typing import Any

from azure.core.exceptions import ResourceNotFoundError

from dropml.functions_host.connections import StorageAccount, queue_client

log = logging.getLogger("Host.Triggers.Blobs")

POISON_QUEUE = "webjobs-blobtrigger-poison"


def trigger_queue_name(host_id: str) -> str:
    """The queue on which a host's blob functions wait for their work."""
    return f"azure-webjobs-blobtrigger-{host_id}"


@dataclass(frozen=True)
class BlobMessage:
    """One piece of work: this function is to run for this blob. The ETag is without quotes after a scan."""

    function_id: str
    container: str
    blob: str
    etag: str
    blob_type: str = "BlockBlob"

    def to_json(self) -> str:
        return json.dumps(
            {
                "Type": "BlobTrigger",
                "FunctionId": self.function_id,
                "BlobType": self.blob_type,
                "ContainerName": self.container,
                "BlobName": self.blob,
                "ETag": self.etag,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> BlobMessage:
        """Raises ValueError if the text isn't such a message."""
        try:
            document: dict[str, Any] = json.loads(text)
            return cls(
                document["FunctionId"],
                document["ContainerName"],
                document["BlobName"],
                document["ETag"],
                document.get("BlobType", "BlockBlob"),
            )
        except (KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"Invalid blob trigger message: {error!r}") from error


class BlobQueue:
    """The trigger queue in the host's storage account, made when first needed."""

    def __init__(self, account: StorageAccount, host_id: str) -> None:
        self.name = trigger_queue_name(host_id)
        self.client = queue_client(account, self.name)
        self.arrived = threading.Event()  # this process enqueued something: no need to wait for the next poll

    def enqueue(self, message: BlobMessage) -> str:
        """Put a message in the queue; returns its id."""
        sent = send(self.client, message.to_json())
        self.arrived.set()
        return sent


def send(queue: Any, text: str) -> str:
    """Send to a queue that may not exist yet; returns the message's id."""
    try:
        return str(queue.send_message(text).id)
    except ResourceNotFoundError:
        queue.create_queue()
        return str(queue.send_message(text).id)
