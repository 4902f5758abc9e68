"""Receipts: each (function, blob, ETag) is enqueued once, whatever happens between."""

from __future__ import annotations

import contextlib
import logging

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobClient, ContainerClient

from dropml.functions_host.blob_messages import BlobMessage, BlobQueue
from dropml.functions_host.leases import ensure_container

log = logging.getLogger("Host.Triggers.Blobs")

RECEIPT_LEASE_S = 30
_COMPLETED = "Completed"


class ReceiptBook:
    """Receipts under azure-webjobs-hosts/blobreceipts: what has been enqueued is not enqueued again.

    A receipt is completed once its message is in the queue, whatever becomes of the run. A crash between the two
    enqueues again: at least once, never none.
    """

    def __init__(self, hosts: ContainerClient, host_id: str, queue: BlobQueue) -> None:
        self._hosts = hosts
        self._host_id = host_id
        self._queue = queue

    def enqueue_once(self, message: BlobMessage) -> bool:
        """Enqueue the message unless it was before; False: try again at the next poll. Raises AzureError."""
        receipt = self._hosts.get_blob_client(
            f"blobreceipts/{self._host_id}/{message.function_id}/{message.etag}/{message.container}/{message.blob}"
        )
        if not self._create_or_find_open(receipt):
            return True
        try:
            lease = receipt.acquire_lease(lease_duration=RECEIPT_LEASE_S)
        except (ResourceExistsError, ResourceNotFoundError):
            return False  # another host is at it, or somebody deleted the receipt
        try:
            if receipt.get_blob_properties().metadata.get(_COMPLETED) == "True":
                return True
            sent = self._queue.enqueue(message)
            log.info("Blob '%s' enqueued for %s (MessageId=%s)", message.blob, message.function_id, sent)
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
