"""Storage connections: `connection="X"` of a binding to blob and queue clients, by the app's settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient, TextBase64DecodePolicy, TextBase64EncodePolicy

from dropml.functions_host.config import STORAGE_SETTING
from dropml.functions_host.errors import BindingError

# The SDK would wait 15 s before its first retry: longer than a lease may be left alone. Listeners repeat by themselves.
_CLIENT_OPTIONS: dict[str, Any] = {
    "connection_timeout": 5,
    "read_timeout": 30,
    "retry_total": 2,
    "initial_backoff": 0.5,
    "increment_base": 2,
    "random_jitter_range": 0.2,
}


@dataclass(frozen=True)
class StorageAccount:
    """Blob and queue service of one account, and the name that the connection was given in the app."""

    connection: str
    blobs: BlobServiceClient
    queues: QueueServiceClient

    @property
    def name(self) -> str:
        return str(self.blobs.account_name)


def from_connection_string(text: str, connection: str = STORAGE_SETTING) -> StorageAccount:
    """Clients for a connection string. Raises BindingError if it is none."""
    try:
        return StorageAccount(
            connection,
            BlobServiceClient.from_connection_string(text, **_CLIENT_OPTIONS),
            QueueServiceClient.from_connection_string(text, **_CLIENT_OPTIONS),
        )
    except ValueError as error:
        raise BindingError(f"setting {connection} is no storage connection string: {error}") from error


def resolve(connection: str | None, settings: Mapping[str, str] | None = None) -> StorageAccount:
    """Find the account behind a binding's `connection`, as the real host does.

    Setting `X` or `AzureWebJobsX` with a connection string; or, for an identity, `X__blobServiceUri` with
    `X__queueServiceUri` (a blob trigger needs both); `X__accountName` is
    refused, as the extension does. Raises BindingError if there is none.
    """
    env = os.environ if settings is None else settings
    name = connection or STORAGE_SETTING
    for setting in (name, f"AzureWebJobs{name}"):
        if env.get(setting):
            return from_connection_string(env[setting], name)
        uris = _service_uris(setting, env)
        if uris:
            return _with_identity(name, setting, uris, env)
    raise BindingError(
        f'connection "{name}" is not set: add app setting {name} with a storage connection string'
        f" (or {name}__blobServiceUri and {name}__queueServiceUri for an identity)."
    )


def _service_uris(setting: str, env: Mapping[str, str]) -> tuple[str, str] | None:
    blob, queue = env.get(f"{setting}__blobServiceUri"), env.get(f"{setting}__queueServiceUri")
    if not blob and env.get(f"{setting}__accountName"):
        raise BindingError(
            f"{setting}__accountName is set, and the blob extension takes none: set {setting}__blobServiceUri"
            f" and {setting}__queueServiceUri."
        )
    if blob and not queue:
        raise BindingError(
            f"{setting}__blobServiceUri is set, {setting}__queueServiceUri is not: blob triggers keep their"
            " messages in queues and need both."
        )
    return (blob, queue) if blob and queue else None


def _with_identity(name: str, setting: str, uris: tuple[str, str], env: Mapping[str, str]) -> StorageAccount:
    # Costs 0.3 s to import, and only apps with identity-based connections need it.
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

    client_id = env.get(f"{setting}__clientId")
    credential: Any
    if env.get(f"{setting}__credential", "").lower() == "managedidentity":
        credential = (
            ManagedIdentityCredential(client_id=client_id) if client_id else ManagedIdentityCredential()
        )
    else:
        credential = DefaultAzureCredential()
    return StorageAccount(
        name,
        BlobServiceClient(uris[0], credential=credential, **_CLIENT_OPTIONS),
        QueueServiceClient(uris[1], credential=credential, **_CLIENT_OPTIONS),
    )


def queue_client(account: StorageAccount, name: str) -> Any:
    """A queue whose messages are base64 text, as the storage extension writes them."""
    return account.queues.get_queue_client(
        name, message_encode_policy=TextBase64EncodePolicy(), message_decode_policy=TextBase64DecodePolicy()
    )
