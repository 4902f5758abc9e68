"""Hosts that are killed at random, functions that never end: longer than the default run allows."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.conftest import StorageAccount
from tests.support.host_blobs import Blobs, upload
from tests.support.host_harness import wait_for


@pytest.mark.slow
def test_hosts_killed_at_random_lose_no_blob(storage_account: StorageAccount, tmp_path: Path) -> None:
    blobs = Blobs(storage_account, tmp_path, DROPML_HOST_MESSAGE_LEASE_SECONDS="1")
    (blobs.app.app / "host.json").write_text(
        '{"version": "2.0", "extensions": {"blobs": {"poisonBlobThreshold": 99}}}'
    )
    dice = random.Random(5)
    names = [f"{number}.csv" for number in range(60)]
    waiting = iter(names)
    for _ in range(12):
        with blobs.app.running() as host:
            ends = time.monotonic() + dice.uniform(0.1, 1.0)
            while time.monotonic() < ends:
                if name := next(waiting, None):
                    upload(blobs.incoming, name, name)
            host.kill()
    for name in waiting:
        upload(blobs.incoming, name, name)
    with blobs.app.running():
        wait_for(lambda: {run["name"] for run in blobs.runs("by_client")} == set(names), timeout=30)
        wait_for(lambda: blobs.waiting_messages() == 0, timeout=30)
    assert blobs.poison() == []


@pytest.mark.slow
def test_blob_function_over_its_time_fails_and_is_poisoned_in_the_end(
    storage_account: StorageAccount, tmp_path: Path
) -> None:
    blobs = Blobs(storage_account, tmp_path, SLOW_SECONDS="60")
    (blobs.app.app / "host.json").write_text(
        '{"version": "2.0", "functionTimeout": "00:00:01", "extensions": {"blobs": {"poisonBlobThreshold": 2}}}'
    )
    with blobs.app.running() as host:
        upload(blobs.incoming, "slow.csv", "x")
        (body,) = wait_for(blobs.poison, timeout=30, what="the poison message")
        assert body["BlobName"] == "slow.csv"
        assert len(blobs.runs("by_client")) == 2
        assert host.log.count("Timeout value of 1 s exceeded") == 2
        assert host.process.poll() is None
