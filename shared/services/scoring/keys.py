"""The endpoint's address and keys: fetched at run time, cached, refreshed when one is refused, rotated without a failed request.

Both come from Azure alone. What the state says of an address is not believed: whoever could write there would be sent
the keys.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, Protocol

from shared.domain.errors import Transient
from shared.domain.problems import DeadlineExceeded
from shared.domain.run.serving import Target
from shared.services.flight import Flight

log = logging.getLogger(__name__)

Slot = Literal["primary", "secondary"]
SLOTS: tuple[Slot, Slot] = ("primary", "secondary")
#: After every key was refused, how long callers are not made to fetch them again.
QUIET_SECONDS = 5.0
#: After a fetch that failed, how long its error is told to those who come.
FAILED_SECONDS = 1.0
#: A token this close to its end is not used any more.
TOKEN_MARGIN = 120.0
#: An address is asked for again after so long, behind the calls; and this soon where nobody answers there.
ADDRESS_SECONDS, MOVED_SECONDS = 300.0, 5.0
#: How long a fetch is waited for where no deadline says otherwise.
PATIENCE = 60.0


class KeySource(Protocol):
    def keys(self, endpoint: str) -> tuple[str, str]:
        """(primary, secondary) of a key-authenticated endpoint."""

    def token(self, endpoint: str) -> tuple[str, float]:
        """(bearer token, unix time at which it ends) for an endpoint with Azure AD authentication."""

    def address(self, endpoint: str) -> str:
        """The scoring URI, as Azure gives it."""

    def begin_regenerate(self, endpoint: str, which: Slot) -> None:
        """Ask for a new key in one slot; `keys` lists it a while later. Raises Conflict while the endpoint is busy."""


@dataclass(frozen=True)
class Credential:
    """What goes into the Authorization header, and the only address it goes to.

    `generation` tells a stale one from the one in use.
    """

    header: str
    generation: int
    uri: str

    @property
    def base(self) -> str:
        """The endpoint's root URL, where /swagger.json lives."""
        return self.uri.removesuffix("/score").rstrip("/")


@dataclass(frozen=True)
class _Found:
    """What Azure said: the keys, or a token in their place, and the address."""

    keys: tuple[str, str]
    token: str
    expires: float
    address: str
    address_at: float


@dataclass
class _State:
    """What is known of one endpoint. Guarded by its lock, which nobody holds while Azure is asked."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    found: _Found = _Found(("", ""), "", float("inf"), "", float("-inf"))
    slot: int = 0
    current: Credential | None = None
    #: Until then nothing needs to be looked at, and until then the credential is good.
    look_at: float = 0.0
    good_until: float = 0.0
    generation: int = 0
    #: Slots that were refused since the keys last changed.
    refused: set[int] = field(default_factory=set)
    quiet_until: float = 0.0
    flight: Flight[None] | None = None
    failed_at: float = float("-inf")


class KeyRing:
    """Thread-safe. A call asks for `current`, and reports a 401 through `refused`."""

    def __init__(self, source: KeySource, *, clock: Callable[[], float] = time.time) -> None:
        self.source = source
        self._clock = clock
        self._states: dict[str, _State] = {}
        self._lock = threading.Lock()

    def current(self, target: Target, patience: float = PATIENCE) -> Credential:
        """Raises DeadlineExceeded where it is not there within `patience` seconds, or what the source raises."""
        state = self._states.get(target.endpoint) or self._state(target.endpoint)
        credential, now = state.current, self._clock()
        if credential is not None and now < state.look_at:
            return credential
        if credential is not None and now < state.good_until:
            # behind the calls; what is known is good meanwhile, also where this fails
            state.look_at = now + MOVED_SECONDS
            self._join(target, state, partial(self._fetch, target, state))
            return credential
        flight = state.flight
        if flight is None or now - state.failed_at >= FAILED_SECONDS:
            flight = self._join(target, state, partial(self._fetch, target, state))
        self._await(target, flight, patience)
        if state.current is None:  # that flight was for something else
            raise Transient(f"The keys of the endpoint {target.endpoint} are not known yet.")
        return state.current

    def refused(self, target: Target, credential: Credential, patience: float = PATIENCE) -> bool:
        """The endpoint answered 401 to `credential`. True when `current` now gives another one worth trying."""
        state = self._state(target.endpoint)
        if state.generation == credential.generation:
            if self._clock() < state.quiet_until:
                return False
            again = partial(self._replace, target, state, credential)
            self._await(target, self._join(target, state, again), patience)
        return state.generation != credential.generation

    def moved(self, target: Target) -> None:
        """Nobody answers at the address: it is asked for again, behind the calls."""
        state = self._state(target.endpoint)
        with state.lock:
            if self._clock() - state.found.address_at >= MOVED_SECONDS:
                state.found = replace(state.found, address_at=float("-inf"))
                state.look_at = 0.0

    def use(self, target: Target, slot: Slot, keys: tuple[str, str]) -> None:
        """Take these keys and go on with this slot (rotation)."""
        self.current(target)
        state = self._state(target.endpoint)
        with state.lock:
            state.found, state.slot = replace(state.found, keys=keys), SLOTS.index(slot)
            state.refused.clear()
            state.quiet_until = 0.0
            self._set(state, keys[state.slot])

    def slot(self, target: Target) -> Slot:
        """The slot in use."""
        self.current(target)
        return SLOTS[self._state(target.endpoint).slot]

    # -- on a flight's thread ----------------------------------------------------------------------------------

    def _fetch(self, target: Target, state: _State) -> None:
        found = self._ask(target, state)
        with state.lock:
            self._keep(state, found)
            self._set(state, found.token or found.keys[state.slot])

    def _replace(self, target: Target, state: _State, refused: Credential) -> None:
        """After a refusal: this slot's key if it has changed, else the other one's if that is untried."""
        found = self._ask(target, state)
        with state.lock:
            before = state.found.keys
            self._keep(state, found)
            if target.auth_mode != "key":
                self._set(state, found.token)
            else:
                state.refused = {at for at in state.refused | {state.slot} if found.keys[at] == before[at]}
                for at in (state.slot, 1 - state.slot):
                    if at not in state.refused and found.keys[at]:
                        state.slot = at
                        self._set(state, found.keys[at])
                        break
            if state.generation == refused.generation:
                state.quiet_until = self._clock() + QUIET_SECONDS
                state.refused.clear()

    def _ask(self, target: Target, state: _State) -> _Found:
        """From Azure; the address only when it has been known for long."""
        found = state.found
        try:
            address, address_at = found.address, found.address_at
            if self._clock() - address_at >= ADDRESS_SECONDS:
                address, address_at = self.source.address(target.endpoint), self._clock()
                if target.scoring_uri != address:
                    log.warning(
                        "the state sends rows of %s elsewhere than Azure; not followed", target.endpoint
                    )
            if target.auth_mode == "key":
                keys = self.source.keys(target.endpoint)
                return _Found(keys, "", float("inf"), address, address_at)
            token, expires = self.source.token(target.endpoint)
            return _Found(("", ""), token, expires, address, address_at)
        except Exception:
            state.failed_at = self._clock()
            raise

    # -- under the state's lock --------------------------------------------------------------------------------

    def _keep(self, state: _State, found: _Found) -> None:
        state.found = found
        state.good_until = found.expires - TOKEN_MARGIN
        state.look_at = min(state.good_until, found.address_at + ADDRESS_SECONDS)
        state.failed_at = float("-inf")

    def _set(self, state: _State, secret: str) -> None:
        header, uri, known = f"Bearer {secret}", state.found.address, state.current
        if known is None or known.header != header or known.uri != uri:
            state.generation += 1
            state.current = Credential(header, state.generation, uri)

    # -- one question at a time --------------------------------------------------------------------------------

    def _join(self, target: Target, state: _State, work: Callable[[], None]) -> Flight[None]:
        with state.lock:
            if state.flight is None or state.flight.landed:
                state.flight = Flight(work, f"keys-{target.endpoint}")
            return state.flight

    def _await(self, target: Target, flight: Flight[None], patience: float) -> None:
        if not flight.wait(patience):
            raise DeadlineExceeded(
                f"The keys of the endpoint {target.endpoint} could not be read in time.",
                remedy="Allow more time, or try again.",
            )
        flight.result()

    def _state(self, endpoint: str) -> _State:
        with self._lock:
            return self._states.setdefault(endpoint, _State())
