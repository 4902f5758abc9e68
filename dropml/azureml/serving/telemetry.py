"""Request telemetry for Application Insights, on the wire of its v2.1/track."""

import contextlib
import socket
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from dataclasses import dataclass
from typing import Any

import orjson

_QUEUE = 20_000
_BATCH = 500
_INTERVAL = 1.0
_TIMEOUT = 5.0
_RETRIABLE = {408, 429, 500, 502, 503, 504}
_SDK_VERSION = "dropml-serving:0.1"


@dataclass(frozen=True, slots=True)
class RequestItem:
    """One scored request. `started` is Unix time."""

    started: float
    seconds: float
    method: str
    path: str
    status: int
    request_id: bytes
    client_id: bytes
    deployment: str
    model: str


class Telemetry:
    """Sends items in batches from a thread of its own.

    `add` never blocks: beyond the queue's bound the oldest items are lost, and counted in `lost`.
    """

    def __init__(self, url: str, instrumentation_key: str, endpoint: str) -> None:
        self._url = url
        self._key = instrumentation_key
        self._endpoint = endpoint
        self._host = socket.gethostname()
        self._items: deque[RequestItem] = deque(maxlen=_QUEUE)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.lost = 0

    def add(self, item: RequestItem) -> None:
        if len(self._items) == _QUEUE:
            self.lost += 1
        self._items.append(item)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
            self._thread.start()

    def close(self, seconds: float = 2.0) -> None:
        """Send what is left, for at most `seconds`."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stop.wait(_INTERVAL):
            while self._items and self._send():
                pass
        self._send()

    def _send(self) -> bool:
        """Send one batch; False if the sink can't take it now, which leaves the items queued."""
        batch: list[RequestItem] = []
        with contextlib.suppress(IndexError):  # the queue is emptied from two sides
            while len(batch) < _BATCH:
                batch.append(self._items.popleft())
        if not batch:
            return False
        try:
            self._post(orjson.dumps([self._envelope(item) for item in batch]))
        except urllib.error.HTTPError as error:
            if error.code not in _RETRIABLE:
                self.lost += len(batch)
                return True
            self._put_back(batch)
            return False
        except OSError:
            self._put_back(batch)
            return False
        return True

    def _put_back(self, batch: list[RequestItem]) -> None:
        room = _QUEUE - len(self._items)
        self.lost += max(0, len(batch) - room)
        self._items.extendleft(reversed(batch[-room:] if room else []))

    def _post(self, body: bytes) -> None:
        request = urllib.request.Request(  # noqa: S310 - the address of the connection string
            self._url, data=body, headers={"Content-Type": "application/json", "Accept": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310 - the address of the connection string
            answer.read()

    def _envelope(self, item: RequestItem) -> dict[str, Any]:
        request_id = item.request_id.decode("ascii", "replace")
        operation = request_id.replace("-", "")
        return {
            "name": f"Microsoft.ApplicationInsights.{self._key.replace('-', '')}.Request",
            "time": _iso(item.started),
            "iKey": self._key,
            "sampleRate": 100.0,
            "tags": {
                "ai.cloud.role": self._endpoint,
                "ai.cloud.roleInstance": self._host,
                "ai.operation.id": operation,
                "ai.operation.name": f"{item.method} {item.path}",
                "ai.internal.sdkVersion": _SDK_VERSION,
            },
            "data": {
                "baseType": "RequestData",
                "baseData": {
                    "ver": 2,
                    "id": operation[:16],
                    "name": item.path,
                    "url": item.path,
                    "duration": _duration(item.seconds),
                    "responseCode": str(item.status),
                    "success": item.status < 400,
                    # The names that azureml-inference-server-http gives them.
                    "properties": {
                        "Container Id": self._host,
                        "Request Id": request_id,
                        "Client Request Id": item.client_id.decode("ascii", "replace"),
                        "Service Name": self._endpoint,
                        "Deployment Name": item.deployment,
                        "Models": item.model,
                    },
                },
            },
        }


def _iso(seconds: float) -> str:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{stamp}.{int(seconds % 1 * 1e6):06d}Z"


def _duration(seconds: float) -> str:
    """Written d.hh:mm:ss.ffffff."""
    micros = int(seconds * 1e6)
    minutes, micros = divmod(micros, 60_000_000)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days}.{hours:02d}:{minutes:02d}:{micros // 1_000_000:02d}.{micros % 1_000_000:06d}"
