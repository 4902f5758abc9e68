"""Values for a function's parameters and from its result, built with azure.functions' own converters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from http.cookies import SimpleCookie
from typing import Any

import azure.functions as func
from azure.functions.meta import Datum
from azure.storage.blob import BlobClient, BlobProperties

from dropml.functions_host.indexing import HTTP, TIMER, FunctionDefinition, converter

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class HttpResult:
    """A response ready to be sent: latin-1 header pairs, the body whole."""

    status: int
    headers: Headers
    body: bytes


FAILED = HttpResult(500, [], b"")  # what a caller sees of an exception: nothing


@dataclass(frozen=True)
class ModelBindingData:
    """The reference that an SDK-type parameter is built from, as it comes over the wire."""

    content: bytes
    version: str = "1.0"
    source: str = "AzureStorageBlobs"
    content_type: str = "application/json"


def timer_request(
    definition: FunctionDefinition, status: dict[str, str] | None, *, past_due: bool
) -> func.TimerRequest | str:
    """The TimerRequest of a run, its JSON for an annotation `str` or `bytes`.

    `status` holds Last, Next and LastUpdated if the schedule is monitored.
    """
    payload = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": past_due}
    if definition.generic:
        return json.dumps(payload)
    datum = Datum(json.dumps(payload), "json")
    return converter(TIMER, deferred=False).decode(datum, trigger_metadata=None)  # type: ignore[no-any-return]


def http_request(
    method: str, url: str, headers: dict[str, str], query: dict[str, str], route: dict[str, str], body: bytes
) -> func.HttpRequest:
    """The HttpRequest of a call; all values are already as the host passes them on."""

    def strings(values: dict[str, str]) -> dict[str, Datum]:
        return {name: Datum(value, "string") for name, value in values.items()}

    value = {
        "method": Datum(method, "string"),
        "url": Datum(url, "string"),
        "headers": strings(headers),
        "query": strings(query),
        "params": strings(route),
        "body": Datum(body, "bytes"),
    }
    return converter(HTTP, deferred=False).decode(Datum(value, "http"), trigger_metadata=None)  # type: ignore[no-any-return]


def http_result(returned: Any) -> HttpResult:
    """Turn what a function returned into a response. Raises TypeError if it isn't HttpResponse or str."""
    try:
        datum = converter("http", deferred=False).encode(returned, expected_type=None)
    except NotImplementedError as error:
        kind = type(returned).__name__
        raise TypeError(
            f'unable to encode outgoing TypedData: unsupported type "http" for Python type "{kind}"'
        ) from error
    if datum.type == "string":
        return HttpResult(200, [(b"content-type", b"text/plain; charset=utf-8")], datum.value.encode())
    value = datum.value
    status = int(value["status_code"].value)
    if not 200 <= status <= 599:
        raise ValueError(f"HTTP status {status} cannot be sent")
    headers = [(n.lower().encode("latin-1"), d.value.encode("latin-1")) for n, d in value["headers"].items()]
    headers = [
        (name, text) for name, text in headers if name not in (b"content-length", b"transfer-encoding")
    ]
    cookies: list[SimpleCookie] = value["cookies"] or []
    headers += [
        (b"set-cookie", morsel.OutputString().encode("latin-1"))
        for cookie in cookies
        for morsel in cookie.values()
    ]
    return HttpResult(status, headers, b"" if status in (204, 304) else value["body"].value)


def blob_value(
    definition: FunctionDefinition,
    connection: str,
    blob: BlobClient,
    properties: BlobProperties,
    names: dict[str, str],
) -> Any:
    """The blob trigger's parameter: an SDK client for a reference, else an InputStream with the whole blob.

    An annotation `bytes` or `str` gets the content as it comes over the wire: bytes, unless the binding's dataType
    is string.
    """
    bound = converter(definition.trigger_type, deferred=definition.deferred)
    if definition.deferred:
        reference = {
            "Connection": connection,
            "ContainerName": blob.container_name,
            "BlobName": blob.blob_name,
        }
        data = ModelBindingData(json.dumps(reference).encode())
        return bound.decode(
            Datum(data, "model_binding_data"), trigger_metadata=None, pytype=definition.annotation
        )
    content = blob.download_blob().readall()
    if definition.generic:
        as_text = str(definition.trigger.get("dataType", "")).lower() == "string"
        return content.decode() if as_text else content
    metadata = {
        "BlobTrigger": Datum(f"{blob.container_name}/{blob.blob_name}", "string"),
        "Uri": Datum(json.dumps(blob.url.split("?")[0]), "json"),
        "Properties": Datum(json.dumps(_properties(properties)), "json"),
        "Metadata": Datum(json.dumps(properties.metadata or {}), "json"),
    }
    metadata |= {name: Datum(value, "string") for name, value in names.items()}
    return bound.decode(Datum(content, "bytes"), trigger_metadata=metadata)


def _properties(properties: BlobProperties) -> dict[str, Any]:
    """The blob's properties under the names that the .NET SDK serializes."""
    settings = properties.content_settings
    lease = properties.lease
    return {
        "LastModified": _iso(properties.last_modified),
        "CreatedOn": _iso(properties.creation_time),
        "Metadata": properties.metadata or {},
        "BlobType": str(getattr(properties.blob_type, "value", properties.blob_type)).removesuffix("Blob"),
        "ContentLength": properties.size,
        "ContentType": settings.content_type,
        "ETag": str(properties.etag).strip('"'),
        "ContentEncoding": settings.content_encoding,
        "ContentDisposition": settings.content_disposition,
        "ContentLanguage": settings.content_language,
        "CacheControl": settings.cache_control,
        "LeaseState": lease.state,
        "LeaseStatus": lease.status,
        "AccessTier": properties.blob_tier,
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
