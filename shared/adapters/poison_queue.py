"""The queue to which the blob trigger puts what failed at every try, in the account that it watches.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-blob-trigger#poison-blobs
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueClient, QueueServiceClient

from shared.adapters.storage_errors import translated
from shared.services.notify.ports import Poisoned

QUEUE = "webjobs-blobtrigger-poison"
#: As many as one call shows; the rest comes to light as these go, after a week at the latest.
SHOWN = 32


class BlobPoison:
    """Implements `shared.services.notify.ports.PoisonQueue`."""

    def __init__(self, environ: Mapping[str, str], credential: Callable[[], Any]) -> None:
        self._environ, self._credential = environ, credential

    @cached_property
    def _queue(self) -> QueueClient:
        options: dict[str, Any] = {"connection_timeout": 4, "read_timeout": 8, "retry_total": 1}
        connection = self._environ.get("DATA_STORAGE", "").strip()
        if connection:
            service = QueueServiceClient.from_connection_string(connection, **options)
        else:
            uri = self._environ.get("DATA_STORAGE__queueServiceUri", "").strip()
            service = QueueServiceClient(uri, credential=self._credential(), **options)
        return service.get_queue_client(QUEUE)

    def look(self) -> list[Poisoned]:
        """None where there is no such queue: nothing has failed yet."""
        with translated(QUEUE):
            try:
                found = self._queue.peek_messages(SHOWN)
            except ResourceNotFoundError:
                return []
        return [_read(message) for message in found]


def _read(message: Any) -> Poisoned:
    at = message.inserted_on.timestamp() if message.inserted_on else 0.0
    container, blob = _file(str(message.content))
    return Poisoned(str(message.id), container, blob, at)


def _file(content: str) -> tuple[str, str]:
    """The host writes base64 of JSON; a message of another make still counts."""
    try:
        told = json.loads(b64decode(content, validate=True) if not content.startswith("{") else content)
        return str(told["ContainerName"]), str(told["BlobName"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "?", "a message that is none of the host's"
