"""Blob names that break listings, URLs and terminals: each runs or is told in one line, and hides no other."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from azure.core.exceptions import AzureError, HttpResponseError

from dropml.functions_host.blob_listing import list_page
from dropml.functions_host.blob_messages import POISON_QUEUE
from dropml.functions_host.blob_paths import can_be_asked_for
from dropml.functions_host.blob_scan import _ContainerScan
from dropml.functions_host.blob_walk import Unlistable
from dropml.functions_host.log import LineFormatter
from tests.conftest import StorageAccount
from tests.support.host_blobs import Blobs, enqueue, upload
from tests.support.host_harness import wait_for

BAD = ["m\x00l.csv", "\x1b[31mred.csv", "a/\ufffe.csv", "b\uffff.csv", "zz\x01", "m\x00l.csv.csv"]
GOOD = [" ", "a.csv", "a/b.csv", "m.csv", "mm.csv", "z.csv", "zz\t", "zzz.csv", "n", "\U0001f389.csv"]


def test_names_that_the_listing_fails_at_hide_no_other(storage_account: StorageAccount) -> None:
    container = storage_account.container("names")
    for name in [*BAD, *GOOD]:
        container.upload_blob(name, name.encode())
    with pytest.raises(HttpResponseError):
        list(container.list_blobs(retry_total=0))
    known, seen = Unlistable(), {}

    def look() -> bool:
        marker = None
        while True:
            page = list_page(container, 4, marker, known)
            seen.update({blob.name: blob for blob in page.blobs})
            marker = page.continuation
            if marker is None:
                return sorted(seen) == sorted(GOOD)

    wait_for(look, timeout=90, what="every good name")
    assert all(blob.etag and blob.blob_type == "BlockBlob" for blob in seen.values())
    assert known.told


def test_the_search_finds_any_name_by_asking_what_comes_after() -> None:
    def units(text: str) -> bytes:
        return text.encode("utf-16-be")

    source = random.Random(5)
    for _ in range(40):
        start = "".join(source.choices("\ta/.\ud7ff\ue000\U0001f389\U0010ffff", k=source.randint(1, 8)))
        name = start + source.choice("\x00\x0b\x1b\ufffe\uffff") + "x"
        known = Unlistable()
        following = known.behind("", lambda text, name=name: units(text) < units(name))  # type: ignore[misc]
        assert known.told <= {start, start[:-1]}  # U+FFFE comes after all that can be asked for
        assert following is None or units(following) > units(name)
        assert following is None or len(following) <= len(start) + 1, "and nothing good between them"


def test_a_listing_that_fails_everywhere_is_no_empty_one() -> None:
    with pytest.raises(AzureError, match="the service is at fault"):
        Unlistable().behind("", lambda _: True)


@pytest.mark.parametrize(
    ("name", "reachable"),
    [("a.csv", True), ("..a/b..csv", True), ("a/../b.csv", False), ("./a.csv", False), ("a/..", False)],
)
def test_names_that_clients_fold_away(name: str, reachable: bool) -> None:
    assert can_be_asked_for(name) == reachable


def test_a_name_in_the_log_does_not_steer_the_terminal() -> None:
    record = logging.LogRecord("x", logging.INFO, "x", 1, "Blob '%s'", ("a\x1b]0;\u202e\x00\n.csv",), None)
    line = LineFormatter().format(record)
    assert line.endswith(r"Blob 'a\x1b]0;\u202e\x00\n.csv'")
    assert line.isprintable()


def test_blobs_are_found_after_the_services_clock_was_set_back(storage_account: StorageAccount) -> None:
    scan = _ContainerScan(storage_account.container("clock"))
    scan.container.upload_blob("a.csv", b"1")
    (found,) = list_page(scan.container, 10, None).blobs
    ahead = replace(found, name="before.csv", last_modified=found.last_modified + timedelta(minutes=10))
    assert scan.take([ahead], last=True) == [ahead]
    scan.settle(ahead)
    assert scan.take([found], last=True) == []
    page = list_page(scan.container, 10, None)
    assert page.now is not None
    scan.keep_up_with(page.now)
    assert scan.take(page.blobs, last=True) == [found]


def test_every_name_runs_or_is_told_and_no_message_stays(
    storage_account: StorageAccount, tmp_path: Path
) -> None:
    blobs = Blobs(storage_account, tmp_path)
    for name in ("one\x00.csv", "two\x1b.csv", "three.csv"):
        upload(blobs.incoming, name, "x")
    upload(blobs.incoming, "back\\..\\slash.csv", "x")  # the service makes back/../slash.csv of it
    with blobs.app.running() as host:
        blobs.wait_runs("by_client", 1)
        assert [run["name"] for run in blobs.runs("by_client")] == ["three.csv"]
        wait_for(lambda: "is passed over" in host.log, what="the line")
        time.sleep(3)
        assert host.log.count("is passed over") == 1
        assert host.log.count("Blobs are passed over") == 2
        assert blobs.waiting_messages() == 0
        # Somebody's event about such a name ends, too, with the name in the log.
        enqueue(blobs, "a/../b.csv", "0x1")
        wait_for(lambda: f"Moved to '{POISON_QUEUE}'" in host.log, what="its end")
        assert "a/../b.csv" in next(line for line in host.lines if "Moved to" in line)
        upload(blobs.incoming, "after.csv", "x")
        blobs.wait_runs("by_client", 2)
