"""POST to a receiver of notifications: one try, one deadline, no redirect, and nothing of its answer but the status."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from urllib3 import Timeout
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError, SSLError

from shared.adapters.endpoint import CONNECT_TIMEOUT, NO_RETRIES, WATCH, PoolAdapter
from shared.services.notify.ports import Posted


class Webhooks:
    """Implements `shared.services.notify.ports.Post`. Thread-safe; no error of a library is told, for it may hold the URL."""

    def __init__(self) -> None:
        self._session = requests.Session()
        self._adapter = PoolAdapter(pool_maxsize=1)
        self._lock = threading.Lock()

    def post(self, url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Posted:
        until = time.monotonic() + timeout
        with self._lock:
            route = self._adapter.route(self._session, url)
        WATCH.begin(until)
        try:
            answer = route.pool.urlopen(
                "POST",
                route.target,
                body=body,
                headers=headers,
                retries=NO_RETRIES,
                redirect=False,
                preload_content=False,
                timeout=Timeout(connect=min(timeout, CONNECT_TIMEOUT), read=timeout),
            )
        except HTTPError as error:
            return Posted(0, _trouble(error, late=time.monotonic() >= until, timeout=timeout))
        except Exception as error:  # noqa: BLE001 - whatever a receiver may make of it, it is that receiver's trouble
            return Posted(0, f"The request failed ({type(error).__name__}).")
        finally:
            WATCH.end()
        answer.close()  # the body is nobody's; a connection for each is cheap at this rate
        if time.monotonic() >= until:  # cut off, and its head not whole
            return Posted(0, _late(timeout))
        return _posted(answer)


def _posted(answer: Any) -> Posted:
    status = int(answer.status)
    if 300 <= status < 400:
        return Posted(status, f"It answered {status}, a redirect, which is not followed.")
    return Posted(status, retry_after=_seconds(answer.headers.get("Retry-After")))


def _trouble(error: HTTPError, *, late: bool, timeout: float) -> str:
    if isinstance(error, ReadTimeoutError) or late:
        return _late(timeout)
    if isinstance(error, SSLError):
        return "Its certificate or TLS was not accepted."
    if isinstance(error, NewConnectionError | ConnectTimeoutError):
        return "No connection to it came about."
    return "It closed the connection without an answer."


def _late(timeout: float) -> str:
    return f"It gave no answer within {timeout:g} s."


def _seconds(text: str | None) -> float | None:
    """Of Retry-After, which is a number of seconds or a date."""
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
