"""The end of a job's log, from the address that the service gives: storage with its own signature, and no token of ours."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import requests

from shared.domain.errors import Transient

#: Bytes of the end that are kept, and most that are read to get there; seconds that it may all take.
KEPT, MOST, SECONDS = 16 << 10, 32 << 20, 10.0


def log_end(url: str) -> str:
    """Raises Transient where it can't be read in time. No redirect is followed, and the address is told in no error."""
    if urlsplit(url).scheme != "https":
        raise Transient("The log's address is not https.")
    until, kept, read = time.monotonic() + SECONDS, b"", 0
    try:
        with requests.get(url, stream=True, timeout=(5, 5), allow_redirects=False) as answer:
            if answer.status_code != 200:
                raise Transient(f"The log could not be read: HTTP {answer.status_code}.")
            for chunk in answer.iter_content(KEPT):
                kept = (kept + chunk)[-KEPT:]
                read += len(chunk)
                if read > MOST or time.monotonic() > until:
                    break
    except requests.RequestException as error:
        raise Transient(f"The log could not be read ({type(error).__name__}).") from None
    return kept.decode("utf-8", "replace")
