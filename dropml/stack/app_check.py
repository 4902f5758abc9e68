"""Does the application work? Asked at its door after a start; why not is what it wrote into the host's log."""

from __future__ import annotations

import time
from pathlib import Path

import requests

from dropml.common.logs import tail
from dropml.common.processes import StartError
from dropml.stack.places import Stack

PATIENCE_S = 30.0
_COMPLAINT = "the app can't work now"
_ASK_S = 5.0


def check(stack: Stack) -> None:
    """Return once `/api/health` answers 200. Raises StartError with the application's own sentence where it doesn't."""
    log = stack.home / "logs" / "host.log"
    deadline, complaint = time.monotonic() + PATIENCE_S, ""
    while time.monotonic() < deadline:
        if _healthy(stack.api):
            return
        said = _last_complaint(log)
        if said and said == complaint:  # twice the same: it isn't just starting
            break
        complaint = said
        time.sleep(1)
    raise StartError(f"The application can't work: {complaint or 'it does not say why'}\nIts log: {log}")


def _healthy(api: str) -> bool:
    with requests.Session() as session:
        session.trust_env = False  # whatever proxy the shell names
        try:
            return session.get(f"{api}/health", timeout=_ASK_S).status_code == 200
        except requests.RequestException:
            return False


def _last_complaint(log: Path) -> str:
    """The error under the last complaint: the last line of its traceback, without the error's type."""
    lines = [line for line in tail(log, 2000).splitlines() if _COMPLAINT in line]
    if not lines:
        return ""
    raised = lines[-1].split("\\n")[-1].strip()
    kind, colon, sentence = raised.partition(": ")
    return sentence if colon and " " not in kind else raised
