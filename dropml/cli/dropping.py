"""A file on its way into the incoming container, and what comes of it: a run, a batch, or a report."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dropml.cli.stopping import Code, Stop
from dropml.cli.target import Target
from dropml.client import Client
from dropml.common.folders import COMMAND

#: Endings of a table; what comes before one is the dataset's name.
TABLES = (".csv.gz", ".csv", ".tsv")
SCORE = ".score"
#: Seconds after which a file without a run of its own is looked for among those that were taken before.
KNOWN_AFTER = 8.0
_CHUNK = 4 << 20


@dataclass(frozen=True)
class Dropped:
    """A file that lies in the container. `digest` is its bytes' sha256, `at` when it was uploaded (unix seconds)."""

    container: str
    blob: str
    etag: str
    digest: str
    at: float

    @property
    def dataset(self) -> str:
        """What it is a version of; empty for what is no table."""
        return dataset_of(self.blob)


@dataclass(frozen=True)
class Came:
    """What came of a file: the run or the batch of this id, or a report in quarantine. `known`: its bytes had a run already."""

    kind: str
    id: str
    known: bool = False


def dataset_of(blob: str) -> str:
    lower = blob.lower()
    ending = next((e for e in TABLES if lower.endswith(e)), None)
    if ending is None:
        return ""
    stem = blob[: -len(ending)]
    return stem[: -len(SCORE)] if stem.lower().endswith(SCORE) else stem


def name_of(file: Path, name: str) -> str:
    """The blob's name: the file's own, or `name` with the file's ending."""
    if not name:
        return file.name
    lower = file.name.lower()
    ending = next((file.name[-len(e) :] for e in TABLES if lower.endswith(e)), file.suffix)
    return name if name.lower().endswith(ending.lower()) else name + ending


def upload(target: Target, file: Path, blob: str, metadata: dict[str, str]) -> Dropped:
    """Raises Stop where the file can't be read or the container can't be written."""
    digest = _digest(file)
    with _told(target, "upload"), _service(target) as service, file.open("rb") as data:
        client = service.get_blob_client(target.container, blob)
        done = client.upload_blob(data, overwrite=True, metadata=metadata or None)
    return Dropped(target.container, blob, str(done["etag"]).strip('"'), digest, time.time())


def look(target: Target) -> None:
    """List one file of the container. Raises Stop."""
    with _told(target, "listing"), _service(target) as service:
        names = service.get_container_client(target.container).list_blob_names(results_per_page=1)
        next(iter(names), None)


@contextlib.contextmanager
def _told(target: Target, what: str) -> Iterator[None]:
    """Raises Stop for what storage answers."""
    from azure.core.exceptions import AzureError, ClientAuthenticationError, ResourceNotFoundError

    try:
        yield
    except ResourceNotFoundError as error:
        raise Stop(f"There is no container {target.container!r}.", "dropml doctor") from error
    except ClientAuthenticationError as error:
        raise Stop(
            f"Storage refuses the {what}: who you are to Azure needs the role Storage Blob Data Contributor on the account.",
            "az login, or set DROPML_STORAGE to a connection string",
            Code.UNAUTHORISED,
        ) from error
    except AzureError as error:
        if getattr(error, "status_code", None) == 403:
            message = f"Storage refuses the {what} ({getattr(error, 'error_code', None) or 403})."
            raise Stop(message, "az login, or set DROPML_STORAGE", Code.UNAUTHORISED) from error
        message = f"The {what} failed: {str(error.message).partition(chr(10))[0]}"
        raise Stop(message, f"{COMMAND} up" if target.local else "dropml doctor") from error


def remove(target: Target, blob: str) -> None:
    """Take a file back out of the container; nothing where it has gone."""
    from azure.core.exceptions import ResourceNotFoundError

    with _service(target) as service:
        try:
            service.get_blob_client(target.container, blob).delete_blob()
        except ResourceNotFoundError:
            return


def _digest(file: Path) -> str:
    found = hashlib.sha256()
    try:
        with file.open("rb") as data:
            while chunk := data.read(_CHUNK):
                found.update(chunk)
    except OSError as error:
        raise Stop(f"{file} can't be read: {error.strerror}.", "dropml drop FILE", Code.USAGE) from error
    return found.hexdigest()


def _service(target: Target) -> Any:
    """A connection string opens it, else the URL of a blob service with whoever you are to Azure."""
    from azure.storage.blob import BlobServiceClient

    options: dict[str, Any] = {
        "connection_timeout": 10,
        "read_timeout": 60,
        "retry_total": 3,
        "initial_backoff": 1,
        "increment_base": 2,
    }
    if not target.storage:
        raise Stop(
            f"Nothing says where to upload to: {target.source} names an app alone.",
            "set DROPML_STORAGE to https://ACCOUNT.blob.core.windows.net or a connection string",
        )
    if target.storage.startswith(("https://", "http://")):
        from azure.identity import DefaultAzureCredential

        return BlobServiceClient(target.storage, credential=DefaultAzureCredential(), **options)
    try:
        return BlobServiceClient.from_connection_string(target.storage, **options)
    except ValueError as error:
        raise Stop(
            "DROPML_STORAGE is neither a connection string nor a URL.", "set DROPML_STORAGE", Code.USAGE
        ) from error


class Search:
    """Asked again and again, it finds what came of a file."""

    def __init__(self, api: Client, dropped: Dropped) -> None:
        self._api, self._file = api, dropped
        self._seen: set[str] = set()

    def look(self) -> Came | None:
        late = time.time() - self._file.at > KNOWN_AFTER
        return self._run(late=late) or self._batch() or self._report()

    def _run(self, *, late: bool) -> Came | None:
        """Of this very upload; later on, the newest run of the same bytes, for bytes that are known start none."""
        dataset, known = self._file.dataset, None
        if not dataset:
            return None
        for summary in self._api.runs(dataset, limit=20):
            run_id = summary["run_id"]
            if run_id in self._seen and not late:
                continue
            source: Any = self._api.get(f"/runs/{_part(run_id)}")["source"]
            self._seen.add(run_id)
            if source["etag"].strip('"') == self._file.etag:
                return Came("run", run_id)
            if late and known is None and source["content_hash"] == self._file.digest:
                known = Came("run", run_id, known=True)
        return known

    def _batch(self) -> Came | None:
        """Of this very upload: the file may have been dropped before under the same name, a moment ago."""
        dataset = self._file.dataset
        where = f"{self._file.container}/{self._file.blob}"
        for batch in self._api.get("/batches", dataset=dataset, limit="20")["batches"] if dataset else ():
            if (batch["dropped"], batch.get("dropped_etag")) == (where, self._file.etag):
                return Came("batch", batch["id"])
        return None

    def _report(self) -> Came | None:
        for refused in self._api.get("/quarantine", limit="20")["files"]:
            refused_id = refused["id"]
            if refused["file"] != self._file.blob or refused_id in self._seen:
                continue
            source: Any = self._api.get(f"/quarantine/{_part(refused_id)}")["source"]
            self._seen.add(refused_id)
            # A file that is refused by its name is told of once, whatever is in it.
            if source["etag"].strip('"') in ("", self._file.etag):
                return Came("report", refused_id)
        return None


def _part(text: str) -> str:
    from dropml.client import part

    return part(text)
