"""The endpoint's keys: fetched at run time, cached, refreshed when one is refused, rotated without a failed request."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from shared.domain.run.serving import Target

Slot = Literal["primary", "secondary"]
SLOTS: tuple[Slot, Slot] = ("primary", "secondary")
#: After every key was refused, how long callers are not made to fetch them again.
QUIET_SECONDS = 5.0
#: A token this close to its end is not used any more.
TOKEN_MARGIN = 120.0


class KeySource(Protocol):
    def keys(self, endpoint: str) -> tuple[str, str]:
        """(primary, secondary) of a key-authenticated endpoint."""

    def token(self, endpoint: str) -> tuple[str, float]:
        """(bearer token, unix time at which it ends) for an endpoint with Azure AD authentication."""

    def begin_regenerate(self, endpoint: str, which: Slot) -> None:
        """Ask for a new key in one slot; `keys` lists it a while later. Raises Conflict while the endpoint is busy."""


@dataclass(frozen=True)
class Credential:
    """What goes into the Authorization header; `generation` tells a stale one from the one in use."""

    header: str
    generation: int


@dataclass
class _State:
    """What is known of one endpoint's credentials. Guarded by its lock."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    keys: tuple[str, str] = ("", "")
    slot: int = 0
    current: Credential | None = None
    expires: float = float("inf")
    generation: int = 0
    #: Slots that were refused since the keys last changed.
    refused: set[int] = field(default_factory=set)
    quiet_until: float = 0.0


class KeyRing:
    """Thread-safe. A call asks for `current`, and reports a 401 through `refused`."""

    def __init__(self, source: KeySource, *, clock: Callable[[], float] = time.time) -> None:
        self.source = source
        self._clock = clock
        self._states: dict[str, _State] = {}
        self._lock = threading.Lock()

    def current(self, target: Target) -> Credential:
        state = self._states.get(target.endpoint) or self._state(target.endpoint)
        credential = state.current
        if credential is not None and self._clock() < state.expires - TOKEN_MARGIN:
            return credential
        with state.lock:
            if state.current is None or self._clock() >= state.expires - TOKEN_MARGIN:
                self._fetch(target, state)
            assert state.current is not None  # noqa: S101 - `_fetch` set it or raised
            return state.current

    def refused(self, target: Target, credential: Credential) -> bool:
        """The endpoint answered 401 to `credential`. True when `current` now gives another one worth trying."""
        state = self._state(target.endpoint)
        with state.lock:
            if state.generation != credential.generation:
                return True  # another thread has been here since
            if self._clock() < state.quiet_until:
                return False
            before = state.keys
            state.refused.add(state.slot)
            self._fetch(target, state)
            if target.auth_mode != "key":
                fresh = state.current is not None and state.current.header != credential.header
            else:
                fresh = self._choose(state, before)
            if not fresh:
                state.quiet_until = self._clock() + QUIET_SECONDS
                state.refused.clear()
            return fresh

    def use(self, target: Target, slot: Slot, keys: tuple[str, str]) -> None:
        """Take these keys and go on with this slot (rotation)."""
        state = self._state(target.endpoint)
        with state.lock:
            state.keys, state.slot = keys, SLOTS.index(slot)
            state.refused.clear()
            state.quiet_until = 0.0
            self._set(state, keys[state.slot])

    def slot(self, target: Target) -> Slot:
        """The slot in use."""
        self.current(target)
        return SLOTS[self._state(target.endpoint).slot]

    def _choose(self, state: _State, before: tuple[str, str]) -> bool:
        """After a refusal: this slot's key if it has changed, else the other one's if that is untried."""
        for slot in (0, 1):
            if state.keys[slot] != before[slot]:
                state.refused.discard(slot)
        for slot in (state.slot, 1 - state.slot):
            if slot not in state.refused and state.keys[slot]:
                state.slot = slot
                self._set(state, state.keys[slot])
                return True
        return False

    def _fetch(self, target: Target, state: _State) -> None:
        if target.auth_mode == "key":
            state.keys = self.source.keys(target.endpoint)
            self._set(state, state.keys[state.slot])
        else:
            token, state.expires = self.source.token(target.endpoint)
            self._set(state, token)

    def _set(self, state: _State, secret: str) -> None:
        state.generation += 1
        state.current = Credential(f"Bearer {secret}", state.generation)

    def _state(self, endpoint: str) -> _State:
        with self._lock:
            return self._states.setdefault(endpoint, _State())
