"""A blob app that notes each of its runs in a container, for tests of blob functions."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueServiceClient

from tests.conftest import StorageAccount
from tests.support.host_harness import AppFolder, wait_for

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
    if client.blob_name.startswith("returns"):
        return "a value that nothing takes"


@app.blob_trigger(arg_name="stream", path="%STREAMS%", connection="Other")
async def by_stream(stream: func.InputStream):
    note("by_stream", name=stream.name, length=stream.length, content=stream.read().decode(), uri=stream.uri,
         etag=stream.blob_properties["ETag"], metadata=stream.metadata)


@app.blob_trigger(arg_name="content", path="%STREAMS%", connection="Other")
def by_content(content: bytes):
    note("by_content", kind=type(content).__name__, content=content.decode())


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
        runs: list[dict[str, Any]] = wait_for(
            lambda: (found := self.runs(function)) and len(found) >= count and found,
            what=f"run {count} of {function}",
        )
        return runs

    def receipts(self) -> dict[str, str]:
        hosts = self.service.get_container_client("azure-webjobs-hosts")
        prefix = f"blobreceipts/{self.host_id}/"
        found = hosts.list_blobs(name_starts_with=prefix, include=["metadata"])
        return {blob.name.removeprefix(prefix): blob.metadata.get("Completed", "") for blob in found}

    def waiting_messages(self) -> int:
        with QueueServiceClient.from_connection_string(self.connection_string) as queues:
            queue = queues.get_queue_client(f"azure-webjobs-blobtrigger-{self.host_id}")
            return queue.get_queue_properties().approximate_message_count or 0

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


def quiet(blobs: Blobs, function: str, seconds: float = 0.6) -> list[dict[str, Any]]:
    """The runs after several more polls."""
    time.sleep(seconds)
    return blobs.runs(function)


def upload(container: ContainerClient, name: str, text: str, **options: Any) -> str:
    """Upload and return the ETag."""
    return str(container.upload_blob(name, text, overwrite=True, **options).get_blob_properties().etag).strip(
        '"'
    )


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
