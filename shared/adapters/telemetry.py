"""Events and requests to Application Insights, through `applicationinsights` 0.11.10, never on a request's path.

The library is archived and needs care: it wants an instrumentation key and not a connection string, its queue has no
bound, and a failed send is put back and tried again at once, in a hot loop. So it only makes the envelopes here, on
one background thread; the queue is bounded, sending backs off, and what can't be sent is dropped and counted.
"""

from __future__ import annotations

import atexit
import json
import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared.adapters.telemetry_address import parse_connection_string
from shared.redaction import redact

QUEUE_LIMIT, BATCH = 2000, 100
SEND_TIMEOUT = (3.0, 5.0)
#: Tries per batch and the pause after each failure, in seconds.
PAUSES = (1.0, 4.0, 15.0)

log = logging.getLogger(__name__)


@dataclass
class _Item:
    kind: str
    arguments: dict[str, Any]
    operation: str
    time: datetime = field(default_factory=lambda: datetime.now(UTC))


class NoTelemetry:
    """Where no connection string is set."""

    def track_event(
        self,
        name: str,
        properties: Mapping[str, Any] | None = None,
        measurements: Mapping[str, float] | None = None,
        *,
        operation: str = "",
    ) -> None:
        """A named event; `operation` correlates what belongs to one run or one request."""

    def track_request(
        self,
        name: str,
        *,
        url: str,
        status: int,
        duration_ms: float,
        properties: Mapping[str, Any] | None = None,
        measurements: Mapping[str, float] | None = None,
        operation: str = "",
    ) -> None:
        """A served request."""

    def close(self, seconds: float = 2.0) -> None:
        """Send what is queued, for at most so long."""


class Telemetry(NoTelemetry):
    """Both `track_*` put a tuple into a bounded queue and return; they never raise and never wait."""

    def __init__(
        self, connection_string: str, *, limit: int = QUEUE_LIMIT, token: Callable[[], str] | None = None
    ) -> None:
        """`token` answers a bearer token, where the resource takes no telemetry from strangers."""
        self._key, self._url = parse_connection_string(connection_string)
        self._token = token
        self._queue: queue.Queue[_Item | None] = queue.Queue(limit)
        self._stop = threading.Event()
        self.dropped = 0
        self.sent = 0
        self._complain_at = 0.0
        self._thread = threading.Thread(target=self._work, name="telemetry", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def track_event(
        self,
        name: str,
        properties: Mapping[str, Any] | None = None,
        measurements: Mapping[str, float] | None = None,
        *,
        operation: str = "",
    ) -> None:
        self._put(
            _Item("event", {"name": name, "properties": properties, "measurements": measurements}, operation)
        )

    def track_request(
        self,
        name: str,
        *,
        url: str,
        status: int,
        duration_ms: float,
        properties: Mapping[str, Any] | None = None,
        measurements: Mapping[str, float] | None = None,
        operation: str = "",
    ) -> None:
        arguments = {
            "name": name,
            "url": url,
            "success": status < 400,
            "duration": duration_ms,
            "response_code": status,
            "http_method": name.partition(" ")[0],
            "properties": properties,
            "measurements": measurements,
        }
        self._put(_Item("request", arguments, operation))

    def close(self, seconds: float = 2.0) -> None:
        if self._stop.is_set():
            return
        self._stop.set()
        self._put(None)
        self._thread.join(seconds)

    def _put(self, item: _Item | None) -> None:
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            self.dropped += 1

    # -- the background thread -------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            envelopes = _Envelopes(self._key)
        except ImportError as error:  # the package is absent: that costs the telemetry alone
            log.error("no telemetry: %s", error)
            return
        while not self._stop.is_set() or not self._queue.empty():
            batch = self._take()
            try:
                self._send([envelopes.make(item) for item in batch])
            except Exception:
                self.dropped += len(batch)
                log.exception("telemetry can't be sent")

    def _take(self) -> list[_Item]:
        """Waits for one item (None wakes it up to end), takes what has come with it."""
        batch: list[_Item] = []
        item = self._queue.get()
        while item is not None:
            batch.append(item)
            if len(batch) == BATCH:
                break
            try:
                # a moment for more to come: one request per second carries what happened in it
                item = self._queue.get(timeout=0 if self._stop.is_set() else 1.0)
            except queue.Empty:
                break
        return batch

    def _send(self, documents: list[dict[str, object]]) -> None:
        if not documents:
            return

        body = json.dumps(documents, default=str).encode()
        for pause in PAUSES:
            status = self._post(body)
            if 200 <= status < 300:
                self.sent += len(documents)
                return
            if status in (400, 402, 404) or self._stop.wait(pause):
                break
        self.dropped += len(documents)
        if time.monotonic() >= self._complain_at:
            self._complain_at = time.monotonic() + 60
            log.warning(
                "Application Insights takes no telemetry (%s); %d items dropped", status, self.dropped
            )

    def _post(self, body: bytes) -> int:
        """The answer's status; 0 where there was none, or no token to ask with."""
        import requests
        from azure.core.exceptions import AzureError

        headers = {"Content-Type": "application/json; charset=utf-8"}
        try:
            if self._token is not None:
                headers["Authorization"] = f"Bearer {self._token()}"
            return requests.post(self._url, data=body, headers=headers, timeout=SEND_TIMEOUT).status_code
        except requests.RequestException:
            return 0
        except AzureError as error:
            log.warning("no token for telemetry: %s", str(error).partition("\n")[0])
            return 0


class _Envelopes:
    """Makes Application Insights envelopes with the library's own client."""

    def __init__(self, key: str) -> None:
        from applicationinsights import TelemetryClient, channel

        self._channel = channel
        self._made: list[Any] = []
        self._client = TelemetryClient(key, channel.TelemetryChannel(queue=_Collector(self._made)))
        #: The library's envelope of a request.
        self._pattern: dict[str, object] | None = None

    def make(self, item: _Item) -> dict[str, object]:
        arguments = dict(item.arguments)
        properties = {k: str(v) for k, v in (arguments.pop("properties") or {}).items()}
        measurements = {k: float(v) for k, v in (arguments.pop("measurements") or {}).items()}
        texts = "\n".join([str(arguments.get("url", "")), *properties.values()])
        if redact(texts) != texts:
            properties = {k: redact(v) for k, v in properties.items()}
            arguments = {k: redact(v) if isinstance(v, str) else v for k, v in arguments.items()}
        if item.kind == "request" and not measurements:
            return self._request(item, arguments, properties)
        return self._by_library(item, arguments, properties, measurements)

    def _by_library(
        self,
        item: _Item,
        arguments: dict[str, Any],
        properties: dict[str, str],
        measurements: dict[str, float],
    ) -> dict[str, object]:
        self._client.context.operation.id = item.operation or None
        track = getattr(self._client, f"track_{item.kind}")
        track(**arguments, properties=properties, measurements=measurements)
        envelope = self._made.pop()
        envelope.time = _stamp(item)
        document: dict[str, object] = envelope.write()
        return document

    def _request(
        self, item: _Item, arguments: dict[str, Any], properties: dict[str, str]
    ) -> dict[str, object]:
        """The envelope of one request, filled in for the others: the library takes ten times as long for each."""
        if self._pattern is None:
            self._pattern = self._by_library(item, arguments, properties, {})
        pattern: Any = self._pattern
        tags = {**pattern["tags"], "ai.operation.id": item.operation}
        if not item.operation:
            del tags["ai.operation.id"]
        base = {
            **pattern["data"]["baseData"],
            "id": secrets.token_hex(16),
            "name": arguments["name"],
            "duration": _duration(arguments["duration"]),
            "responseCode": str(arguments["response_code"]),
            "success": arguments["success"],
            "url": arguments["url"],
            "properties": properties,
        }
        return {**pattern, "time": _stamp(item), "tags": tags, "data": {**pattern["data"], "baseData": base}}


def _stamp(item: _Item) -> str:
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
