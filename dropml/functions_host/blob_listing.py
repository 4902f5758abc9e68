"""List a container as a poll needs it: name, ETag, time and kind of each blob, at a fraction of the SDK's work.

A poll lists every blob again, so that what is made of each entry is what an idle host costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContainerClient


@dataclass(frozen=True)
class ListedBlob:
    """A blob as the listing told of it; the ETag without quotes."""

    name: str
    etag: str
    last_modified: datetime
    blob_type: str


@dataclass(frozen=True)
class Page:
    """`continuation` leads to the next page; None after the last."""

    blobs: list[ListedBlob]
    continuation: str | None


def list_page(container: ContainerClient, limit: int, continuation: str | None) -> Page:
    """One page of at most `limit` blobs; an empty one if there is no such container. Raises AzureError."""
    bodies: list[bytes] = []

    def keep(response: Any) -> None:
        bodies.append(response.http_response.body())

    # The SDK's lightest listing reads names alone; the answer that it read them from says the rest.
    names = container.list_blob_names(results_per_page=limit, raw_response_hook=keep)
    try:
        next(names.by_page(continuation), None)
    except ResourceNotFoundError:
        return Page([], None)
    document = ET.fromstring(bodies[-1])  # noqa: S314 - as above
    return Page(list(_blobs(document)), document.findtext("NextMarker") or None)


def _blobs(document: ET.Element) -> Iterator[ListedBlob]:
    stamps: dict[str, datetime] = {}  # many blobs share a second
    for blob in document.iter("Blob"):
        name, properties = blob.find("Name"), blob.find("Properties")
        if name is None or properties is None:
            continue
        text = name.text or ""
        stamp = properties.findtext("Last-Modified") or ""
        if stamp not in stamps:
            stamps[stamp] = parsedate_to_datetime(stamp)
        yield ListedBlob(
            unquote(text) if name.get("Encoded") == "true" else text,
            (properties.findtext("Etag") or "").strip('"'),
            stamps[stamp],
            properties.findtext("BlobType") or "BlockBlob",
        )
