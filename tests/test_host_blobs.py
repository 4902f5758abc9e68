"""Blob functions on the local host, with a real Azurite: found once, retried, poisoned, never lost."""

from __future__ import annotations

import base64
import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, ContainerClient
from azure.storage.queue import QueueServiceClient

from tests.conftest import StorageAccount
from tests.host_harness import KEYS, AppFolder, RunningHost, wait_for

# Each run writes one blob into the journal container: {function}/{run's number}.
APP = """
import json
import os
import time
import uuid

import azure.functions as func
import azurefunctions.extensions.bindings.blob as blob
from azure.storage.blob import BlobServiceClient

app = func.FunctionApp()
journal = BlobServiceClient.from_connection_string(os.environ["AzureWebJobsStorage"]).get_container_client(
    os.environ["JOURNAL"]
)


def note(function, **facts):
    journal.upload_blob(f"{function}/{time.time_ns()}-{uuid.uuid4().hex[:4]}", json.dumps(facts))


@app.blob_trigger(arg_name="client", path="%INCOMING%/{name}.csv", connection="AzureWebJobsStorage")
def by_client(client: blob.BlobClient, context: func.Context):
    properties = client.get_blob_properties()
    note("by_client", name=client.blob_name, size=properties.size, content=client.download_blob().readall().decode())
    if client.blob_name.startswith("bad"):
        raise ValueError("this blob is bad")
    if client.blob_name.startswith("slow"):
        time.sleep(float(os.environ.get("SLOW_SECONDS", "0")))
        note("finished", name=client.blob_name)


@app.blob_trigger(arg_name="stream", path="%STREAMS%", connection="Other")
async def by_stream(stream: func.InputStream):
    note("by_stream", name=stream.name, length=stream.length, content=stream.read().decode(), uri=stream.uri,
         etag=stream.blob_properties["ETag"], metadata=stream.metadata)


@app.blob_trigger(arg_name="client", path="%EVENTS%/{name}.csv", connection="AzureWebJobsStorage", source="EventGrid")
def by_event(client: blob.BlobClient):
    note("by_event", name=client.blob_name, content=client.download_blob().readall().decode())
"""


class Blobs:
    """A blob app of one test with its containers, on the shared Azurite."""

    def __init__(self, account: StorageAccount, folder: Path, **settings: str) -> None:
        self.incoming = account.container("incoming")
        self.streams = account.container("streams")
        self.events = account.container("events")
        self.journal = account.container("journal")
        self.service = account.service
        self.host_id = account.name("blobs")
        self.connection_string = account.connection_string
        names = {
            "AzureWebJobsStorage": account.connection_string,
            "AzureWebJobsOther": account.connection_string,  # connection="Other" finds it under this name too
            "AzureFunctionsWebHost__hostid": self.host_id,
            "DROPML_HOST_BLOB_POLL_SECONDS": "0.2",
            "DROPML_HOST_LEASE_SECONDS": "15",
            "INCOMING": str(self.incoming.container_name),
            "STREAMS": str(self.streams.container_name),
            "EVENTS": str(self.events.container_name),
            "JOURNAL": str(self.journal.container_name),
        }
        self.app = AppFolder(
            folder,
            APP,
            settings=names | settings,
            host_json={"extensions": {"blobs": {"poisonBlobThreshold": 3, "maxDegreeOfParallelism": 2}}},
        )

    def runs(self, function: str) -> list[dict[str, Any]]:
        """What the runs of a function noted, in their order."""
        names = sorted(blob.name for blob in self.journal.list_blobs(name_starts_with=function + "/"))
        return [json.loads(self.journal.download_blob(name).readall()) for name in names]

    def wait_runs(self, function: str, count: int) -> list[dict[str, Any]]:
        return wait_for(
            lambda: (found := self.runs(function)) and len(found) >= count and found,
            what=f"run {count} of {function}",
        )

    def receipts(self) -> dict[str, str]:
        hosts = self.service.get_container_client("azure-webjobs-hosts")
        prefix = f"blobreceipts/{self.host_id}/"
        found = hosts.list_blobs(name_starts_with=prefix, include=["metadata"])
        return {blob.name.removeprefix(prefix): blob.metadata.get("Completed", "") for blob in found}

    def waiting_messages(self) -> int:
        with QueueServiceClient.from_connection_string(self.connection_string) as queues:
            queue = queues.get_queue_client(f"azure-webjobs-blobtrigger-{self.host_id}")
            return int(queue.get_queue_properties().approximate_message_count)

    def poison(self) -> list[dict[str, Any]]:
        """Poison messages about this test's blobs."""
        with QueueServiceClient.from_connection_string(self.connection_string) as queues:
            queue = queues.get_queue_client("webjobs-blobtrigger-poison")
            try:
                messages = queue.peek_messages(32)
            except ResourceNotFoundError:
                return []
            bodies = [json.loads(base64.b64decode(message.content)) for message in messages]
        return [body for body in bodies if body["ContainerName"] == self.incoming.container_name]


@pytest.fixture
def blobs(storage_account: StorageAccount, tmp_path: Path) -> Blobs:
    return Blobs(storage_account, tmp_path)


def quiet(blobs: Blobs, function: str, seconds: float = 0.6) -> list[dict[str, Any]]:
    """The runs after several more polls."""
    time.sleep(seconds)
    return blobs.runs(function)


def upload(container: ContainerClient, name: str, text: str, **options: Any) -> str:
    """Upload and return the ETag."""
    return str(container.upload_blob(name, text, overwrite=True, **options).get_blob_properties().etag).strip(
        '"'
    )


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
        began = time.monotonic()
        etag = upload(blobs.incoming, "bad.csv", "x")
        upload(blobs.incoming, "good.csv", "y")
        (body,) = wait_for(blobs.poison, what="the poison message")
        assert time.monotonic() - began < 5
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


def enqueue(blobs: Blobs, name: str, etag: str, function: str = "by_client") -> None:
    message = {
        "FunctionId": f"Host.Functions.{function}",
        "BlobType": "BlockBlob",
        "ContainerName": blobs.incoming.container_name,
        "BlobName": name,
        "ETag": etag,
    }
    with QueueServiceClient.from_connection_string(blobs.connection_string) as queues:
        queue = queues.get_queue_client(f"azure-webjobs-blobtrigger-{blobs.host_id}")
        queue.send_message(base64.b64encode(json.dumps(message).encode()).decode())


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
