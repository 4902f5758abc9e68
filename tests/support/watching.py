"""What goes on beside a trial, each in a thread of its own: callers who score, a caller who asks for health, a look at memory."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import psutil
import requests

MIB = 2**20


class Background(ABC):
    """`turn` again and again, with `pause` seconds between, until the `with` block ends."""

    def __init__(self, pause: float, threads: int = 1) -> None:
        self._pause, self._stop = pause, threading.Event()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]

    @abstractmethod
    def turn(self) -> None:
        """One look or one call; it raises nothing."""

    def _work(self) -> None:
        while not self._stop.is_set():
            self.turn()
            self._stop.wait(self._pause)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(90)


@dataclass(frozen=True)
class Call:
    """One call: its status (0: no answer came), seconds, the code of its problem or the error's name, the run that answered."""

    status: int
    seconds: float
    code: str = ""
    run: str = ""
    retry: bool = False
    at: float = field(default_factory=time.monotonic)

    @property
    def repeatable(self) -> bool:
        """It succeeded, or its caller knows to ask again: no connection, 429 or 503, or a deadline that was told."""
        return self.status in (0, 200, 429, 503, 504)


def call(method: str, url: str, *, timeout: float = 60, **options: Any) -> Call:
    """Ask once; whatever comes of it is the answer."""
    began = time.monotonic()
    try:
        answer = requests.request(method, url, timeout=timeout, **options)
    except requests.RequestException as error:
        return Call(0, time.monotonic() - began, type(error).__name__)
    code = ""
    if answer.status_code >= 400 and "json" in answer.headers.get("Content-Type", ""):
        code = str(answer.json().get("code", ""))
    headers = answer.headers
    return Call(
        answer.status_code,
        time.monotonic() - began,
        code,
        headers.get("x-dropml-run", ""),
        "Retry-After" in headers,
    )


class Calls(Background):
    """The same call for as long as the block lasts."""

    def __init__(
        self,
        method: str,
        url: str,
        *,
        pause: float = 0.1,
        threads: int = 1,
        timeout: float = 60,
        **options: Any,
    ) -> None:
        super().__init__(pause, threads)
        self._method, self._url, self._timeout, self._options = method, url, timeout, options
        self.calls: list[Call] = []

    def turn(self) -> None:
        self.calls.append(call(self._method, self._url, timeout=self._timeout, **self._options))

    @property
    def failed(self) -> list[Call]:
        return [one for one in self.calls if one.status != 200]

    @property
    def slowest(self) -> float:
        """Seconds."""
        return max((one.seconds for one in self.calls), default=0.0)

    def told(self) -> str:
        """What the failed ones came to, for a note."""
        counted = Counter(f"{one.status} {one.code}".strip() for one in self.failed)
        return ", ".join(f"{count} x {what}" for what, count in counted.most_common(5))


class Memory(Background):
    """The resident memory of some processes (MiB): how far each has risen above what it had at first."""

    def __init__(self, pids: dict[str, int], pause: float = 0.1) -> None:
        super().__init__(pause)
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._first = {name: self._now(name) for name in pids}
        self.most = dict(self._first)

    def _now(self, name: str) -> float:
        try:
            return float(self._processes[name].memory_info().rss) / MIB
        except psutil.Error:
            return 0.0

    def turn(self) -> None:
        for name in self.most:
            self.most[name] = max(self.most[name], self._now(name))

    def risen(self, name: str) -> float:
        return self.most[name] - self._first[name]
