"""A run: one version of a dataset on its way to production. Pure: no I/O, no clock, no SDK."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any

from shared.domain.errors import Conflict

SCHEMA_VERSION = 1


class State(StrEnum):
    DROPPED = "dropped"
    VALIDATING = "validating"
    QUARANTINED = "quarantined"
    REGISTERED = "registered"
    TRAINING = "training"
    TRAINED = "trained"
    MODEL_REGISTERED = "model_registered"
    DEPLOYING = "deploying"
    VERIFYING = "verifying"
    GATE = "gate"
    CANARY = "canary"
    LIVE = "live"
    REJECTED = "rejected"
    RETIRED = "retired"
    FAILED = "failed"


S = State
NEXT: dict[State, frozenset[State]] = {
    S.DROPPED: frozenset({S.VALIDATING}),
    S.VALIDATING: frozenset({S.QUARANTINED, S.REGISTERED}),
    S.REGISTERED: frozenset({S.TRAINING}),
    S.TRAINING: frozenset({S.TRAINED}),
    S.TRAINED: frozenset({S.MODEL_REGISTERED}),
    S.MODEL_REGISTERED: frozenset({S.DEPLOYING}),
    S.DEPLOYING: frozenset({S.VERIFYING}),
    S.VERIFYING: frozenset({S.GATE}),
    S.GATE: frozenset({S.REJECTED, S.CANARY, S.LIVE}),
    S.CANARY: frozenset({S.LIVE, S.REJECTED}),
    S.LIVE: frozenset({S.RETIRED}),
    S.QUARANTINED: frozenset(),
    S.REJECTED: frozenset(),
    S.RETIRED: frozenset(),
    S.FAILED: frozenset(),
}
#: States that the timer works on; any of them may end in FAILED.
OPEN = frozenset(s for s, following in NEXT.items() if following and s is not S.LIVE)
#: States after which the same data may be tried again under the next attempt.
RETRYABLE = frozenset({S.QUARANTINED, S.FAILED, S.REJECTED})


def line_hash(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()


@dataclass
class Run:
    """The run's document (`dropml-state/runs/{run_id}.json`). Times are unix seconds, UTC."""

    run_id: str
    dataset: str
    slug: str
    n: int
    attempt: int
    key: str
    cause: str
    state: State
    created_at: float
    entered_at: float
    config_hash: str
    config: dict[str, Any] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    job: dict[str, Any] = field(default_factory=dict)
    trials: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    endpoint: dict[str, Any] = field(default_factory=dict)
    gate: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    #: What went wrong in this state without ending the run: `{count, message, at}`.
    trouble: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    #: Ledger lines not yet appended; `ledger_size` is the ledger's length in bytes before them.
    pending: list[str] = field(default_factory=list)
    ledger_size: int = 0
    ledger_head: str = ""
    schema: int = SCHEMA_VERSION

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    def record(self, at: float, event: str, actor: str = "dropml", **detail: Any) -> None:
        """Add one entry to the ledger's pending lines, chained to the entry before by its hash."""
        entry = {
            "at": round(at, 3),
            "run_id": self.run_id,
            "event": event,
            "state": str(self.state),
            "cause": self.cause,
            "actor": actor,
            "input_hash": self.source.get("content_hash"),
            **({"detail": detail} if detail else {}),
            "prev": self.ledger_head,
        }
        line = json.dumps(entry, sort_keys=True, separators=(",", ":"))
        self.pending.append(line)
        self.ledger_head = line_hash(line)

    def open_ledger(self, at: float, actor: str) -> None:
        """The first entry and the first line of the history."""
        self.history.append({"state": str(self.state), "at": round(at, 3)})
        self.record(at, "opened", actor)

    def advance(self, state: State, at: float, **detail: Any) -> None:
        """Move on. A step the state machine doesn't know raises Conflict: it would be a bug, not an event."""
        if state is not S.FAILED and state not in NEXT[self.state]:
            raise Conflict(f"A run can't go from {self.state} to {state}.", code="illegal-transition")
        self.state = state
        self.entered_at = at
        self.trouble = {}
        self.history.append({"state": str(state), "at": round(at, 3)})
        self.record(at, "state", **detail)

    def fail(self, at: float, error: dict[str, Any]) -> None:
        """End in FAILED with an explanation and a remedy; the state it failed in is kept in the error."""
        self.error = {**error, "failed_in": str(self.state)}
        self.advance(S.FAILED, at, error=self.error)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"state": str(self.state)}

    @staticmethod
    def from_dict(doc: dict[str, Any]) -> Run:
        """A document of an older release lacks newer fields: they take their defaults. Unknown ones are dropped."""
        known = {f.name for f in fields(Run)}
        values = {k: v for k, v in doc.items() if k in known}
        return Run(**(values | {"state": State(doc["state"])}))


def verify_chain(lines: list[str]) -> int | None:
    """Index of the first ledger line whose `prev` is not the hash of the line before; None when the chain holds."""
    head = ""
    for index, line in enumerate(lines):
        if json.loads(line)["prev"] != head:
            return index
        head = line_hash(line)
    return None
