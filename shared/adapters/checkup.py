"""What the doctor asks storage and identity, with patience of its own: each call ends within seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ClientAuthenticationError, ResourceNotFoundError

from shared.adapters.identity import ARM_SCOPE, no_token
from shared.adapters.storage import Patience, blob_service_client
from shared.adapters.storage_errors import translated

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.storage.queue import QueueServiceClient

PATIENCE = Patience(4, 8, 0)
_TIMEOUT = 8


class BlobAccount:
    """Implements `shared.services.doctor.storage.Account`."""

    def __init__(self, environ: Mapping[str, str], credential: Callable[[], Any]) -> None:
        self._service = blob_service_client(environ, credential, patience=PATIENCE)

    @property
    def name(self) -> str:
        return str(self._service.account_name)

    def look(self, container: str) -> None:
        with translated(container):
            client = self._service.get_container_client(container)
            next(client.list_blob_names(results_per_page=1, timeout=_TIMEOUT).by_page(), None)

    def touch(self, container: str, blob: str) -> None:
        with translated(f"{container}/{blob}"):
            client = self._service.get_blob_client(container, blob)
            client.upload_blob(b"", overwrite=True, timeout=_TIMEOUT)
            client.delete_blob(timeout=_TIMEOUT)


class QueueAccount:
    """Implements `shared.services.doctor.storage.Queues`."""

    def __init__(self, environ: Mapping[str, str], credential: Callable[[], Any]) -> None:
        self._service = _queue_service(environ, credential)

    def look(self) -> None:
        with translated("the queues"):
            next(self._service.list_queues(results_per_page=1, timeout=_TIMEOUT).by_page(), None)

    def count(self, queue: str) -> int | None:
        with translated(queue):
            try:
                found = self._service.get_queue_client(queue).get_queue_properties(timeout=_TIMEOUT)
            except ResourceNotFoundError:
                return None
            return int(found.approximate_message_count or 0)


def _queue_service(environ: Mapping[str, str], credential: Callable[[], Any]) -> QueueServiceClient:
    """As the blob trigger's extension finds it: the connection string, else the queue service's URI."""
    from azure.storage.queue import QueueServiceClient

    options: dict[str, Any] = {
        "connection_timeout": PATIENCE.connect,
        "read_timeout": PATIENCE.read,
        "retry_total": PATIENCE.retries,
    }
    connection = environ.get("DATA_STORAGE", "").strip()
    if connection:
        return QueueServiceClient.from_connection_string(connection, **options)
    uri = environ.get("DATA_STORAGE__queueServiceUri", "").strip()
    return QueueServiceClient(uri, credential=credential(), **options)


class Identity:
    """Implements `shared.services.doctor.app.Tokens`."""

    def __init__(self, credential: TokenCredential) -> None:
        self._credential = credential

    def minutes(self) -> float:
        try:
            token = self._credential.get_token(ARM_SCOPE)
        except ClientAuthenticationError as error:
            raise no_token(error.message) from error
        return max(0.0, (token.expires_on - time.time()) / 60)
