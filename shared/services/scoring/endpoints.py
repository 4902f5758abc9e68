"""What callers may do with an endpoint beside scoring: rotate its keys, read its swagger."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shared.domain.errors import Conflict, InvalidInput, NotFound, Transient, Upstream
from shared.domain.rows import payloads
from shared.domain.run.serving import ServingEntry, Target
from shared.services.scoring.calling import Answer, ConnectionLostError, EndpointCalls
from shared.services.scoring.keys import SLOTS, Slot
from shared.services.scoring.proxy import ServingDirectory
from shared.services.scoring.statuses import check

SWAGGER_SECONDS = 10.0
#: How long a new key may take until the endpoint takes it.
SETTLE_SECONDS = 60.0


@dataclass
class Endpoints:
    """Endpoints that are in service, by name. Thread-safe."""

    directory: ServingDirectory
    calls: EndpointCalls
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _rotating: dict[str, threading.Lock] = field(default_factory=dict)

    def entry(self, name: str) -> ServingEntry:
        """Raises NotFound: only endpoints that serve a dataset can be reached through here."""
        for entry in self.directory.all():
            if entry.target.endpoint == name:
                return entry
        raise NotFound(
            f"No endpoint {name[:80]!r} is in service.",
            remedy="GET /api/datasets names the endpoint of each dataset.",
            code="unknown-endpoint",
        )

    def swagger(self, name: str, version: str) -> Answer:
        """The endpoint's own swagger: OpenAPI 2 as Azure serves it, or 3 with `version` "3"."""
        if version not in ("", "2", "3"):
            raise InvalidInput(
                "The swagger comes in version 2 or 3.", code="unknown-version", field="version"
            )
        target = self.entry(name).target
        path = "/swagger.json" + ("?version=3" if version == "3" else "")
        answer = self.calls.get(target, path, deadline=self.calls.deadline(SWAGGER_SECONDS))
        check(answer, target)
        return answer

    def rotate(self, name: str) -> dict[str, Any]:
        """Replace both keys; at every moment at least one key works, and this process uses it.

        Each slot is made anew only while the other one is in use and seen to work. Other processes hold old keys:
        they get one 401, fetch the keys again and go on. Broken off at any point, it can simply be run again; run
        twice, it rotates twice.
        """
        entry = self.entry(name)
        if entry.target.auth_mode != "key":
            raise Conflict(
                f"The endpoint {name} takes Azure AD tokens; there is no key to rotate.",
                code="no-keys-in-use",
            )
        lock = self._rotating.setdefault(name, threading.Lock())
        if not lock.acquire(blocking=False):
            raise Conflict(
                f"A rotation of the endpoint {name} is under way.",
                remedy="Wait until it has ended.",
                code="rotation-running",
            )
        try:
            in_use = self.calls.keys.slot(entry.target)
            first: Slot = SLOTS[1 - SLOTS.index(in_use)]
            for which in (first, in_use):
                self._renew(entry, which)
        finally:
            lock.release()
        return {"endpoint": name, "rotated": [first, in_use], "in_use": in_use}

    def _renew(self, entry: ServingEntry, which: Slot) -> None:
        """Make `which` anew while the other slot is in use; then use it."""
        ring, target = self.calls.keys, entry.target
        other = SLOTS[1 - SLOTS.index(which)]
        keys = ring.source.keys(target.endpoint)
        self._settle(entry, other, keys)  # never destroys the only key that works
        ring.use(target, other, keys)
        keys = ring.source.regenerate(target.endpoint, which)
        self._settle(entry, which, keys)
        ring.use(target, which, keys)

    def _settle(self, entry: ServingEntry, slot: Slot, keys: tuple[str, str]) -> None:
        """Wait until the endpoint takes the key of `slot`."""
        until = self.clock() + SETTLE_SECONDS
        while True:
            if self._takes(entry, keys[SLOTS.index(slot)]):
                return
            if self.clock() >= until:
                raise Transient(
                    f"The endpoint {entry.target.endpoint} doesn't take its {slot} key; stopped there.",
                    remedy="The other key works. Rotate again later.",
                    code="key-not-taken",
                )
            self.sleep(0.25)

    def _takes(self, entry: ServingEntry, key: str) -> bool:
        """Ask with a real example row: the scoring route is the one that must take the key."""
        example = entry.validator.check_records(entry.schema.example[:1])
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {key}",
            "azureml-model-deployment": entry.draw(),
        }
        try:
            answer = self.calls.transport.send(
                "POST", entry.target.scoring_uri, payloads.encode(example), headers, SWAGGER_SECONDS
            )
        except (ConnectionLostError, Upstream):
            return False
        return answer.status not in (401, 403)


def target_of(endpoint: str, scoring_uri: str, auth_mode: str) -> Target:
    """A target from Azure's own words for the auth mode (`Key`, `AADToken`, `AMLToken`)."""
    return Target(endpoint, scoring_uri, "key" if auth_mode.lower() == "key" else "aad_token")
