"""Blob functions on the local host, with a real Azurite: found once, retried, poisoned, never lost."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from tests.conftest import StorageAccount
from tests.support.host_blobs import Blobs, enqueue, quiet, upload
from tests.support.host_harness import KEYS, RunningHost, wait_for


@pytest.fixture
def blobs(storage_account: StorageAccount, tmp_path: Path) -> Blobs:
    return Blobs(storage_account, tmp_path)


def test_new_blobs_run_once_each_with_their_own_types(blobs: Blobs) -> None:
    before = upload(blobs.incoming, "old.csv", "there before the host")
    with blobs.app.running() as host:
        blobs.wait_runs("by_client", 1)
        upload(blobs.incoming, "folder/deep.csv", "a,b\n1,2\n")  # {name} takes slashes
        upload(blobs.incoming, "other.CSV", "the pattern is case-sensitive")
        etag = upload(blobs.streams, "x.txt", "hällo", metadata={"who": "me"})
        blobs.wait_runs("by_client", 2)
        (stream,) = blobs.wait_runs("by_stream", 1)
        runs = quiet(blobs, "by_client")
        assert [(run["name"], run["content"]) for run in runs] == [
            ("old.csv", "there before the host"),
            ("folder/deep.csv", "a,b\n1,2\n"),
        ]
        container = blobs.streams.container_name
        assert stream["name"] == f"{container}/x.txt"
        assert (stream["content"], stream["length"], stream["etag"]) == ("hällo", 6, etag)
        assert stream["uri"].endswith(f"/{container}/x.txt")
        assert stream["metadata"] == {"who": "me"}
        (content,) = blobs.wait_runs("by_content", 1)
        assert (content["kind"], content["content"]) == ("bytes", "hällo"), "a bytes parameter is no stream"
        key = f"Host.Functions.by_client/{before}/{blobs.incoming.container_name}/old.csv"
        assert blobs.receipts()[key] == "True"
        assert blobs.waiting_messages() == 0
        # By hand, past receipts and queue.
        by_hand = {"input": f"{blobs.incoming.container_name}/old.csv"}
        assert (
            host.post("/admin/functions/by_client", key=str(KEYS["master"]), json=by_hand).status_code == 202
        )
        assert blobs.wait_runs("by_client", 3)[2]["name"] == "old.csv"


def test_same_etag_never_again_new_content_or_metadata_runs_again(blobs: Blobs) -> None:
    upload(blobs.incoming, "a.csv", "one")
    with blobs.app.running():
        blobs.wait_runs("by_client", 1)
        assert len(quiet(blobs, "by_client")) == 1
    with blobs.app.running():  # nor after a restart, which scans the newest blobs again
        assert len(quiet(blobs, "by_client", 1.0)) == 1
        upload(blobs.incoming, "a.csv", "two")
        blobs.wait_runs("by_client", 2)
        blobs.incoming.get_blob_client("a.csv").set_blob_metadata({"touched": "yes"})
        runs = blobs.wait_runs("by_client", 3)
        assert [run["content"] for run in runs] == ["one", "two", "two"]
        # A receipt deleted by hand, and a rescan (the newest blobs are looked at in each poll): it runs again.
        hosts = blobs.service.get_container_client("azure-webjobs-hosts")
        for name in blobs.receipts():
            hosts.delete_blob(f"blobreceipts/{blobs.host_id}/{name}")
        assert len(blobs.wait_runs("by_client", 4)) == 4


def test_renamed_function_sees_the_newest_blobs_again(blobs: Blobs) -> None:
    upload(blobs.incoming, "a.csv", "one")
    with blobs.app.running():
        blobs.wait_runs("by_client", 1)
    source = blobs.app.app / "function_app.py"
    source.write_text(source.read_text().replace("def by_client(", "def renamed("))
    with blobs.app.running():
        assert len(blobs.wait_runs("by_client", 2)) == 2
    assert {name.split("/")[0] for name in blobs.receipts()} == {
        "Host.Functions.by_client",
        "Host.Functions.renamed",
    }


def test_failing_blob_is_retried_at_once_then_poisoned(blobs: Blobs) -> None:
    with blobs.app.running():
        etag = upload(blobs.incoming, "bad.csv", "x")
        upload(blobs.incoming, "good.csv", "y")
        (body,) = wait_for(blobs.poison, what="the poison message")
        blobs.wait_runs("by_client", 4)
        runs = quiet(blobs, "by_client")
        assert [run["name"] for run in runs].count("bad.csv") == 3  # poisonBlobThreshold
        assert [run["name"] for run in runs].count("good.csv") == 1
        assert body == {
            "Type": "BlobTrigger",
            "FunctionId": "Host.Functions.by_client",
            "BlobType": "BlockBlob",
            "ContainerName": blobs.incoming.container_name,
            "BlobName": "bad.csv",
            "ETag": etag,
        }
        assert blobs.waiting_messages() == 0
        # Its receipt was complete when it was enqueued: it doesn't come back.
        assert len(quiet(blobs, "by_client")) == 4


def test_a_blob_function_that_returns_a_value_fails_as_in_azure(blobs: Blobs) -> None:
    with blobs.app.running() as host:
        upload(blobs.incoming, "returns.csv", "x")
        (body,) = wait_for(blobs.poison, what="the poison message")
        assert body["BlobName"] == "returns.csv"
        assert len(blobs.runs("by_client")) == 3
        assert "function 'by_client' without a $return binding returned a non-None value" in host.log


def test_messages_that_no_longer_fit_are_dropped(blobs: Blobs) -> None:
    with blobs.app.running() as host:
        etag = upload(blobs.incoming, "a.csv", "now")
        blobs.wait_runs("by_client", 1)
        enqueue(blobs, "gone.csv", etag)
        enqueue(blobs, "a.csv", "0xOLD")  # changed since: looked at anew, and the receipt knows it
        enqueue(blobs, "a.csv", etag, function="no_such_function")
        wait_for(lambda: blobs.waiting_messages() == 0)
        assert len(quiet(blobs, "by_client")) == 1
        assert "Blob 'gone.csv'" in host.log
        assert "has changed since its message" in host.log
        assert "no function Host.Functions.no_such_function" in host.log
        enqueue(blobs, "a.csv", etag)  # a message told twice runs twice: at least once
        assert len(blobs.wait_runs("by_client", 2)) == 2


def events(host: RunningHost, kind: str, body: Any, key: str, function: str = "by_event") -> Any:
    path = f"/runtime/webhooks/blobs?functionName=Host.Functions.{function}&code={key}"
    return host.post(path, json=body, headers={"aeg-event-type": kind})


def test_event_grid_source(blobs: Blobs) -> None:
    system = KEYS["system"]["blobs_extension"]
    etag = upload(blobs.events, "a.csv", "first")
    upload(blobs.events, "no-match.txt", "the pattern isn't looked at")
    with blobs.app.running() as host:
        handshake = [
            {"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": "42"}}
        ]
        assert events(host, "SubscriptionValidation", handshake, "wrong").status_code == 401
        assert events(host, "SubscriptionValidation", handshake, system).json() == {
            "validationResponse": "42"
        }
        assert quiet(blobs, "by_event", 0.6) == []  # it isn't scanned

        def created(name: str, etag: str) -> dict[str, Any]:
            data = {"url": f"{blobs.events.url}/{name}", "eTag": etag, "blobType": "BlockBlob"}
            return {"eventType": "Microsoft.Storage.BlobCreated", "data": data}

        assert events(host, "Notification", [created("a.csv", etag)], system).status_code == 202
        blobs.wait_runs("by_event", 1)
        assert events(host, "Notification", [created("a.csv", etag)] * 2, system).status_code == 202
        blobs.wait_runs("by_event", 3)  # no receipts: told again, run again
        upload(blobs.events, "a.csv", "second")
        events(host, "Notification", [created("a.csv", etag), created("no-match.txt", "0x1")], system)
        runs = blobs.wait_runs("by_event", 5)
        assert sorted(run["content"] for run in runs[3:]) == ["second", "the pattern isn't looked at"]
        assert events(host, "Notification", {"data": {}}, system).status_code == 400
        assert not any("by_event" in name for name in blobs.receipts())


def test_two_hosts_share_the_work_and_the_scan(blobs: Blobs) -> None:
    with blobs.app.running() as one, blobs.app.running() as two:
        for number in range(8):
            upload(blobs.incoming, f"{number}.csv", str(number))
        blobs.wait_runs("by_client", 8)
        runs = quiet(blobs, "by_client")
        assert sorted(run["name"] for run in runs) == [f"{n}.csv" for n in range(8)]
        lock = "Singleton lock acquired (WebJobs.Internal.Blobs.Listener)"
        assert sum(lock in host.log for host in (one, two)) == 1


def test_kill_mid_run_loses_nothing(storage_account: StorageAccount, tmp_path: Path) -> None:
    blobs = Blobs(storage_account, tmp_path, SLOW_SECONDS="60", DROPML_HOST_MESSAGE_LEASE_SECONDS="2")
    with blobs.app.running() as host:
        upload(blobs.incoming, "slow.csv", "x")
        blobs.wait_runs("by_client", 1)
        time.sleep(2.5)  # longer than the message's lease: it is renewed while the function runs
        assert len(blobs.runs("by_client")) == 1
        host.kill()
    blobs.app.document["Values"]["SLOW_SECONDS"] = "0"
    blobs.app.save()
    began = time.monotonic()
    with blobs.app.running():
        blobs.wait_runs("finished", 1)
        upload(blobs.incoming, "next.csv", "y")
        blobs.wait_runs("by_client", 3)
        # The dead host's lock was freed at once, not after its 15 s.
        assert time.monotonic() - began < 8


def test_stop_gives_unfinished_work_back_at_once(storage_account: StorageAccount, tmp_path: Path) -> None:
    blobs = Blobs(storage_account, tmp_path, SLOW_SECONDS="60")
    with blobs.app.running() as host:
        upload(blobs.incoming, "slow.csv", "x")
        blobs.wait_runs("by_client", 1)
        began = time.monotonic()
        assert host.stop() == 0
        assert time.monotonic() - began < 5.5
    blobs.app.document["Values"]["SLOW_SECONDS"] = "0"
    blobs.app.save()
    with blobs.app.running():  # although the message's lease is 10 minutes
        blobs.wait_runs("finished", 1)


def test_crash_around_the_enqueue_never_loses_a_blob(blobs: Blobs) -> None:
    """What a host killed between two storage calls leaves behind, put there by hand."""
    with BlobServiceClient.from_connection_string(blobs.connection_string) as service:
        hosts = service.get_container_client("azure-webjobs-hosts")
        if not hosts.exists():
            hosts.create_container()
        with QueueServiceClient.from_connection_string(blobs.connection_string) as queues:
            queues.create_queue(f"azure-webjobs-blobtrigger-{blobs.host_id}")
        for left in ("receipt", "message", "mark"):
            etag = upload(blobs.incoming, f"{left}.csv", "one")
            where = f"{etag}/{blobs.incoming.container_name}/{left}.csv"
            receipt = hosts.get_blob_client(f"blobreceipts/{blobs.host_id}/Host.Functions.by_client/{where}")
            receipt.upload_blob(b"", overwrite=True)  # made, not complete, its lease run out
            if left in ("message", "mark"):
                enqueue(blobs, f"{left}.csv", etag)
            if left == "mark":
                receipt.set_blob_metadata({"Completed": "True"})
    with blobs.app.running():
        blobs.wait_runs("by_client", 4)
        names = [run["name"] for run in quiet(blobs, "by_client")]
        # Once each, but twice where the crash came between the message and its mark.
        assert {name: names.count(name) for name in names} == {
            "receipt.csv": 1,
            "message.csv": 2,
            "mark.csv": 1,
        }
