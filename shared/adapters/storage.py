"""The storage account: how it is found and reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from azure.storage.blob import BlobServiceClient, ContentSettings, ExponentialRetry

from shared.domain.errors import InvalidSetting

#: Bytes per read and per block written.
CHUNK = 4 << 20
#: Seconds the service may take for one request, sent along with it.
TIMEOUT = 30
#: Seconds without a connection, or without an answer to one request: the service's own word comes before ours. With all
#: retries a call ends within 160 s, before Azure cuts off the request that waits for it (230 s).
CONNECT, READ = 10, 35
#: Retries of one request, some 1 to 6 seconds apart.
RETRIES = 3
#: The same of documents, which are small and which callers wait for: a call ends within 25 s.
DOCUMENT_TIMEOUT = 8


@dataclass(frozen=True)
class Patience:
    """Seconds for a connection and for an answer, and how often a request is sent again."""

    connect: float
    read: float
    retries: int


DOCUMENTS = Patience(4, 10, 1)

JSON = ContentSettings(content_type="application/json; charset=utf-8")
TEXT = ContentSettings(content_type="text/plain; charset=utf-8")


def blob_service_client(
    environ: Mapping[str, str],
    credential: Callable[[], Any],
    name: str = "DATA_STORAGE",
    patience: Patience | None = None,
) -> BlobServiceClient:
    """The account that the setting `name` means: a connection string in `name`, else `{name}__blobServiceUri`, reached
    by `credential()`. The forms that the blob trigger's extension knows as well; `shared.settings` refuses others.
    """
    patience = patience or Patience(CONNECT, READ, RETRIES)
    options: dict[str, Any] = {
        "connection_timeout": patience.connect,
        "read_timeout": patience.read,
        "max_single_get_size": CHUNK,
        "max_chunk_get_size": CHUNK,
        "retry_policy": ExponentialRetry(1, 2, patience.retries, random_jitter_range=1),
    }
    connection = environ.get(name, "").strip()
    if connection:
        try:
            return BlobServiceClient.from_connection_string(connection, **options)
        except ValueError as error:
            raise InvalidSetting(
                f"The setting {name} is no connection string of a storage account.",
                remedy="Copy it from the account's access keys.",
                field=name,
            ) from error
    uri = environ.get(f"{name}__blobServiceUri", "").strip()
    if not uri:
        raise InvalidSetting(
            f"No storage account is set: neither {name} nor {name}__blobServiceUri.",
            remedy=f"Set {name} to a connection string, or {name}__blobServiceUri to https://ACCOUNT.blob.core.windows.net.",
            field=name,
        )
    return BlobServiceClient(uri, credential=credential(), **options)


def quoted(etag: str) -> str:
    """An ETag as headers have it; listings give it bare."""
    return etag if etag.startswith(('"', "W/")) else f'"{etag}"'
