"""The storage account: how it is found and reached."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.request import getproxies

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
        **_environment(),
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


def _environment() -> dict[str, Any]:
    """What `requests` looks up in the environment at each call, a tenth of its time, looked up once.

    Where proxies are set their rules go by host, and are left to it. See `requests.Session.merge_environment_settings`.
    """
    if getproxies().keys() - {"no"}:
        return {}
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return {"use_env_settings": False, "connection_verify": bundle or True}


def quoted(etag: str) -> str:
    """An ETag as headers have it; listings give it bare."""
    return etag if etag.startswith(('"', "W/")) else f'"{etag}"'
