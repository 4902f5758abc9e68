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

from shared.correlation import note
from shared.domain.problems import Busy, DeadlineExceeded, EndpointRefused, Unreachable
from shared.domain.run.serving import Target
from shared.services.scoring.breaker import USUAL, BreakerLimits, Breakers
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
        breaker: BreakerLimits = USUAL,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.keys = keys
        self.breakers = Breakers(breaker, clock=clock)
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

        Raises EndpointRefused (401 with every key), Busy, DeadlineExceeded, Unreachable, CircuitOpen.
        """
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "azureml-model-deployment": deployment,
        }
        if request_id:
            headers["x-request-id"] = headers["x-ms-client-request-id"] = request_id
        return self._call("POST", target, "", body, headers, deadline)

    def get(self, target: Target, path: str, *, deadline: float) -> Answer:
        """GET a path below the endpoint's root, such as /swagger.json."""
        return self._call("GET", target, path, None, {"Accept": "application/json"}, deadline)

    def _call(
        self,
        method: str,
        target: Target,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
        deadline: float,
    ) -> Answer:
        """`path` is below the endpoint's root; empty means the scoring URI."""
        deployment = headers.get("azureml-model-deployment", "")
        self.breakers.check(target.endpoint, deployment)
        self.budget.earn()
        lost = busy = refused = 0
        while True:
            remaining = self._remaining(target, deadline)
            credential = self.keys.current(target, remaining)
            remaining = self._remaining(target, deadline)
            url = credential.base + path if path else credential.uri
            headers["Authorization"] = credential.header
            started = self._clock()
            try:
                answer = self.transport.send(method, url, body, headers, remaining)
            except ConnectionLostError as error:
                note(target.endpoint, deployment, 0, self._clock() - started)
                lost += 1
                self._lost(target, deployment, error, lost, deadline)
                continue
            except DeadlineExceeded:
                note(target.endpoint, deployment, 0, self._clock() - started)
                self.breakers.failed(target.endpoint, deployment, remaining)
                raise
            note(target.endpoint, deployment, answer.status, self._clock() - started)
            self.breakers.answered(target.endpoint, deployment)
            if answer.status == 401:
                refused += 1
                self._refused(target, credential, refused, deadline)
            elif answer.status in (429, 503):
                busy += 1
                self._busy(target, answer, busy, deadline)
            else:
                return answer

    def _remaining(self, target: Target, deadline: float) -> float:
        """Seconds. Raises DeadlineExceeded where there are none."""
        remaining = deadline - self._clock()
        if remaining <= 0:
            raise DeadlineExceeded(
                f"The deadline passed before the endpoint {target.endpoint} answered.",
                remedy="Allow more time, or try again.",
            )
        return remaining

    def _lost(
        self, target: Target, deployment: str, error: ConnectionLostError, tries: int, deadline: float
    ) -> None:
        """Wait before the next try. Raises Unreachable where there is none."""
        if not error.sent:
            self.keys.moved(target)
        # the first loss is nearly always a stale pooled connection: it costs no budget and no waiting
        if tries >= LOST_TRIES or (tries > 1 and not self.budget.spend()):
            self.breakers.failed(target.endpoint, deployment)
            raise Unreachable(
                f"The endpoint {target.endpoint} can't be reached: {error}.",
                remedy="Try again; if it lasts, look at the endpoint's state in Azure ML.",
            ) from None
        if tries > 1 or not error.sent:
            self._pause(0.05 * 2**tries, deadline)

    def _refused(self, target: Target, credential: Credential, tries: int, deadline: float) -> None:
        """Go on with another key. Raises EndpointRefused where there is none."""
        patience = self._remaining(target, deadline)
        if tries >= KEY_TRIES or not self.keys.refused(target, credential, patience):
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
