"""The storage account: how it is reached, and its SDK's errors as the product's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobServiceClient, ExponentialRetry

from shared.domain.errors import Conflict, DropMLError, InvalidSetting, NotFound, Transient, Upstream

#: Bytes per read and per block written.
CHUNK = 4 << 20
#: Seconds the service may take for one request, sent along with it.
TIMEOUT = 30
#: Seconds without a connection, or without an answer to one request.
CONNECT, READ = 10, 60
#: Retries of one request, some 1 to 6 seconds apart.
RETRIES = 3

_CREDENTIAL_REMEDY = (
    "Check the connection string, or give the identity the role Storage Blob Data Contributor on the account."
)
#: Answers that another try may change.
_PASSING = frozenset({408, 429, 500, 502, 503, 504})


def blob_service_client(
    environ: Mapping[str, str], credential: Callable[[], Any], name: str = "DATA_STORAGE"
) -> BlobServiceClient:
    """The account that the setting `name` means: a connection string in `name`, else `{name}__blobServiceUri`, reached
    by `credential()`. The forms that the blob trigger's extension knows as well; `shared.settings` refuses others.
    """
    options: dict[str, Any] = {
        "connection_timeout": CONNECT,
        "read_timeout": READ,
        "max_single_get_size": CHUNK,
        "max_chunk_get_size": CHUNK,
        "retry_policy": ExponentialRetry(1, 2, RETRIES, random_jitter_range=1),
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


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise the storage SDK's errors as DropMLError; `what` names the blob or container."""
    try:
        yield
    except AzureError as error:
        raise _translate(error, what) from error


def _translate(error: AzureError, what: str) -> DropMLError:
    raw = getattr(error, "error_code", None) or ""
    code = str(getattr(raw, "value", raw))
    if isinstance(error, ResourceNotFoundError):
        if code == "ContainerNotFound":
            return NotFound(
                f"The container of {what} does not exist.",
                remedy="Create the containers that the settings name.",
                code="container-not-found",
            )
        return NotFound(f"{what} does not exist.", code="blob-not-found")
    if isinstance(error, ResourceModifiedError):
        return Conflict(f"{what} was changed by somebody else.", code="blob-changed")
    if isinstance(error, ResourceExistsError):
        return Conflict(f"{what} exists already.", code="blob-exists")
    if isinstance(error, ClientAuthenticationError):
        return Upstream(
            f"Storage refused the credential for {what} ({_brief(error)}).",
            remedy=_CREDENTIAL_REMEDY,
            code="storage-refused",
        )
    if not isinstance(error, HttpResponseError) or error.status_code is None:
        return Transient(
            f"Storage could not be reached for {what} ({_brief(error)}).", code="storage-unavailable"
        )
    status = error.status_code
    if status in (409, 412):
        return Conflict(f"{what}: storage answered {status} {code}.", code="blob-changed")
    if code == "InvalidBlockList":
        # Committing a blob throws away the blocks that another writer has staged for it.
        return Conflict(f"{what} was written by somebody else at the same time.", code="blob-changed")
    if status == 403:
        return Upstream(
            f"Storage denied access to {what} ({code}).", remedy=_CREDENTIAL_REMEDY, code="storage-refused"
        )
    if status in _PASSING:
        return Transient(f"Storage answered {status} {code} for {what}.", code="storage-unavailable")
    return Upstream(f"Storage answered {status} {code} for {what} ({_brief(error)}).", code="storage-error")


def _brief(error: AzureError) -> str:
    """The first line: the rest may hold signed URLs and request ids."""
    return str(error.message).partition("\n")[0][:200]
