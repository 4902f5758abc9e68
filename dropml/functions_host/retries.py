"""Retry policies (`@app.retry`): the in-process loop that the host runs around an invocation."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from dropml.functions_host.config import parse_time_span

FOREVER = -1


@dataclass(frozen=True)
class RetryPolicy:
    """How often a failed run is repeated, and after how many seconds. `max_retries` -1 means for ever."""

    max_retries: int
    minimum_s: float
    maximum_s: float
    exponential: bool

    @classmethod
    def from_settings(cls, function: str, settings: dict[str, Any] | None) -> RetryPolicy | None:
        """Read the decorator's strings. Raises ValueError naming what the real worker would refuse."""
        if not settings:
            return None
        where = f"function {function}: @app.retry"
        try:
            count = int(settings.get("max_retry_count", ""))
        except ValueError:
            raise ValueError(f"{where}: max_retry_count must be a whole number, -1 for no end.") from None
        strategy = settings.get("strategy")
        if strategy == "fixed_delay":
            delay = _seconds(settings.get("delay_interval"), f"{where}: delay_interval")
            return cls(count, delay, delay, exponential=False)
        if strategy == "exponential_backoff":
            least = _seconds(settings.get("minimum_interval"), f"{where}: minimum_interval")
            most = _seconds(settings.get("maximum_interval"), f"{where}: maximum_interval")
            return cls(count, least, most, exponential=True)
        raise ValueError(f"{where}: strategy is {strategy!r}; use fixed_delay or exponential_backoff.")

    def another(self, retries_so_far: int) -> bool:
        """True if a run that failed after this many retries is run again."""
        return self.max_retries == FOREVER or retries_so_far < self.max_retries

    def delay(self, retries_so_far: int) -> float:
        """Seconds to wait before the next retry; exponential ones are jittered by a fifth."""
        if not self.exponential:
            return self.minimum_s
        grown = self.minimum_s * 2.0 ** min(retries_so_far, 30) * random.uniform(0.8, 1.2)
        return min(max(grown, self.minimum_s), self.maximum_s)


def _seconds(text: Any, what: str) -> float:
    seconds = parse_time_span(str(text))
    if seconds is None or seconds >= 86_400:
        raise ValueError(f'{what} is {text!r}; write "HH:MM:SS", less than a day.')
    return seconds
