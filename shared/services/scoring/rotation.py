"""Rotations of an endpoint's keys: taken at once, worked off by whatever host has time, one at a time over all hosts.

A rotation is a document (`rotations/{endpoint}.json`) that moves only by conditional writes. Each slot is made anew only
while the other one has been seen to work and is in use here; other processes meet one 401 and read the keys again. The
document keeps a digest of the key that is to go, so that a host which takes over knows whether it has gone.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from shared.domain import documents as json
from shared.domain import names
from shared.domain.errors import Conflict, NotFound
from shared.domain.problems import Fault
from shared.services.documents import Documents
from shared.services.open_index import OpenIndex
from shared.services.scoring.endpoints import Endpoints
from shared.services.scoring.keys import SLOTS, Slot

Status = Literal["queued", "running", "completed", "failed"]
OPEN_STATES = frozenset({"queued", "running"})


@dataclass(frozen=True)
class Rotation:
    """The stored document. `pending` are the slots still to be made anew; times are unix seconds."""

    endpoint: str
    id: str
    status: Status
    pending: tuple[Slot, ...]
    rotated: tuple[Slot, ...]
    requested_at: float
    updated_at: float
    #: When the step that is being waited for was begun.
    entered_at: float
    #: Digest of the key that `pending[0]` had when its regeneration was begun; empty before.
    before: str = ""
    claimed_until: float = 0.0
    error: Fault | None = None


@dataclass(frozen=True)
class RotationView:
    """What a caller sees of a rotation."""

    endpoint: str
    id: str
    status: Status
    rotated: tuple[Slot, ...]
    requested_at: float
    updated_at: float
    error: Fault | None = None


@dataclass(frozen=True)
class Rotations:
    """Taking and showing rotations. The work is in `shared.services.scoring.rotation_work`."""

    endpoints: Endpoints
    documents: Documents
    clock: Callable[[], float]

    @property
    def open(self) -> OpenIndex:
        return OpenIndex(
            self.documents, "rotations/open.json", lambda _, found: f"{found['endpoint']}/{found['id']}"
        )

    def request(self, name: str, idempotency_key: str | None = None) -> RotationView:
        """Take a rotation; while one is open, that one is meant. Raises NotFound, Conflict (no keys in use).

        The Idempotency-Key of the latest rotation means that one, also when it has ended.
        """
        target = self.endpoints.entry(name).target
        if target.auth_mode != "key":
            raise Conflict(
                f"The endpoint {name} takes Azure AD tokens; there is no key to rotate.",
                code="no-keys-in-use",
            )
        found = self.load(name)
        id_ = secrets.token_hex(8)
        if idempotency_key is not None:
            id_ = names.digest("rotation", name, idempotency_key)[:16]
        if found is not None and (found[0].status in OPEN_STATES or found[0].id == id_):
            return view(found[0])
        in_use = self.endpoints.calls.keys.slot(target)
        slots = (SLOTS[1 - SLOTS.index(in_use)], in_use)
        now = self.clock()
        rotation = Rotation(name, id_, "queued", slots, (), now, now, now)
        # The index first: a crash between the two leaves an entry without open work, which the worker drops.
        self.open.add(f"{name}/{rotation.id}", now)
        try:
            if found is None:
                self.documents.create(path(name), json.to_json(rotation))
            else:
                self.documents.replace(path(name), json.to_json(rotation), found[1])
        except Conflict:  # somebody else's request came first
            return self.show(name)
        return view(rotation)

    def show(self, name: str) -> RotationView:
        """The endpoint's latest rotation. Raises NotFound."""
        self.endpoints.entry(name)
        found = self.load(name)
        if found is None:
            raise NotFound(
                f"The keys of {name} have not been rotated yet.",
                remedy="POST /api/endpoints/{name}/rotate-key.",
                code="no-rotation",
            )
        return view(found[0])

    def load(self, name: str) -> tuple[Rotation, str] | None:
        found = self.documents.get(path(name))
        return (json.from_json(found[0], Rotation), found[1]) if found else None

    def save(self, rotation: Rotation, etag: str) -> tuple[Rotation, str]:
        """Raises Conflict when another host was first."""
        rotation = replace(rotation, updated_at=self.clock())
        return rotation, self.documents.replace(path(rotation.endpoint), json.to_json(rotation), etag)


def path(endpoint: str) -> str:
    return f"rotations/{endpoint}.json"


def view(rotation: Rotation) -> RotationView:
    return RotationView(
        endpoint=rotation.endpoint,
        id=rotation.id,
        status=rotation.status,
        rotated=rotation.rotated,
        requested_at=rotation.requested_at,
        updated_at=rotation.updated_at,
        error=rotation.error,
    )
