"""Find new blobs by listing containers.

Mirrors source LogsAndContainerScan of the storage extension (without $logs, which the storage emulator doesn't
write): https://github.com/Azure/azure-sdk-for-net, Microsoft.Azure.WebJobs.Extensions.Storage.Blobs, Listeners.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import BlobClient, ContainerClient

from dropml.functions_host.blob_listing import ListedBlob, list_page
from dropml.functions_host.blob_messages import BlobMessage, BlobQueue
from dropml.functions_host.blob_paths import BlobPathPattern, can_be_asked_for
from dropml.functions_host.blob_walk import Unlistable
from dropml.functions_host.connections import StorageAccount
from dropml.functions_host.indexing import FunctionDefinition
from dropml.functions_host.leases import SingletonLock, ensure_container
from dropml.functions_host.receipts import ReceiptBook

log = logging.getLogger("Host.Triggers.Blobs")

BLOBS_PER_POLL = 10_000  # shared by all containers
#: A poll rests so many times the processor time that its listing took: one percent of one processor, however many
#: blobs there are; but never longer than the real host does between two polls.
REST, LONGEST_REST_S = 100.0, 10.0
#: How far a blob may be ahead of its service's clock, and how far before it everything is looked at again then.
SET_BACK, LOOK_BACK = timedelta(seconds=2), timedelta(minutes=5)
MOST_TOLD = 10_000  # names remembered as told
_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class BlobTrigger:
    """A blob function with where its blobs lie."""

    function: FunctionDefinition
    pattern: BlobPathPattern
    account: StorageAccount
    event_grid: bool


@dataclass
class _ContainerScan:
    """How far the listing of one container has come."""

    container: ContainerClient
    triggers: list[BlobTrigger] = field(default_factory=list)
    last_sweep: datetime = _BEGINNING  # newest LastModified of the sweep before
    this_sweep: datetime = _BEGINNING
    continuation: str | None = None
    pending: dict[str, datetime] = field(default_factory=dict)  # found, but not enqueued yet
    settled: dict[str, ListedBlob] = field(
        default_factory=dict
    )  # as new as the newest, with all their receipts
    turn: int = 0
    unlistable: Unlistable = field(default_factory=Unlistable)
    told: set[str] = field(default_factory=set)  # names that no client can ask for, each told once

    def take(self, page: list[ListedBlob], *, last: bool) -> list[ListedBlob]:
        """Note a page of the listing; what of it has to be looked at.

        That is what is as new as the newest of the last full sweep, for more may come within its second. Of those
        that have been settled one is looked at again each time, in turn, for its receipt may have been deleted.
        """
        found = [blob for blob in page if blob.last_modified >= self.last_sweep]
        self.this_sweep = max([self.this_sweep, *(blob.last_modified for blob in page)])
        again = list(self.settled)
        if again:
            self.turn = (self.turn + 1) % len(again)
            del self.settled[again[self.turn]]
        fresh = [blob for blob in found if blob != self.settled.get(blob.name)]
        if last:
            self.last_sweep, self.this_sweep = max(self.last_sweep, self.this_sweep), _BEGINNING
            newest = self.last_sweep
            self.settled = {n: blob for n, blob in self.settled.items() if blob.last_modified >= newest}
        return fresh

    def keep_up_with(self, now: datetime) -> None:
        """Where the service's clock was set back, blobs of now are older than the newest of before: look at them all."""
        if self.last_sweep > now + SET_BACK:
            log.warning(
                "The storage's clock was set back: it was %s and is %s", self.last_sweep, now.isoformat()
            )
            self.last_sweep, self.this_sweep = now - LOOK_BACK, _BEGINNING

    def settle(self, blob: ListedBlob) -> None:
        self.pending.pop(blob.name, None)
        self.settled[blob.name] = blob


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
        self._listing_s = 0.0  # processor time of the last poll's listings

    def notify_again(self, blob: BlobClient) -> None:
        """Have a blob looked at by the next poll, as its content changed before it could run."""
        self._again.put(blob)

    def listen(self, stop: threading.Event) -> None:
        """Poll until told to stop or until the lock is lost. Raises AzureError at the start only."""
        scans = self._load_scans()
        while self._lock.held:
            self._listing_s = 0.0
            try:
                self._poll(scans, stop)
            except AzureError as error:
                log.warning("A poll for new blobs failed and will be repeated: %s", _sentence(error))
            except Exception:  # whatever it was, the next poll may do
                log.exception("A poll for new blobs failed and will be repeated")
            if stop.wait(max(self._poll_s, min(LONGEST_REST_S, REST * self._listing_s))):
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
        for blob in self._take_waiting():
            for scan in scans:
                if (blob.container_name, blob.account_name) == (
                    scan.container.container_name,
                    scan.container.account_name,
                ):
                    self._offer_anew(scan, blob)
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
        before, began = scan.last_sweep, time.thread_time()
        page = list_page(scan.container, limit, scan.continuation, scan.unlistable)
        scan.continuation = page.continuation
        if page.now is not None:
            scan.keep_up_with(page.now)
        found = scan.take(page.blobs, last=page.continuation is None)
        self._listing_s += time.thread_time() - began
        for blob in found:
            # Cut short by the host's end, the rest is found again: progress is stored only after all of it.
            if stop.is_set() or not self._lock.held:
                return
            scan.pending[blob.name] = blob.last_modified
            self._offer(scan, blob)
        if scan.last_sweep > before:
            # A little earlier than the newest blob: time stamps are whole seconds, more may come in the same one.
            reached = min([scan.last_sweep, *scan.pending.values()]) - timedelta(milliseconds=1)
            self._write_progress(scan.container, reached)

    def _offer_anew(self, scan: _ContainerScan, blob: BlobClient) -> None:
        """Offer what the blob is now; nothing if it is gone."""
        try:
            found = blob.get_blob_properties()
        except ResourceNotFoundError:
            scan.pending.pop(str(blob.blob_name), None)
            return
        except AzureError as error:
            log.warning(
                "Blob '%s' could not be read, again at the next poll: %s", blob.blob_name, _sentence(error)
            )
            self._again.put(blob)
            return
        kind = str(getattr(found.blob_type, "value", found.blob_type))
        name, etag = str(blob.blob_name), str(found.etag).strip('"')
        self._offer(scan, ListedBlob(name, etag, found.last_modified, kind))

    def _offer(self, scan: _ContainerScan, blob: ListedBlob) -> None:
        """Offer a blob to each function on its container, again at the next poll where that fails."""
        container = str(scan.container.container_name)
        if not can_be_asked_for(blob.name):
            self._pass_over(scan, blob)
            return
        done = True
        for trigger in scan.triggers:
            if trigger.pattern.match(container, blob.name) is None:
                continue
            message = BlobMessage(trigger.function.id, container, blob.name, blob.etag, blob.blob_type)
            try:
                done &= self._receipts.enqueue_once(message)
            except AzureError as error:
                log.warning(
                    "Blob '%s' could not be enqueued, again at the next poll: %s", blob.name, _sentence(error)
                )
                done = False
            except Exception:  # one blob's fault is that blob's alone
                log.exception("Blob '%s' could not be enqueued, again at the next poll", blob.name)
                done = False
        if done:
            scan.settle(blob)
        else:
            self._again.put(scan.container.get_blob_client(blob.name))

    @staticmethod
    def _pass_over(scan: _ContainerScan, blob: ListedBlob) -> None:
        if blob.name not in scan.told and len(scan.told) < MOST_TOLD:
            scan.told.add(blob.name)
            log.error(
                "Blob '%s' is passed over: no client can ask for a name with '.' or '..' between slashes;"
                " upload it under another one",
                blob.name,
            )
        scan.settle(blob)

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
