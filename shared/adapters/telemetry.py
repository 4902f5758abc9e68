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
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shared.adapters.telemetry_address import parse_connection_string
from shared.adapters.telemetry_envelopes import Envelopes, Item
from shared.correlation import Exchange

QUEUE_LIMIT, BATCH = 2000, 100
#: Items that were taken last and are kept to be shown.
RECENT = 10
SEND_TIMEOUT = (3.0, 5.0)
#: Tries per batch and the pause after each failure, in seconds.
PAUSES = (1.0, 4.0, 15.0)

log = logging.getLogger(__name__)


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
        exchanges: Sequence[Exchange] = (),
    ) -> None:
        """A served request, and what endpoints were asked for it: a dependency each."""

    def track_metric(
        self, name: str, value: float, properties: Mapping[str, Any] | None = None, *, operation: str = ""
    ) -> None:
        """One measured value."""

    def track_exception(
        self,
        kind: str,
        message: str,
        trace: str,
        properties: Mapping[str, Any] | None = None,
        *,
        operation: str = "",
    ) -> None:
        """An error that nobody foresaw, as text: a traceback itself would keep its frames alive."""

    def close(self, seconds: float = 2.0) -> None:
        """Send what is queued, for at most so long."""


class Telemetry(NoTelemetry):
    """Every `track_*` puts an item into a bounded queue and return; they never raise and never wait."""

    def __init__(
        self, connection_string: str, *, limit: int = QUEUE_LIMIT, token: Callable[[], str] | None = None
    ) -> None:
        """`token` answers a bearer token, where the resource takes no telemetry from strangers."""
        self._key, self._url = parse_connection_string(connection_string)
        self._token = token
        self._queue: queue.Queue[Item | None] = queue.Queue(limit)
        self._stop = threading.Event()
        self.dropped = 0
        self.sent = 0
        #: What was taken last, the newest first.
        self.recent: tuple[Item, ...] = ()
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
            Item("event", {"name": name, "properties": properties, "measurements": measurements}, operation)
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
        exchanges: Sequence[Exchange] = (),
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
        self._put(Item("request", arguments, operation, exchanges))

    def track_metric(
        self, name: str, value: float, properties: Mapping[str, Any] | None = None, *, operation: str = ""
    ) -> None:
        self._put(Item("metric", {"name": name, "value": value, "properties": properties}, operation))

    def track_exception(
        self,
        kind: str,
        message: str,
        trace: str,
        properties: Mapping[str, Any] | None = None,
        *,
        operation: str = "",
    ) -> None:
        arguments = {"name": kind, "message": message, "trace": trace, "properties": properties}
        self._put(Item("exception", arguments, operation))

    def close(self, seconds: float = 2.0) -> None:
        if self._stop.is_set():
            return
        self._stop.set()
        self._put(None)
        self._thread.join(seconds)

    def _put(self, item: Item | None) -> None:
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            self.dropped += 1

    # -- the background thread -------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            envelopes = Envelopes(self._key)
        except ImportError as error:  # the package is absent: that costs the telemetry alone
            log.error("no telemetry: %s", error)
            return
        while not self._stop.is_set() or not self._queue.empty():
            batch = self._take()
            try:
                if self._send([made for item in batch for made in envelopes.make(item)]):
                    self.recent = (*reversed(batch), *self.recent)[:RECENT]
            except Exception:
                self.dropped += len(batch)
                log.exception("telemetry can't be sent")

    def _take(self) -> list[Item]:
        """Waits for one item (None wakes it up to end), takes what has come with it."""
        batch: list[Item] = []
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

    def _send(self, documents: list[dict[str, object]]) -> bool:
        """Whether they were taken."""
        if not documents:
            return False
        body = json.dumps(documents, default=str).encode()
        for pause in PAUSES:
            status = self._post(body)
            if 200 <= status < 300:
                self.sent += len(documents)
                return True
            if status in (400, 402, 404) or self._stop.wait(pause):
                break
        self.dropped += len(documents)
        if time.monotonic() >= self._complain_at:
            self._complain_at = time.monotonic() + 60
            log.warning(
                "Application Insights takes no telemetry (%s); %d items dropped", status, self.dropped
            )
        return False

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
