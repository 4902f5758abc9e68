"""List a container as a poll needs it: name, ETag, time and kind of each blob, at a fraction of the SDK's work.

A poll lists every blob again, so that what is made of each entry is what an idle host costs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import ContainerClient

from dropml.functions_host.blob_walk import Unlistable, around, is_servers_fault


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
    now: datetime | None = None  # by the service's clock


def list_page(
    container: ContainerClient, limit: int, continuation: str | None, bad: Unlistable | None = None
) -> Page:
    """One page of at most `limit` blobs; an empty one if there is no such container. Raises AzureError.

    With `bad` (what is known of the container) a name that the service can't list hides no other.
    """
    if bad is None:
        return _fetch(container, limit, continuation)

    def fetch(size: int, marker: str | None) -> Page:
        return _fetch(container, size, marker, retry_total=0)  # the next poll is the retry

    try:
        return fetch(limit, continuation)
    except AzureError as error:
        if not is_servers_fault(error):
            raise
    blobs, names, following = around(limit, continuation, fetch, bad)
    return Page([*blobs, *_described(container, names)], following)


def _described(container: ContainerClient, names: list[str]) -> Iterator[ListedBlob]:
    for name in names:
        with contextlib.suppress(ResourceNotFoundError):
            found = container.get_blob_client(name).get_blob_properties()
            kind = str(getattr(found.blob_type, "value", found.blob_type))
            yield ListedBlob(name, str(found.etag).strip('"'), found.last_modified, kind)


def _fetch(container: ContainerClient, limit: int, continuation: str | None, **options: Any) -> Page:
    bodies: list[bytes] = []
    dates: list[str] = []

    def keep(response: Any) -> None:
        bodies.append(response.http_response.body())
        dates.append(response.http_response.headers.get("Date", ""))

    # The SDK's lightest listing reads names alone; the answer that it read them from says the rest.
    names = container.list_blob_names(results_per_page=limit, raw_response_hook=keep, **options)
    try:
        next(names.by_page(continuation), None)
    except ResourceNotFoundError:
        return Page([], None)
    document = ET.fromstring(bodies[-1])  # noqa: S314 - as above
    now = parsedate_to_datetime(dates[-1]) if dates[-1] else None
    return Page(list(_blobs(document)), document.findtext("NextMarker") or None, now)


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
