"""A circuit breaker for each deployment: one that gives no answer is left alone for a while, then asked by one caller.

https://learn.microsoft.com/azure/architecture/patterns/circuit-breaker
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from shared.domain.problems import CircuitOpen


@dataclass(frozen=True)
class BreakerLimits:
    """`failures` in a row open a circuit, for `seconds`.

    A deadline counts where the endpoint was given `patience` seconds at least: a caller in a hurry proves nothing.
    """

    failures: int = 5
    seconds: float = 10.0
    patience: float = 5.0


USUAL = BreakerLimits()


@dataclass
class _Circuit:
    failures: int = 0
    open_until: float = 0.0
    #: Until then the one caller that may try has the word.
    probe_until: float = 0.0


class Breakers:
    """Thread-safe. Only what has failed is remembered: while all is well, a call costs one lookup before and one after."""

    def __init__(self, limits: BreakerLimits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits, self._clock = limits, clock
        self._circuits: dict[tuple[str, str], _Circuit] = {}
        self._lock = threading.Lock()

    def check(self, endpoint: str, deployment: str) -> None:
        """Before a call. Raises CircuitOpen."""
        circuit = self._circuits.get((endpoint, deployment))
        if circuit is None or circuit.failures < self.limits.failures:
            return
        with self._lock:
            now = self._clock()
            if now >= circuit.open_until and now >= circuit.probe_until:
                circuit.probe_until = now + max(self.limits.seconds, self.limits.patience)
                return  # half open: this caller finds out
            wait = max(circuit.open_until - now, 1.0)
        raise CircuitOpen(
            f"The endpoint {endpoint} gave no answer {circuit.failures} times in a row; it is left alone for {wait:.0f} s.",
            remedy="Try again after Retry-After; if it lasts, look at the deployment's logs in Azure ML.",
            retry_after=wait,
            endpoint=endpoint,
        )

    def answered(self, endpoint: str, deployment: str) -> None:
        """It answered, whatever it said: the circuit closes."""
        if (endpoint, deployment) in self._circuits:
            with self._lock:
                self._circuits.pop((endpoint, deployment), None)

    def failed(self, endpoint: str, deployment: str, given: float | None = None) -> None:
        """No answer came: no connection, or none within the `given` seconds."""
        with self._lock:
            circuit = self._circuits.setdefault((endpoint, deployment), _Circuit())
            if given is not None and given < self.limits.patience and not circuit.probe_until:
                return
            circuit.failures += 1
            circuit.open_until = self._clock() + self.limits.seconds
            circuit.probe_until = 0.0
