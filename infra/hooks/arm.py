"""Azure Resource Manager for the hooks: a token from azd or az, calls with deadlines and retries. The standard library alone.

https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: Seconds that one request may take, and those between two tries.
REQUEST, PAUSE = 60.0, 5.0
#: What passes: throttling, and what a service answers while it comes up.
PASSING = frozenset({408, 409, 429, 500, 502, 503, 504})
#: Most characters of what a service says.
WORDS = 600


class Stopped(Exception):
    """The hook can't go on; the text says why and what to do."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: dict[str, Any]

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def words(self) -> str:
        """What the service says of a failure."""
        error = self.body.get("error")
        told = error if isinstance(error, dict) else self.body
        return f"{self.status} {told.get('code', '')} {told.get('message', '')}".strip()[:WORDS]


def setting(name: str) -> str:
    """A value of the azd environment."""
    value = os.environ.get(name, "").strip()
    if not value:
        raise Stopped(f"{name} is not set. Run `azd provision` first; by hand: `azd env get-values`.")
    return value


def token(endpoint: str) -> str:
    """Of whoever is signed in to azd, else to az."""
    commands = {
        "azd": (["auth", "token", "--scope", f"{endpoint}/.default", "--output", "json"], "token"),
        "az": (
            ["account", "get-access-token", "--resource", f"{endpoint}/", "--output", "json"],
            "accessToken",
        ),
    }
    said: list[str] = []
    for name, (arguments, key) in commands.items():
        program = shutil.which(name)
        if program is None:
            continue
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=120, check=False)
        if done.returncode == 0:
            return str(json.loads(done.stdout)[key])
        said.append(f"{name}: {done.stderr.strip()[:200]}")
    raise Stopped(f"Nobody is signed in. Run `azd auth login`. {' '.join(said)}".strip())


class Arm:
    """`until` is the time (time.monotonic) at which waiting ends; `again` the command that goes on after it."""

    def __init__(self, until: float, again: str, pause: float = PAUSE) -> None:
        self.endpoint = os.environ.get("AZURE_ARM_ENDPOINT", "https://management.azure.com").rstrip("/")
        self._token = token(self.endpoint)
        self.until, self.again, self.pause = until, again, pause

    def call(self, method: str, path: str, version: str, body: object = None, more: str = "") -> Answer:
        """One request. No answer at all is told as status 503: it may pass."""
        return self._send(method, f"{self.endpoint}{path}?api-version={version}{more}", body)

    def listed(self, path: str, version: str) -> Answer:
        """A list with all its pages, as one answer; or the answer that was none. A page leads to the host that was asked."""
        answer = self.call("GET", path, version)
        found = list(answer.body.get("value", []))
        while answer.ok and (link := str(answer.body.get("nextLink") or "")):
            if not link.startswith(f"{self.endpoint}/"):
                raise Stopped(f"{path}: the next page is said to be on another host, which gets no token.")
            if time.monotonic() > self.until:
                raise Stopped(f"{path}: there was no end of its pages. Run `{self.again}` again.")
            answer = self._send("GET", link, None)
            found += answer.body.get("value", [])
        return Answer(answer.status, {**answer.body, "value": found})

    def _send(self, method: str, url: str, body: object) -> Answer:
        data = b"" if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - the address is the cloud's own
            url,
            method=method,
            data=None if method == "GET" else data,
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=REQUEST) as response:  # noqa: S310 - the address is ours, not a caller's
                return Answer(response.status, _json(response.read()))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, _json(error.read()))
        except OSError as error:
            return Answer(503, {"message": f"no answer: {error}"})

    def wait(self, what: str, look: Callable[[], Any]) -> Any:
        """`look` again and again until it answers something; it says by Stopped that there is no use."""
        while True:
            found = look()
            if found is not None:
                return found
            if time.monotonic() + self.pause > self.until:
                raise Stopped(f"Waited too long for {what}. Run `{self.again}` in a few minutes.")
            time.sleep(self.pause)


def _json(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw or b"{}")
    except ValueError:
        return {"message": raw.decode(errors="replace")}
    return found if isinstance(found, dict) else {"value": found}
