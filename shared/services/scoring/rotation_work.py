"""The worker's side of rotations: one claim, then step after step until the end or a deadline."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

from shared.domain.errors import Conflict, DropMLError, Transient, Upstream
from shared.domain.names import digest
from shared.domain.problems import Fault
from shared.domain.rows import payloads
from shared.domain.run.serving import ServingEntry
from shared.services.guard import guarded
from shared.services.scoring.calling import ConnectionLostError
from shared.services.scoring.keys import SLOTS
from shared.services.scoring.rotation import OPEN_STATES, Rotation, Rotations

log = logging.getLogger(__name__)

#: A host that has not written for so long has lost its claim.
CLAIM_SECONDS = 120.0
#: How long the endpoint may take to take a key, and to list a new one.
SETTLE_SECONDS, REGENERATE_SECONDS = 60.0, 600.0
ASK_SECONDS = 10.0
#: Rotations worked on at a time.
AT_ONCE = 8
#: Between two looks.
PAUSE = 0.25
#: Below this much time left no step is begun.
MARGIN = 1.0


def step_rotations(
    rotations: Rotations,
    deadline: float,
    *,
    observe: Callable[..., None],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Work on open rotations until none needs work or `time.monotonic()` reaches `deadline`.

    Side by side: one that waits for its endpoint keeps no other one waiting.
    """

    def work(entry: tuple[str, float]) -> None:
        key, taken_at = entry
        if time.monotonic() + MARGIN < deadline:
            run = partial(_work_on, rotations, key, taken_at, lambda work: work.run(deadline, sleep), observe)
            guarded(observe, "rotation not worked on", run, key=key)

    if entries := sorted(rotations.open.entries().items()):
        with ThreadPoolExecutor(min(AT_ONCE, len(entries)), "rotation") as pool:
            list(pool.map(work, entries))


def _work_on(
    rotations: Rotations,
    key: str,
    taken_at: float,
    run: Callable[[_Work], None],
    observe: Callable[..., None],
) -> None:
    name, _, rotation_id = key.partition("/")
    found = rotations.load(name)
    now = rotations.clock()
    if found is None or found[0].id != rotation_id or found[0].status not in OPEN_STATES:
        # its document never came, or it ended and a crash left the entry
        if now - taken_at > CLAIM_SECONDS:
            rotations.open.remove(key)
    elif found[0].claimed_until <= now:
        run(_Work(rotations, found[0], found[1], observe))


class _LostError(Exception):
    """Another host has written the document: it has the rotation now."""


class _Work:
    """One claim of one rotation."""

    def __init__(
        self, rotations: Rotations, rotation: Rotation, etag: str, observe: Callable[..., None]
    ) -> None:
        self.rotations, self.rotation, self.etag, self.observe = rotations, rotation, etag, observe
        self.calls = rotations.endpoints.calls

    def run(self, deadline: float, sleep: Callable[[float], None]) -> None:
        name = self.rotation.endpoint
        try:
            if self.rotation.status == "queued":
                self._save(status="running", entered_at=self.rotations.clock())
            else:
                self._save()
            while self._waits() and time.monotonic() + MARGIN + PAUSE < deadline:
                sleep(PAUSE)
            if self.rotation.status in OPEN_STATES:
                self._save(claimed_until=0.0)
                return
        except _LostError:
            return
        self.rotations.open.remove(f"{name}/{self.rotation.id}")
        self.observe("key_rotation", endpoint=name, status=self.rotation.status)

    def _waits(self) -> bool:
        """Goes on until a step must be waited for (True) or the rotation has ended, well or not (False)."""
        try:
            while self.rotation.pending:
                if not self._step():
                    return True
            self._save(status="completed", claimed_until=0.0)
        except (Transient, Conflict) as error:  # not now; the endpoint takes one operation at a time
            if not self._waited(REGENERATE_SECONDS):
                return True
            self._fail(error)
        except DropMLError as error:
            self._fail(error)
        except _LostError:
            raise
        except Exception:
            log.exception("rotation of %s", self.rotation.endpoint)
            self._fail(DropMLError("Something went wrong here.", remedy="The log has it."))
        return False

    def _step(self) -> bool:
        """One look and at most one effect; False where the next one must be waited for."""
        rotation, ring = self.rotation, self.calls.keys
        entry = self.rotations.endpoints.entry(rotation.endpoint)
        which = rotation.pending[0]
        other = SLOTS[1 - SLOTS.index(which)]
        keys = ring.source.keys(rotation.endpoint)
        listed = digest(keys[SLOTS.index(which)])
        if rotation.before == listed:
            if self._waited(REGENERATE_SECONDS):
                raise self._given_up(f"does not list a new {which} key")
            return False
        wanted = which if rotation.before else other  # never destroys the only key that works
        if not self._takes(entry, keys[SLOTS.index(wanted)]):
            if self._waited(SETTLE_SECONDS):
                raise self._given_up(f"doesn't take its {wanted} key")
            return False
        ring.use(entry.target, wanted, keys)
        now = self.rotations.clock()
        if rotation.before:
            rotated = (*rotation.rotated, which)
            self._save(pending=rotation.pending[1:], rotated=rotated, before="", entered_at=now)
        else:
            ring.source.begin_regenerate(rotation.endpoint, which)
            self._save(before=listed, entered_at=now)
        return True

    def _takes(self, entry: ServingEntry, key: str) -> bool:
        """Ask with a real example row: the scoring route is the one that must take the key."""
        example = entry.validator.check_records(entry.schema.example[:1])
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {key}",
            "azureml-model-deployment": entry.draw(),
        }
        try:
            uri = self.calls.keys.current(entry.target).uri
            answer = self.calls.transport.send("POST", uri, payloads.encode(example), headers, ASK_SECONDS)
        except (ConnectionLostError, Upstream):
            return False
        return answer.status not in (401, 403)

    def _waited(self, seconds: float) -> bool:
        return self.rotations.clock() - self.rotation.entered_at > seconds

    def _given_up(self, what: str) -> Upstream:
        return Upstream(
            f"The endpoint {self.rotation.endpoint} {what}; stopped there.",
            remedy="The other key works. Rotate again later.",
            code="key-not-taken",
        )

    def _fail(self, error: DropMLError) -> None:
        self._save(status="failed", error=Fault.of(error), claimed_until=0.0)

    def _save(self, **changes: Any) -> None:
        claimed = {"claimed_until": self.rotations.clock() + CLAIM_SECONDS}
        try:
            self.rotation, self.etag = self.rotations.save(
                replace(self.rotation, **(claimed | changes)), self.etag
            )
        except Conflict as error:
            raise _LostError from error
