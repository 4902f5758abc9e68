"""A short measurement of an endpoint from where the app runs: bounded, over the same calls that scoring uses."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from shared.domain.errors import DropMLError, InvalidInput
from shared.domain.rows import payloads
from shared.domain.rows.predictions import read_answer
from shared.services.scoring.calling import EndpointCalls
from shared.services.scoring.endpoints import Endpoints
from shared.services.scoring.statuses import check

MAX_REQUESTS, MAX_CONCURRENCY, MAX_ROWS, MAX_SECONDS = 500, 8, 100, 20.0
WARM_UP = 3
_EXAMPLE = 'Send {"requests": 100, "concurrency": 1, "rows": 2}; each may be left out.'


@dataclass(frozen=True)
class BenchmarkOptions:
    """What a caller may choose."""

    requests: int = 100
    concurrency: int = 1
    rows: int = 2

    @staticmethod
    def parse(body: bytes) -> BenchmarkOptions:
        """From a JSON object; an empty body takes the defaults. Raises MalformedBody, InvalidInput."""
        doc = payloads.load_json(body, _EXAMPLE) if body.strip() else {}
        limits = {"requests": MAX_REQUESTS, "concurrency": MAX_CONCURRENCY, "rows": MAX_ROWS}
        if not isinstance(doc, dict):
            raise InvalidInput(
                "The options must be a JSON object.", remedy=_EXAMPLE, code="invalid-options", field="(body)"
            )
        for name, value in doc.items():
            limit = limits.get(name)
            whole = type(value) is int or (type(value) is float and value.is_integer())
            if limit is None or not whole or not 1 <= value <= limit:
                known = ", ".join(f"{key} (1 to {most})" for key, most in limits.items())
                clean = name[:40].encode("utf-8", "replace").decode()
                raise InvalidInput(
                    f"The option {clean!r} is not one of {known}, or not in its range.",
                    code="invalid-options",
                    field=clean,
                )
        return BenchmarkOptions(**{name: int(value) for name, value in doc.items()})


@dataclass(frozen=True)
class Latency:
    """In milliseconds; None where every call failed."""

    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None

    @staticmethod
    def of(seconds: list[float]) -> Latency:
        took = sorted(seconds)

        def at(share: float) -> float | None:
            return round(percentile(took, share) * 1000, 3) if took else None

        return Latency(at(0.5), at(0.95), at(0.99), at(1.0))


@dataclass(frozen=True)
class BenchmarkView:
    """A measurement. `requests` were answered well, `errors` counts the others by code."""

    endpoint: str
    deployment: str
    model: str
    requests: int
    rows_per_request: int
    concurrency: int
    errors: dict[str, int]
    seconds: float
    requests_per_second: float
    latency_ms: Latency


def percentile(sorted_values: list[float], share: float) -> float:
    """Nearest-rank percentile of ascending values."""
    return sorted_values[max(0, math.ceil(share * len(sorted_values)) - 1)]


def run(endpoints: Endpoints, name: str, options: BenchmarkOptions) -> BenchmarkView:
    """Measure for at most MAX_SECONDS. Raises NotFound, Upstream."""
    entry = endpoints.entry(name)
    example = list(entry.schema.example) or [{}]
    rows = [example[at % len(example)] for at in range(options.rows)]
    body = payloads.encode(entry.validator.check_records(rows))
    calls, target, deployment = endpoints.calls, entry.target, entry.draw()
    deadline = calls.deadline(MAX_SECONDS)

    def once() -> None:
        answer = calls.score(target, deployment, body, deadline=deadline)
        check(answer, target)
        read_answer(answer.body, options.rows)

    for _ in range(WARM_UP):
        once()
    load = _Load(calls, deadline, options.requests)
    started = time.perf_counter()
    threads = [threading.Thread(target=load.work, args=(once,)) for _ in range(options.concurrency)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - started
    return BenchmarkView(
        endpoint=name,
        deployment=deployment,
        model=entry.version(deployment).model,
        requests=len(load.took),
        rows_per_request=options.rows,
        concurrency=options.concurrency,
        errors=load.errors,
        seconds=round(elapsed, 3),
        requests_per_second=round(len(load.took) / elapsed, 1),
        latency_ms=Latency.of(load.took),
    )


class _Load:
    """Threads that share a number of requests to send and a deadline."""

    def __init__(self, calls: EndpointCalls, deadline: float, requests: int) -> None:
        self._calls, self._deadline, self._left = calls, deadline, requests
        self._lock = threading.Lock()
        self.took: list[float] = []
        self.errors: dict[str, int] = {}

    def work(self, once: Callable[[], None]) -> None:
        while self._next():
            started = time.perf_counter()
            try:
                once()
            except DropMLError as error:
                with self._lock:
                    self.errors[error.error_code] = self.errors.get(error.error_code, 0) + 1
            else:
                self.took.append(time.perf_counter() - started)

    def _next(self) -> bool:
        with self._lock:
            if self._left <= 0 or self._calls.deadline(0) >= self._deadline:
                return False
            self._left -= 1
            return True
