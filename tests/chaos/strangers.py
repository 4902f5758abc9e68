"""What breaks nothing and is no less trouble: hostile files and requests, and files of which no event ever tells."""

from __future__ import annotations

from collections.abc import Iterator

from azure.storage.blob import BlobServiceClient

from tests.attack import http_cases
from tests.attack.files import generated_files
from tests.attack.http import try_all
from tests.attack.tally import Tally as Attacked
from tests.chaos.tables import refused
from tests.soak.deeds import Deeds

FILES, REQUESTS, LOST = 30, 60, 10
HOSTS, RECEIPTS = "azure-webjobs-hosts", "blobreceipts/"


def hostile_files(deeds: Deeds, name: str, number: int) -> None:
    """Bytes and tables as a fuzzer draws them, each under a name of its own; none can be trained on, each is one run."""
    for index, drop in enumerate(generated_files(FILES, number)):
        deeds.upload(f"{name}-{index}", drop.data, drop.metadata)


def hostile_requests(deeds: Deeds, dataset: str, number: int) -> list[str]:
    """Lines, headers and bodies that no client sends; a line for each that wasn't refused as documented."""
    running, seen = deeds.live.running, Attacked()
    path = f"/api/score/{dataset}"
    cases = [
        *http_cases.bodies(path, running.key),
        *http_cases.generated(path, running.key, REQUESTS, number),
    ]
    try_all("requests", running.places.host_url, cases, seen)
    return seen.told()


def untold_files(deeds: Deeds, name: str, number: int) -> None:
    """Files whose events are all lost: the host holds a receipt for each before it looks again. Only the sweep finds them."""
    live = deeds.live
    with (
        BlobServiceClient.from_connection_string(live.running.storage) as service,
        service.get_container_client(HOSTS) as hosts,
    ):
        begin = next(_places(hosts.list_blob_names(name_starts_with=RECEIPTS)))
        with live.paused([live.part("host")]):
            for index in range(LOST):
                deeds.upload(f"{name}-{index}", refused(number + index, index))
                etag = (
                    live.incoming.get_blob_client(f"{name}-{index}.csv").get_blob_properties().etag.strip('"')
                )
                receipt = f"{begin}/{etag}/{live.incoming.container_name}/{name}-{index}.csv"
                hosts.upload_blob(receipt, b"", metadata={"Completed": "True"}, overwrite=True)


def _places(receipts: Iterator[str]) -> Iterator[str]:
    """`blobreceipts/{host}/{function}` of what listens to the incoming container, from a receipt that the host wrote."""
    for path in receipts:
        folder, host, function, _, container, _ = path.split("/", 5)
        if container == "incoming":
            yield f"{folder}/{host}/{function}"
