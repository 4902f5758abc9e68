"""Singleton locks: blob leases that at most one host holds, renewed while it lives."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
import uuid
from typing import Any

import psutil
from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobLeaseClient, ContainerClient

from dropml.common import family

log = logging.getLogger("Host.Singleton")

HOSTS_CONTAINER = "azure-webjobs-hosts"
_OWNER = "FunctionInstance"
_LEASE = "LeaseId"


def instance_id() -> str:
    """Names this process so that another host on this machine can tell when it is dead."""
    return f"{_machine()}/{os.getpid()}/{family.started(psutil.Process()):.2f}/{uuid.uuid4().hex[:8]}"


def _machine() -> str:
    return socket.gethostname().encode("ascii", "replace").decode()


def owner_is_dead(owner: str) -> bool:
    """True if the owner was a process of this machine that is gone. False when in doubt."""
    try:
        machine, pid, created, _ = owner.split("/")
        if machine != _machine():
            return False
        return not family.is_same(psutil.Process(int(pid)), float(created))
    except psutil.NoSuchProcess:
        return True
    except (ValueError, psutil.Error):
        return False


def ensure_container(container: ContainerClient) -> None:
    """Create the container if it is missing."""
    with contextlib.suppress(ResourceExistsError):
        container.create_container()


#: Of a lease, kept for renewals that fail: they are tried again every second.
SPARE_SECONDS = 12


class SingletonLock:
    """A lease on `azure-webjobs-hosts/locks/{host id}/{name}`.

    `held` is judged from before the request that renewed it, so it never outlasts the lease itself: by the monotonic
    clock, which nobody sets, and by the wall clock, which goes on while a machine sleeps. Either may end it.
    """

    def __init__(
        self,
        hosts: ContainerClient,
        host_id: str,
        name: str,
        instance: str,
        seconds: int,
        renew_every_s: float | None = None,
    ) -> None:
        self.name = name
        self._hosts = hosts
        self._blob = hosts.get_blob_client(f"locks/{host_id}/{name}")
        self._instance = instance
        self._seconds = seconds
        self._every_s = renew_every_s or max(seconds / 2, seconds - SPARE_SECONDS)
        self._lease: BlobLeaseClient | None = None
        self._valid_until = self._valid_until_by_wall = 0.0
        self._stop_renewal = threading.Event()

    @property
    def held(self) -> bool:
        return (
            self._lease is not None
            and time.monotonic() < self._valid_until
            and time.time() < self._valid_until_by_wall
        )

    def _extend(self, asked: float, asked_by_wall: float) -> None:
        self._valid_until = asked + self._seconds
        self._valid_until_by_wall = asked_by_wall + self._seconds

    def try_acquire(self) -> bool:
        """Take the lease if it is free; False if another host holds it. Raises AzureError if storage fails."""
        asked, asked_by_wall = time.monotonic(), time.time()
        try:
            lease: Any = self._blob.acquire_lease(lease_duration=self._seconds, timeout=10, read_timeout=10)
        except ResourceNotFoundError:
            ensure_container(self._hosts)
            with contextlib.suppress(ResourceExistsError, HttpResponseError):
                self._blob.upload_blob(b"", overwrite=False)
            return self.try_acquire()
        except ResourceExistsError:
            return self._free_if_dead() and self.try_acquire()
        self._lease = lease
        self._extend(asked, asked_by_wall)
        with contextlib.suppress(AzureError):  # only tells others who holds it
            self._blob.set_blob_metadata({_OWNER: self._instance, _LEASE: lease.id}, lease=lease)
        self._stop_renewal = threading.Event()
        threading.Thread(target=self._renew, args=(self._stop_renewal,), daemon=True).start()
        log.info("Singleton lock acquired (%s)", self.name)
        return True

    def _free_if_dead(self) -> bool:
        """A host killed on this machine leaves its lease behind: free it at once instead of waiting it out.

        Released by the dead owner's own lease id, so that nobody who took it meanwhile can lose it.
        """
        metadata = self._blob.get_blob_properties().metadata or {}
        if not owner_is_dead(metadata.get(_OWNER, "")):
            return False
        try:
            BlobLeaseClient(self._blob, lease_id=metadata.get(_LEASE, "")).release(
                timeout=10, read_timeout=10
            )
        except ResourceExistsError:
            return False
        log.info("Singleton lock %s was held by a process that is gone; freed", self.name)
        return True

    def _until_renewal(self) -> float:
        """Seconds until the next moment at which every lock of this machine is renewed.

        All at once, because the storage emulator writes its whole state down within five seconds of any change.
        """
        return self._every_s - time.monotonic() % self._every_s

    def _renew(self, stop: threading.Event) -> None:
        lease, pause = self._lease, self._until_renewal()
        while lease is not None and not stop.wait(pause):
            asked, asked_by_wall = time.monotonic(), time.time()
            try:
                lease.renew(timeout=10, read_timeout=10)
                self._extend(asked, asked_by_wall)
                pause = self._until_renewal()
            except (ResourceExistsError, ResourceNotFoundError) as error:
                log.warning("Singleton lock lost (%s): %s", self.name, error.reason or type(error).__name__)
                self._valid_until = 0.0
                return
            except AzureError as error:
                pause = 1.0  # tried again until it runs out by itself
                log.warning("Singleton lock %s could not be renewed: %s", self.name, type(error).__name__)
            except Exception:
                pause = 1.0
                log.exception("Singleton lock %s could not be renewed", self.name)
            if time.monotonic() > self._valid_until:
                return

    def release(self) -> None:
        """Give the lease back; one that is lost already is none of our business."""
        self._stop_renewal.set()
        lease, self._lease = self._lease, None
        if lease is not None:
            with contextlib.suppress(AzureError):
                lease.release(timeout=3)
            log.info("Singleton lock released (%s)", self.name)
