"""What a job has left behind: names of its artifacts, small ones as text.

Run history tells where a file is by a signed address, to which no token goes.
Source: `RunArtifactsOperations` of azure-ai-ml's run history client.
"""

from __future__ import annotations

import requests

from shared.adapters.resource import mapping
from shared.adapters.tracking import Tracking
from shared.adapters.tries import CONNECT, READ
from shared.domain.errors import Transient


class RunFiles:
    """Reads; never writes."""

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking

    def names(self, run: str, prefix: str) -> list[str]:
        """Paths of the run's artifacts that begin with `prefix`."""
        url, what = self._tracking.artifacts_url(run), f"list {prefix} of {run}"
        found = self._tracking.arm.pages(url, what, {"path": prefix})
        return [path for each in found if (path := str(mapping(each).get("path") or "")).startswith(prefix)]

    def text(self, run: str, path: str, most: int) -> str | None:
        """An artifact of at most `most` bytes; None where there is none, an empty one, or a larger one."""
        address = self._tracking.artifact_address(run, path)
        raw = _read(address, f"{path} of {run}", most + 1) if address else None
        return None if not raw or len(raw) > most else raw.decode("utf-8", "replace")


def _read(address: str, what: str, most: int) -> bytes | None:
    """So many bytes at the beginning; None where there is nothing. Raises Transient."""
    headers = {"Range": f"bytes=0-{most - 1}"}
    try:
        with requests.get(address, headers=headers, timeout=(CONNECT, READ), stream=True) as answer:
            if answer.status_code in (404, 416):
                return None
            if answer.status_code >= 400:
                raise Transient(f"{what}: storage answers {answer.status_code}.")
            kept = b""
            block: bytes
            for block in answer.iter_content(65536):
                kept += block
                if len(kept) >= most:  # storage that knows no ranges sends all of it
                    return kept[:most]
            return kept
    except requests.RequestException as error:
        raise Transient(f"{what}: storage can't be reached ({type(error).__name__}).") from error
