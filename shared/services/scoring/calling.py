"""One call of an endpoint, done properly: the right key, within the deadline, retried only where that is safe.

A score changes nothing, so repeating it is always safe; what bounds the repetition is the deadline, a few tries per
call, and a budget over all calls (an endpoint in trouble must not get three times its load).
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from shared.domain.errors import Transient
from shared.domain.problems import Busy, DeadlineExceeded, EndpointRefused
from shared.domain.run.serving import Target
from shared.services.scoring.keys import Credential, KeyRing

#: Tries per call after a lost connection, and after 429 or 503.
LOST_TRIES, BUSY_TRIES = 3, 4
#: Keys tried per call: the one in use, that slot refreshed, the other slot, and once more if a rotation came between.
KEY_TRIES = 4


@dataclass(frozen=True)
class Answer:
    """Status, headers (case-insensitive mapping) and body, as the endpoint gave them."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ConnectionLostError(Exception):
    """No answer came. `sent` says whether the request may have reached the endpoint."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class Transport(Protocol):
    def send(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], timeout: float
    ) -> Answer:
        """One exchange. Raises ConnectionLostError or DeadlineExceeded."""


class RetryBudget:
    """Retries allowed over all calls: a tenth of them, and a small stock for bad moments."""

    def __init__(self, stock: float = 20.0, share: float = 0.1) -> None:
        self._left, self._stock, self._share = stock, stock, share
        self._lock = threading.Lock()

    def earn(self) -> None:
        if self._left < self._stock:
            with self._lock:
                self._left = min(self._stock, self._left + self._share)

    def spend(self) -> bool:
        with self._lock:
            if self._left < 1:
                return False
            self._left -= 1
            return True


class EndpointCalls:
    """Calls endpoints. Thread-safe; one per process."""

    def __init__(
        self,
        transport: Transport,
        keys: KeyRing,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.keys = keys
        self.budget = RetryBudget()
        self.transport = transport
        self._clock = clock
        self._sleep = sleep

    def deadline(self, seconds: float) -> float:
        """A point on this object's clock, to pass to `score`."""
        return self._clock() + seconds

    def score(
        self, target: Target, deployment: str, body: bytes, *, deadline: float, request_id: str = ""
    ) -> Answer:
        """POST a body to one pinned deployment; the answer may be any status but 401, 429 and 503.

        Raises EndpointRefused (401 with every key), Busy, DeadlineExceeded, Transient (unreachable).
        """
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "azureml-model-deployment": deployment,
        }
        if request_id:
            headers["x-request-id"] = headers["x-ms-client-request-id"] = request_id
        return self._call("POST", target, target.scoring_uri, body, headers, deadline)

    def get(self, target: Target, path: str, *, deadline: float) -> Answer:
        """GET a path below the endpoint's root, such as /swagger.json."""
        return self._call("GET", target, target.base + path, None, {"Accept": "application/json"}, deadline)

    def _call(
        self,
        method: str,
        target: Target,
        url: str,
        body: bytes | None,
        headers: dict[str, str],
        deadline: float,
    ) -> Answer:
        self.budget.earn()
        lost = busy = refused = 0
        while True:
            credential = self.keys.current(target)
            remaining = deadline - self._clock()
            if remaining <= 0:
                raise DeadlineExceeded(
                    f"The deadline passed before the endpoint {target.endpoint} answered.",
                    remedy="Allow more time, or try again.",
                )
            headers["Authorization"] = credential.header
            try:
                answer = self.transport.send(method, url, body, headers, remaining)
            except ConnectionLostError as error:
                lost += 1
                self._lost(target, error, lost, deadline)
                continue
            if answer.status == 401:
                refused += 1
                self._refused(target, credential, refused)
            elif answer.status in (429, 503):
                busy += 1
                self._busy(target, answer, busy, deadline)
            else:
                return answer

    def _lost(self, target: Target, error: ConnectionLostError, tries: int, deadline: float) -> None:
        """Wait before the next try. Raises Transient where there is none."""
        # the first loss is nearly always a stale pooled connection: it costs no budget and no waiting
        if tries >= LOST_TRIES or (tries > 1 and not self.budget.spend()):
            raise Transient(
                f"The endpoint {target.endpoint} can't be reached: {error}.",
                remedy="Try again; if it lasts, look at the endpoint's state in Azure ML.",
                code="endpoint-unreachable",
            ) from None
        if tries > 1 or not error.sent:
            self._pause(0.05 * 2**tries, deadline)

    def _refused(self, target: Target, credential: Credential, tries: int) -> None:
        """Go on with another key. Raises EndpointRefused where there is none."""
        if tries >= KEY_TRIES or not self.keys.refused(target, credential):
            raise EndpointRefused(
                f"The endpoint {target.endpoint} refuses its own keys.",
                remedy="Check that the app's identity may list the endpoint's keys, and the auth mode.",
            )

    def _busy(self, target: Target, answer: Answer, tries: int, deadline: float) -> None:
        """Wait as long as the endpoint asks. Raises Busy where that is too long or too often."""
        delay = retry_after(answer.headers, 0.1 * 2**tries)
        if tries >= BUSY_TRIES or self._clock() + delay >= deadline or not self.budget.spend():
            raise Busy(
                f"The endpoint {target.endpoint} has more requests than it can handle (HTTP {answer.status}).",
                retry_after=delay,
                remedy="Try again later, or give the deployment more instances.",
            )
        self._pause(delay, deadline)

    def _pause(self, seconds: float, deadline: float) -> None:
        """Wait, with up to a quarter more so that callers don't come back together; never past the deadline."""
        self._sleep(max(0.0, min(seconds * (1 + random.random() / 4), deadline - self._clock())))


def retry_after(headers: Mapping[str, str], default: float) -> float:
    """Seconds of a Retry-After header; its date form is not used by the service and counts as absent."""
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return default
    return max(0.0, seconds) if math.isfinite(seconds) else default
