"""Find new blobs by listing containers, and enqueue each (function, blob, ETag) once, by receipts.

Mirrors source LogsAndContainerScan of the storage extension (without $logs, which the storage emulator doesn't
write): https://github.com/Azure/azure-sdk-for-net, Microsoft.Azure.WebJobs.Extensions.Storage.Blobs, Listeners.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobClient, BlobProperties, ContainerClient

from dropml.functions_host.blob_messages import BlobMessage, BlobQueue
from dropml.functions_host.blob_paths import BlobPathPattern
from dropml.functions_host.connections import StorageAccount
from dropml.functions_host.indexing import FunctionDefinition
from dropml.functions_host.leases import SingletonLock, ensure_container

log = logging.getLogger("Host.Triggers.Blobs")

BLOBS_PER_POLL = 10_000  # shared by all containers
RECEIPT_LEASE_S = 30
_COMPLETED = "Completed"
_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class BlobTrigger:
    """A blob function with where its blobs lie."""

    function: FunctionDefinition
    pattern: BlobPathPattern
    account: StorageAccount
    event_grid: bool


class ReceiptBook:
    """Receipts under azure-webjobs-hosts/blobreceipts: what has been enqueued is not enqueued again.

    A receipt is completed once its message is in the queue, whatever becomes of the run. A crash between the two
    enqueues again: at least once, never none.
    """

    def __init__(self, hosts: ContainerClient, host_id: str, queue: BlobQueue) -> None:
        self._hosts = hosts
        self._host_id = host_id
        self._queue = queue

    def notify(self, trigger: BlobTrigger, blob: BlobClient) -> bool:
        """Enqueue the blob for the function unless it was before; False: try again at the next poll.

        Raises AzureError.
        """
        if trigger.pattern.match(str(blob.container_name), str(blob.blob_name)) is None:
            return True
        try:
            properties = blob.get_blob_properties()
        except ResourceNotFoundError:
            return True
        etag = str(properties.etag).strip('"')
        receipt = self._hosts.get_blob_client(
            f"blobreceipts/{self._host_id}/{trigger.function.id}/{etag}/{blob.container_name}/{blob.blob_name}"
        )
        if not self._create_or_find_open(receipt):
            return True
        try:
            lease = receipt.acquire_lease(lease_duration=RECEIPT_LEASE_S)
        except (ResourceExistsError, ResourceNotFoundError):
            return (
                False  # another host is at it, or somebody deleted the receipt: look again at the next poll
            )
        try:
            if receipt.get_blob_properties().metadata.get(_COMPLETED) == "True":
                return True
            message = BlobMessage(
                trigger.function.id,
                str(blob.container_name),
                str(blob.blob_name),
                etag,
                _blob_type(properties),
            )
            sent = self._queue.enqueue(message)
            log.info("Blob '%s' enqueued for %s (MessageId=%s)", blob.blob_name, trigger.function.id, sent)
            with contextlib.suppress(HttpResponseError):  # the lease ran out or the receipt is gone
                receipt.set_blob_metadata({_COMPLETED: "True"}, lease=lease)
            return True
        finally:
            with contextlib.suppress(AzureError):
                lease.release()

    def _create_or_find_open(self, receipt: BlobClient) -> bool:
        """True if the receipt is there and not complete, made now if need be."""
        with contextlib.suppress(ResourceNotFoundError):
            return receipt.get_blob_properties().metadata.get(_COMPLETED) != "True"
        try:
            receipt.upload_blob(b"", overwrite=False)
        except ResourceNotFoundError:
            ensure_container(self._hosts)
            with contextlib.suppress(ResourceExistsError):
                receipt.upload_blob(b"", overwrite=False)
        except ResourceExistsError:
            log.debug("another host has just made the receipt %s", receipt.blob_name)
        return True


def _blob_type(properties: BlobProperties) -> str:
    return str(getattr(properties.blob_type, "value", properties.blob_type))


@dataclass
class _ContainerScan:
    """How far the listing of one container has come."""

    container: ContainerClient
    triggers: list[BlobTrigger] = field(default_factory=list)
    last_sweep: datetime = _BEGINNING  # newest LastModified of the sweep before
    this_sweep: datetime = _BEGINNING
    continuation: str | None = None
    pending: dict[str, datetime] = field(default_factory=dict)  # found, but not enqueued yet


class BlobScanner:
    """Polls the containers of all scanned blob functions, on the one host that holds the lock."""

    def __init__(
        self,
        triggers: list[BlobTrigger],
        hosts: ContainerClient,
        host_id: str,
        queue: BlobQueue,
        lock: SingletonLock,
        poll_s: float,
    ) -> None:
        self._hosts = hosts
        self._host_id = host_id
        self._receipts = ReceiptBook(hosts, host_id, queue)
        self._lock = lock
        self._poll_s = poll_s
        self._triggers = triggers
        self._again: SimpleQueue[BlobClient] = SimpleQueue()

    def notify_again(self, blob: BlobClient) -> None:
        """Have a blob looked at by the next poll, as its content changed before it could run."""
        self._again.put(blob)

    def listen(self, stop: threading.Event) -> None:
        """Poll until told to stop or until the lock is lost. Raises AzureError at the start only."""
        scans = self._load_scans()
        while self._lock.held:
            try:
                self._poll(scans, stop)
            except AzureError as error:
                log.warning("A poll for new blobs failed and will be repeated: %s", _sentence(error))
            if stop.wait(self._poll_s):
                return

    def _load_scans(self) -> list[_ContainerScan]:
        scans: dict[tuple[str, str], _ContainerScan] = {}
        for trigger in self._triggers:
            where = (trigger.account.blobs.url, trigger.pattern.container)
            if where not in scans:
                container = trigger.account.blobs.get_container_client(trigger.pattern.container)
                scans[where] = _ContainerScan(container, last_sweep=self._read_progress(container))
            scans[where].triggers.append(trigger)
        return list(scans.values())

    def _poll(self, scans: list[_ContainerScan], stop: threading.Event) -> None:
        waiting = self._take_waiting()
        for blob in waiting:
            for scan in scans:
                if (blob.container_name, blob.account_name) == (
                    scan.container.container_name,
                    scan.container.account_name,
                ):
                    self._notify(scan, blob)
        for scan in scans:
            if stop.is_set() or not self._lock.held:
                return
            self._poll_container(scan, BLOBS_PER_POLL // len(scans), stop)

    def _take_waiting(self) -> list[BlobClient]:
        blobs: list[BlobClient] = []
        with contextlib.suppress(Empty):
            while True:
                blobs.append(self._again.get_nowait())
        return blobs

    def _poll_container(self, scan: _ContainerScan, limit: int, stop: threading.Event) -> None:
        before = scan.last_sweep
        found = self._list_page(scan, limit)
        for properties in found:
            blob = scan.container.get_blob_client(properties.name)
            # Cut short by the host's end, the rest is found again: progress is stored only after all of it.
            if stop.is_set() or not self._lock.held:
                return
            scan.pending[properties.name] = properties.last_modified
            self._notify(scan, blob)
        if scan.last_sweep > before:
            # A little earlier than the newest blob: time stamps are whole seconds, more may come in the same one.
            reached = min([scan.last_sweep, *scan.pending.values()]) - timedelta(milliseconds=1)
            self._write_progress(scan.container, reached)

    def _list_page(self, scan: _ContainerScan, limit: int) -> list[BlobProperties]:
        """One page of the listing: blobs at least as new as the newest of the last full sweep."""
        if scan.continuation is None:
            scan.this_sweep = _BEGINNING
        pages = scan.container.list_blobs(results_per_page=limit).by_page(scan.continuation)
        try:
            page = list(next(pages, iter(())))
        except ResourceNotFoundError:
            return []
        scan.continuation = getattr(pages, "continuation_token", None) or None
        found = [blob for blob in page if blob.last_modified >= scan.last_sweep]
        scan.this_sweep = max([scan.this_sweep, *(blob.last_modified for blob in page)])
        if scan.continuation is None:
            scan.last_sweep = max(scan.last_sweep, scan.this_sweep)
        return found

    def _notify(self, scan: _ContainerScan, blob: BlobClient) -> None:
        """Offer a blob to each function on its container, again at the next poll where that fails."""
        done = True
        for trigger in scan.triggers:
            try:
                done &= self._receipts.notify(trigger, blob)
            except AzureError as error:
                log.warning(
                    "Blob '%s' could not be enqueued, again at the next poll: %s",
                    blob.blob_name,
                    _sentence(error),
                )
                done = False
        if done:
            scan.pending.pop(str(blob.blob_name), None)
        else:
            self._again.put(blob)

    def _progress_blob(self, container: ContainerClient) -> BlobClient:
        path = f"blobscaninfo/{self._host_id}/{container.account_name}/{container.container_name}/scanInfo"
        return self._hosts.get_blob_client(path)

    def _read_progress(self, container: ContainerClient) -> datetime:
        try:
            document = json.loads(self._progress_blob(container).download_blob().readall())
            return datetime.fromisoformat(document["LatestScan"])
        except ResourceNotFoundError:
            return _BEGINNING
        except (ValueError, KeyError, TypeError):
            log.warning(
                "The scan progress of container '%s' is unreadable; scanning all of it",
                container.container_name,
            )
            return _BEGINNING

    def _write_progress(self, container: ContainerClient, reached: datetime) -> None:
        try:
            ensure_container(self._hosts)
            text = json.dumps({"LatestScan": reached.isoformat()})
            self._progress_blob(container).upload_blob(text, overwrite=True)
        except AzureError as error:  # then the next start scans more than it must, and finds receipts
            log.warning("Scan progress could not be stored: %s", _sentence(error))


def _sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
