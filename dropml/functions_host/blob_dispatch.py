"""Take messages off the blob trigger queue and run their functions: retries at once, then the poison queue."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import BlobClient
from azure.storage.queue import QueueMessage

from dropml.functions_host.bindings import blob_value
from dropml.functions_host.blob_messages import POISON_QUEUE, BlobMessage, BlobQueue, send
from dropml.functions_host.blob_paths import can_be_asked_for
from dropml.functions_host.blob_scan import BlobTrigger
from dropml.functions_host.connections import StorageAccount, queue_client
from dropml.functions_host.invocation import Invoker, WorkerEndedError

log = logging.getLogger("Host.Triggers.Blobs")

_BATCH = 32  # the most that one request may take off a queue
_POLLS_S = (0.1, 2.0)  # shortest and longest wait while the queue is empty


class _Lease:
    """A message taken off the queue, hidden from others while it is worked on."""

    def __init__(self, queue: Any, message: QueueMessage, seconds: float) -> None:
        self._queue = queue
        self._message = message
        self._seconds = seconds
        self._lock = threading.Lock()
        self._done = threading.Event()
        threading.Thread(target=self._renew, daemon=True).start()

    def _renew(self) -> None:
        while not self._done.wait(self._seconds / 2):
            try:
                self._prolong()
            except AzureError as error:  # once more before it runs out
                log.warning("Message %s was not prolonged: %s", self._message.id, type(error).__name__)
            except Exception:
                log.exception("Message %s was not prolonged", self._message.id)

    def _prolong(self) -> None:
        with self._lock:
            if not self._done.is_set():
                self._message = self._queue.update_message(
                    self._message, visibility_timeout=int(self._seconds)
                )

    def delete(self) -> None:
        self._finish(lambda: self._queue.delete_message(self._message))

    def release(self) -> None:
        """Give it back, to be taken again at once."""
        self._finish(lambda: self._queue.update_message(self._message, visibility_timeout=0))

    def _finish(self, action: Callable[[], Any]) -> None:
        with self._lock:
            if self._done.is_set():
                return
            self._done.set()
            try:
                action()
            except AzureError as error:  # it comes back by itself when its time is up
                log.warning("Message %s could not be settled: %s", self._message.id, type(error).__name__)


class BlobDispatcher:
    """The queue listener of one host; every host on the storage account has one."""

    def __init__(
        self,
        triggers: Sequence[BlobTrigger],
        host_account: StorageAccount,
        queue: BlobQueue,
        invoker: Invoker,
        changed: Callable[[BlobClient], None],
        *,
        parallel: int,
        poison_after: int,
        lease_s: float,
    ) -> None:
        self._triggers = {trigger.function.id: trigger for trigger in triggers}
        self._host_account = host_account
        self._queue = queue
        self._invoker = invoker
        self._changed = changed
        self._parallel = parallel
        self._poison_after = poison_after
        self._lease_s = lease_s
        self._pool = ThreadPoolExecutor(parallel, "blob")
        self._busy = threading.Semaphore(parallel)
        self._stop = threading.Event()

    def listen(self, stop: threading.Event) -> None:
        """Take and run messages until told to stop."""
        self._stop = stop
        pause = _POLLS_S[0]
        while not stop.is_set():
            try:
                taken = self._take_batch()
            except Exception:  # whatever it was, the queue is looked at again
                log.exception("The blob trigger queue could not be worked off; trying again")
                taken = 0
            if taken:
                pause = _POLLS_S[0]
                continue
            self._queue.arrived.wait(pause)
            self._queue.arrived.clear()
            pause = min(pause * 1.5, _POLLS_S[1])

    def _take_batch(self) -> int:
        free = self._reserve()
        taken = 0
        try:
            for message in self._receive(free):
                self._pool.submit(self._work, message)
                taken += 1
        finally:
            for _ in range(free - taken):
                self._busy.release()
        return taken

    def _reserve(self) -> int:
        """Claim every free slot, waiting a little for the first."""
        free = 1 if self._busy.acquire(timeout=0.5) else 0
        while 0 < free < _BATCH and self._busy.acquire(blocking=False):
            free += 1
        return free

    def _receive(self, count: int) -> list[QueueMessage]:
        if not count or self._stop.is_set():
            return []
        try:
            messages = self._queue.client.receive_messages(
                messages_per_page=count, visibility_timeout=int(self._lease_s)
            )
            return list(next(messages.by_page(), ()))
        except ResourceNotFoundError:
            with contextlib.suppress(AzureError):
                self._queue.client.create_queue()
        except AzureError as error:
            log.warning("The blob trigger queue cannot be read: %s", type(error).__name__)
            self._stop.wait(_POLLS_S[1])
        return []

    def _work(self, message: QueueMessage) -> None:
        try:
            self._settle(message)
        except WorkerEndedError:
            log.debug("message %s is given back by the host's end", message.id)
        except Exception:
            log.exception(
                "Message %s could not be handled; it comes back when its lease runs out", message.id
            )
        finally:
            self._busy.release()
            self._queue.arrived.set()  # a released message may be taken at once

    def _settle(self, message: QueueMessage) -> None:
        lease = _Lease(self._queue.client, message, self._lease_s)
        attempts = int(message.dequeue_count or 1)
        if attempts > self._poison_after:  # hosts died under it more often than it may fail
            self._poison(message, lease, attempts)
        elif self._execute(message, lease, attempts):
            lease.delete()
        elif attempts < self._poison_after:
            lease.release()
        else:
            self._poison(message, lease, attempts)

    def _execute(self, message: QueueMessage, lease: _Lease, attempts: int) -> bool:
        """True if the message has done its work and can go."""
        try:
            content = BlobMessage.from_json(message.content)
        except ValueError as error:
            log.error("Message %s: %s", message.id, error)
            return False
        trigger = self._triggers.get(content.function_id)
        if trigger is None:
            log.info(
                "Blob '%s': there is no function %s any more; dropped", content.blob, content.function_id
            )
            return True
        if not can_be_asked_for(content.blob):
            log.error("Blob '%s/%s': no client can ask for a name like that", content.container, content.blob)
            return False
        blob = trigger.account.blobs.get_blob_client(content.container, content.blob)
        try:
            properties = blob.get_blob_properties()
        except ResourceNotFoundError:
            log.info("Blob '%s' of message %s is gone; dropped", content.blob, message.id)
            return True
        except AzureError as error:
            log.warning("Blob '%s' cannot be read: %s", content.blob, type(error).__name__)
            self._stop.wait(1)
            return False
        if not trigger.event_grid and content.etag.strip('"') != str(properties.etag).strip('"'):
            log.info("Blob '%s' has changed since its message; looking at it anew", content.blob)
            self._changed(blob)
            return True
        names = trigger.pattern.match(content.container, content.blob) or {}
        return self._invoker.run(
            trigger.function,
            lambda: blob_value(trigger.function, trigger.account.connection, blob, properties, names),
            f"New blob detected({'EventGrid' if trigger.event_grid else 'LogsAndContainerScan'}):"
            f" {content.container}/{content.blob}, attempt {attempts}",
            stop=self._stop,
            abandon=lambda: self._abandon(message, lease, attempts),
        )

    def _abandon(self, message: QueueMessage, lease: _Lease, attempts: int) -> None:
        """The host ends while the function runs: after a time-out that run has failed; otherwise it is run again."""
        if attempts >= self._poison_after and not self._stop.is_set():
            self._poison(message, lease, attempts)
        else:
            lease.release()

    def _poison(self, message: QueueMessage, lease: _Lease, attempts: int) -> None:
        """Copy to the poison queue beside the blobs, then delete: a crash between leaves two, never none."""
        trigger, what = None, f"message {message.id}"
        with contextlib.suppress(ValueError):
            content = BlobMessage.from_json(message.content)
            trigger, what = self._triggers.get(content.function_id), f"{content.container}/{content.blob}"
        account = trigger.account if trigger else self._host_account
        try:
            send(queue_client(account, POISON_QUEUE), message.content)
        except AzureError as error:
            log.error(
                "Message %s could not be moved to '%s': %s", message.id, POISON_QUEUE, type(error).__name__
            )
            lease.release()
            return
        log.error(
            "Message has reached MaxDequeueCount of %d (%d). Moved to '%s': %s",
            self._poison_after,
            attempts,
            POISON_QUEUE,
            what,
        )
        lease.delete()
