"""Locks between hosts: real leases on a real Azurite."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from azure.storage.blob import BlobLeaseClient

from dropml.functions_host.leases import SingletonLock, instance_id, owner_is_dead
from tests.conftest import StorageAccount
from tests.support.host_harness import REPOSITORY, wait_for


def lock(account: StorageAccount, name: str = "x", **options: float) -> SingletonLock:
    hosts = account.service.get_container_client(account.name("hosts"))
    return SingletonLock(hosts, "app", name, instance_id(), 15, **options)


def test_one_holder_at_a_time_and_names_are_apart(storage_account: StorageAccount) -> None:
    first, second = lock(storage_account), lock(storage_account)
    assert first.try_acquire()
    assert first.held
    assert not second.try_acquire()
    assert not second.held
    other = lock(storage_account, "y")
    assert other.try_acquire()
    first.release()
    assert not first.held
    assert second.try_acquire()
    second.release()
    other.release()


def test_lock_taken_away_is_noticed_at_the_next_renewal(storage_account: StorageAccount) -> None:
    mine = lock(storage_account, renew_every_s=0.1)
    assert mine.try_acquire()
    blob = storage_account.service.get_blob_client(storage_account.name("hosts"), "locks/app/x")
    BlobLeaseClient(blob).break_lease(lease_break_period=0)
    thief = lock(storage_account)
    assert thief.try_acquire()
    wait_for(lambda: not mine.held, timeout=5)
    mine.release()  # gives back nothing that belongs to the other
    assert not lock(storage_account).try_acquire()
    thief.release()


def test_a_machine_that_slept_trusts_no_lease_from_before(
    storage_account: StorageAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = lock(storage_account)
    assert mine.try_acquire()
    now = time.time
    with monkeypatch.context() as asleep:  # the monotonic clock stands still while a machine sleeps
        asleep.setattr(time, "time", lambda: now() + 3600)
        assert not mine.held
        mine.release()
        assert mine.try_acquire()
        assert mine.held
    assert mine.held, "set back, the monotonic clock holds"
    mine.release()


def test_lock_that_cannot_be_renewed_ends_with_its_lease(
    storage_account: StorageAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = lock(storage_account, renew_every_s=1000)
    assert mine.try_acquire()
    real = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + 14)
    assert mine.held
    monkeypatch.setattr(time, "monotonic", lambda: real() + 15)
    assert not mine.held
    monkeypatch.undo()
    mine.release()


def test_lock_of_a_killed_process_is_free_at_once(storage_account: StorageAccount) -> None:
    code = f"""
import os
from azure.storage.blob import BlobServiceClient
from dropml.functions_host.leases import SingletonLock, instance_id
service = BlobServiceClient.from_connection_string(os.environ["STORAGE"])
hosts = service.get_container_client("{storage_account.name("hosts")}")
assert SingletonLock(hosts, "app", "x", instance_id(), 60).try_acquire()
os.kill(os.getpid(), 9)
"""
    env = os.environ | {"STORAGE": storage_account.connection_string, "PYTHONPATH": str(REPOSITORY)}
    assert subprocess.run([sys.executable, "-c", code], check=False, env=env, timeout=30).returncode == -9
    mine = lock(storage_account)
    assert mine.try_acquire()
    mine.release()


def test_only_a_process_that_is_surely_gone_is_dead() -> None:
    machine, pid, created, tail = instance_id().split("/")
    assert not owner_is_dead(f"{machine}/{pid}/{created}/{tail}")
    assert owner_is_dead(f"{machine}/{pid}/{float(created) - 100}/{tail}")  # its pid is another's now
    assert not owner_is_dead(f"elsewhere/{pid}/{float(created) - 100}/{tail}")
    assert not owner_is_dead("")
