"""Application Insights' envelopes, made with `applicationinsights` 0.11.10 where its own are good and cheap enough."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared.correlation import Exchange, new_id
from shared.redaction import redact

#: Characters of an exception that the ingestion takes.
MOST_MESSAGE, MOST_TRACE = 32_768, 32_768
_GUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")


@dataclass
class Item:
    """One thing to send: an event, a request with its exchanges, a metric or an exception."""

    kind: str
    arguments: dict[str, Any]
    operation: str
    exchanges: Sequence[Exchange] = ()
    time: datetime = field(default_factory=lambda: datetime.now(UTC))


class Envelopes:
    """Makes Application Insights envelopes with the library's own client."""

    def __init__(self, key: str) -> None:
        from applicationinsights import TelemetryClient, channel

        self._channel = channel
        self._made: list[Any] = []
        self._client = TelemetryClient(key, channel.TelemetryChannel(queue=_Collector(self._made)))
        #: The library's envelope of a request.
        self._pattern: dict[str, object] | None = None

    def make(self, item: Item) -> list[dict[str, object]]:
        """The item's envelope, and one for each exchange with an endpoint behind it."""
        arguments = dict(item.arguments)
        properties = {k: str(v) for k, v in (arguments.pop("properties") or {}).items()}
        measurements = {k: float(v) for k, v in (arguments.pop("measurements", None) or {}).items()}
        texts = "\n".join([*(v for v in arguments.values() if isinstance(v, str)), *properties.values()])
        if redact(texts) != texts:
            properties = {k: redact(v) for k, v in properties.items()}
            arguments = {k: redact(v) if isinstance(v, str) else v for k, v in arguments.items()}
        if item.kind == "exception":
            return [self._exception(item, arguments, properties)]
        if item.kind == "metric":
            return [self.by_library(item, {**arguments, "properties": properties})]
        if item.kind != "request" or measurements:
            arguments |= {"properties": properties, "measurements": measurements}
            return [self.by_library(item, arguments)]
        made = self._request(item, arguments, properties)
        return [made, *(self._dependency(made, exchange) for exchange in item.exchanges)]

    def by_library(self, item: Item, arguments: dict[str, Any]) -> dict[str, object]:
        """The envelope that the library makes of these arguments."""
        self._client.context.operation.id = operation_id(item.operation) or None
        track = getattr(self._client, f"track_{item.kind}")
        track(**arguments)
        envelope = self._made.pop()
        envelope.time = _stamp(item)
        document: dict[str, object] = envelope.write()
        return document

    def _request(
        self, item: Item, arguments: dict[str, Any], properties: dict[str, str]
    ) -> dict[str, object]:
        """The envelope of one request, filled in for the others: the library takes ten times as long for each."""
        if self._pattern is None:
            self._pattern = self.by_library(item, {**arguments, "properties": properties, "measurements": {}})
        pattern: Any = self._pattern
        tags = {**pattern["tags"], "ai.operation.id": operation_id(item.operation)}
        if not item.operation:
            del tags["ai.operation.id"]
        base = {
            **pattern["data"]["baseData"],
            "id": new_id(),
            "name": arguments["name"],
            "duration": _duration(arguments["duration"]),
            "responseCode": str(arguments["response_code"]),
            "success": arguments["success"],
            "url": arguments["url"],
            "properties": properties,
        }
        return {**pattern, "time": _stamp(item), "tags": tags, "data": {**pattern["data"], "baseData": base}}

    def _dependency(self, request: Any, exchange: Exchange) -> dict[str, object]:
        """One request to an endpoint, below the request that it was made for."""
        above = request["data"]["baseData"]
        base = {
            "ver": 2,
            "id": new_id(),
            "name": f"POST {exchange.endpoint}",
            "type": "HTTP",
            "target": exchange.endpoint,
            "resultCode": str(exchange.status),
            "success": 200 <= exchange.status < 400,
            "duration": _duration(exchange.seconds * 1000),
            "properties": {**above["properties"], "deployment": exchange.deployment},
        }
        tags = {**request["tags"], "ai.operation.parentId": above["id"]}
        return _like(request, "RemoteDependency", base, tags)

    def _exception(
        self, item: Item, arguments: dict[str, Any], properties: dict[str, str]
    ) -> dict[str, object]:
        """As the ingestion takes it; the library's own would need the traceback itself."""
        event = Item("event", {}, item.operation, time=item.time)
        like: Any = self.by_library(event, {"name": "exception"})
        details = {
            "id": 1,
            "outerId": 0,
            "typeName": arguments["name"],
            "message": arguments["message"][:MOST_MESSAGE] or arguments["name"],
            "hasFullStack": len(arguments["trace"]) <= MOST_TRACE,
            "stack": arguments["trace"][-MOST_TRACE:],
        }
        base = {"ver": 2, "exceptions": [details], "severityLevel": 3, "properties": properties}
        return _like(like, "Exception", base, like["tags"])


def operation_id(operation: str) -> str:
    """A GUID without its dashes, as an endpoint's own telemetry has it; anything else as it is."""
    return operation.replace("-", "") if _GUID.fullmatch(operation) else operation


def _like(other: Any, kind: str, base: dict[str, Any], tags: Any) -> dict[str, object]:
    """An envelope of another kind for the same resource and time."""
    name = f"Microsoft.ApplicationInsights.{kind}"
    return {**other, "name": name, "tags": tags, "data": {"baseType": f"{kind}Data", "baseData": base}}


def _stamp(item: Item) -> str:
    return item.time.isoformat().replace("+00:00", "Z")


def _duration(milliseconds: float) -> str:
    """As Application Insights takes it: `[d.]hh:mm:ss.fff`."""
    seconds, rest = divmod(int(milliseconds), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{f'{days}.' if days else ''}{hours:02}:{minutes:02}:{seconds:02}.{rest:03}"


class _Collector:
    """Stands where the library's queue would be: keeps the envelope for the caller."""

    def __init__(self, made: list[Any]) -> None:
        self._made = made

    def put(self, envelope: Any) -> None:
        self._made.append(envelope)
