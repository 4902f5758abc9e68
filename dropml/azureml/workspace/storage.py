"""The blob account behind the datastores: addresses, downloads, uploads. Blocking: call it from a thread."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlparse

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import (
    AccountSasPermissions,
    BlobServiceClient,
    ContainerClient,
    ResourceTypes,
    Services,
    generate_account_sas,
)

#: Client-side limits, so that an absent storage account is a sentence after seconds, not minutes.
_CLIENT_OPTIONS: dict[str, Any] = {"connection_timeout": 5, "read_timeout": 30, "retry_total": 2}
_DEVELOPMENT = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50u"
    "SRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"
)


class DataError(Exception):
    """A sentence for the person whose data it is."""


@dataclass(frozen=True)
class Account:
    name: str
    key: str
    blob_url: str

    @property
    def protocol(self) -> str:
        return urlparse(self.blob_url).scheme

    @property
    def local(self) -> bool:
        """Say whether it is an account of this machine (Azurite), whose address has another form."""
        return urlparse(self.blob_url).hostname in ("127.0.0.1", "localhost", "::1")

    @property
    def endpoint(self) -> str:
        """What follows `{account}.blob.` in the account's address."""
        return "core.windows.net" if self.local else urlparse(self.blob_url).netloc.split(".blob.", 1)[-1]


class Storage:
    """Reads and writes containers of one account, given by its connection string."""

    def __init__(self, connection: str | None) -> None:
        self._connection = _DEVELOPMENT if connection == "UseDevelopmentStorage=true" else connection

    @property
    def configured(self) -> bool:
        return self._connection is not None

    def account(self) -> Account | None:
        if self._connection is None:
            return None
        parts = dict(p.split("=", 1) for p in self._connection.split(";") if "=" in p)
        name = parts.get("AccountName", "")
        suffix = parts.get("EndpointSuffix", "core.windows.net")
        default = f"{parts.get('DefaultEndpointsProtocol', 'https')}://{name}.blob.{suffix}"
        return Account(name, parts.get("AccountKey", ""), parts.get("BlobEndpoint", default).rstrip("/"))

    def _service(self) -> BlobServiceClient:
        if self._connection is None:
            raise DataError("No storage account is configured: start the emulator with DROPML_STORAGE.")
        return BlobServiceClient.from_connection_string(self._connection, **_CLIENT_OPTIONS)

    def container(self, name: str) -> ContainerClient:
        return self._service().get_container_client(name)

    def ensure_container(self, name: str) -> None:
        try:
            self._service().create_container(name)
        except ResourceExistsError:
            return

    def sas(self, hours: float) -> tuple[str, datetime]:
        """An account SAS for blobs and its end."""
        account = self.account()
        if account is None:
            raise DataError("No storage account is configured: start the emulator with DROPML_STORAGE.")
        expires = datetime.now(UTC) + timedelta(hours=hours)
        token = generate_account_sas(
            account.name,
            account.key,
            resource_types=ResourceTypes(container=True, object=True),
            permission=AccountSasPermissions(
                read=True, create=True, update=True, write=True, delete=True, list=True
            ),
            expiry=expires,
            services=Services(blob=True, fileshare=True),
        )
        return token, expires

    def download(self, container: str, path: str, target: Path) -> int:
        """A blob, or everything below a folder, into `target`; how many files. Raises DataError with a sentence."""
        path = path.strip("/")
        try:
            client = self.container(container)
            names = [b.name for b in client.list_blobs(name_starts_with=path)]
            chosen = [n for n in names if not path or n == path or n.startswith(path + "/")]
            for name in chosen:
                self._fetch(client, name, target / _relative(name, path))
        except ResourceNotFoundError:
            raise DataError(f"The container '{container}' does not exist in the storage account.") from None
        except AzureError as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"The storage account can't be read at {container}/{path}: {reason}") from error
        if not chosen:
            raise DataError(f"There is no blob at {container}/{path}: check the path of the data asset.")
        return len(chosen)

    @staticmethod
    def _fetch(client: ContainerClient, name: str, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            client.download_blob(name).readinto(file)

    def upload(self, source: Path, container: str, path: str) -> None:
        """A file as the blob at `path`, or every file of a folder below it."""
        self.ensure_container(container)
        if source.is_file():
            self.put(source, container, path)
            return
        for file in sorted(p for p in source.rglob("*") if p.is_file()):
            self.put(file, container, f"{path.strip('/')}/{file.relative_to(source).as_posix()}")

    def put(self, file: Path, container: str, name: str) -> None:
        """A file as a blob, in the place of one that is there; DataError tells what is wrong."""
        try:
            with file.open("rb") as content:
                self.container(container).upload_blob(name, content, overwrite=True)
        except AzureError as error:
            reason = str(error).splitlines()[0]
            raise DataError(
                f"The storage account can't be written at {container}/{name}: {reason}"
            ) from error

    def sizes(self, container: str, path: str) -> dict[str, int]:
        """Name and size of each blob whose name begins with `path`; the container is made where it is missing."""
        try:
            self.ensure_container(container)
            return {b.name: b.size for b in self.container(container).list_blobs(name_starts_with=path)}
        except AzureError as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"The storage account can't be read at {container}/{path}: {reason}") from error

    def locate(self, url: str) -> tuple[str, str] | None:
        """(container, path) of an http(s) URL inside the configured account, else None."""
        account = self.account()
        if account is None or not url.startswith(account.blob_url + "/"):
            return None
        container, _, path = unquote(urlparse(url[len(account.blob_url) + 1 :]).path).partition("/")
        return container, path


def _relative(name: str, path: str) -> PurePosixPath:
    """Where a blob goes below the target; a name that would leave it is refused."""
    rest = PurePosixPath(name).name if name == path else name[len(path) :].lstrip("/")
    relative = PurePosixPath(rest)
    if relative.is_absolute() or ".." in relative.parts:
        raise DataError(f"The blob name '{name}' would leave the folder it is read into.")
    return relative


_DATASTORE_URI = re.compile(
    r"^azureml://(?:subscriptions/[^/]+/resourcegroups/[^/]+/workspaces/[^/]+/)?datastores/([^/]+)/paths/(.*)$",
    re.IGNORECASE,
)


def datastore_path(uri: str) -> tuple[str, str] | None:
    """(datastore, path) of a short or long azureml://.../datastores/... URI."""
    found = _DATASTORE_URI.match(uri)
    return (found.group(1), found.group(2)) if found else None
