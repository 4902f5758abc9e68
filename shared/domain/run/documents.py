"""A run: one version of a dataset on its way to production. Pure: no I/O, no clock, no SDK."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

from shared.domain.config import DatasetConfig
from shared.domain.documents import to_json
from shared.domain.errors import Conflict
from shared.domain.run import ledger
from shared.domain.run.acts import Act, Approval
from shared.domain.run.cost import CostEstimate
from shared.domain.run.fresh import Fresh
from shared.domain.run.parts import (
    Canary,
    Decision,
    Gate,
    Model,
    Moment,
    Placement,
    RunProblem,
    Snapshot,
    Source,
    Superseded,
    Training,
    Trial,
    Trouble,
)
from shared.domain.run.states import NEXT, OPEN, State
from shared.domain.threshold import Threshold

#: Of documents with runs in them; `migrations` opens what earlier releases wrote.
SCHEMA_VERSION = 2


@dataclass(frozen=True)
class RunDetail:
    """What anyone may see of a run. `cause` is drop, retrain, drift, pipeline, retry, release or accept-schema."""

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
    config: DatasetConfig = field(default_factory=DatasetConfig)
    source: Source = field(default_factory=Source)
    snapshot: Snapshot | None = None
    training: Training | None = None
    trials: tuple[Trial, ...] = ()
    best: Trial | None = None
    model: Model | None = None
    placement: Placement | None = None
    gate: Gate | None = None
    threshold: Threshold | None = None
    #: How the live model did on its file before it was trained on; None where there was none, or in earlier releases.
    fresh: Fresh | None = None
    canary: Canary | None = None
    problem: RunProblem | None = None
    decision: Decision | None = None
    trouble: Trouble | None = None
    history: tuple[Moment, ...] = ()
    superseded: Superseded | None = None
    #: Parts that the service itself let fail and that were begun a second time: job, endpoint, deployment.
    repeated: tuple[str, ...] = ()
    #: Rules that a person waived for this run alone: schema, max_bad_rows.
    waived: tuple[str, ...] = ()
    #: A person's word on it, where one is asked for or was given.
    approval: Approval | None = None
    #: Who promoted it before its canary was over; who has it cancelled.
    promoted: Act | None = None
    cancelling: Act | None = None
    #: What it waits for that it can't do itself, as a sentence.
    waits_for: str | None = None
    #: Why its training does not begin yet: compute, quota, a cap or no place; it goes on by itself.
    held: RunProblem | None = None
    #: Whether its deployment was taken away to save its cost, once another version was live.
    undeployed: bool = False
    #: The most that its training may use, as far as it was known when it began.
    cost: CostEstimate | None = None
    #: Traffic that somebody set in Azure and the proxy follows, in percent by deployment.
    traffic_outside: dict[str, int] | None = None

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def is_refused(self) -> bool:
        """Whether its file was refused, or is once it has been validated."""
        return self.problem is not None and self.state in (State.DROPPED, State.VALIDATING, State.QUARANTINED)

    @property
    def sets_contract(self) -> bool:
        """Whether the next version is held against this one; what was let pass once is no rule."""
        return self.problem is None and self.cause != "release"


@dataclass(frozen=True)
class Run(RunDetail):
    """The run's document (`dropml-state/runs/{run_id}.json`)."""

    #: Ledger lines not yet appended; `ledger_size` is the ledger's length in bytes before them.
    pending: tuple[str, ...] = ()
    ledger_size: int = 0
    #: Hash of the last line, those still pending included.
    ledger_head: str = ""
    #: When the state was entered, in the lifecycle's own time (`services.run.pulse`); None before the first step.
    paced_at: float | None = None
    schema: int = SCHEMA_VERSION

    def record(
        self, at: float, event: str, actor: str = "dropml", detail: dict[str, object] | None = None
    ) -> Run:
        """With one more entry among the ledger's pending lines, chained to the entry before by its hash."""
        entry: dict[str, object] = {
            "at": round(at, 3),
            "run_id": self.run_id,
            "event": event,
            "state": str(self.state),
            "cause": self.cause,
            "actor": actor,
            "input_hash": self.source.content_hash or None,
            **({"detail": detail} if detail else {}),
        }
        line = ledger.line(entry, self.ledger_head)
        return replace(self, pending=(*self.pending, line), ledger_head=ledger.line_hash(line))

    def opened(self, at: float, actor: str, note: str = "") -> Run:
        """With the first entry of the ledger and the first line of the history."""
        begun = replace(self, history=(Moment(self.state, round(at, 3)),))
        return begun.record(at, "opened", actor, {"note": note} if note else None)

    def advance(
        self,
        state: State,
        at: float,
        *,
        detail: dict[str, object] | None = None,
        actor: str = "dropml",
        **changes: Any,
    ) -> Run:
        """Moved on, with `changes` to its fields and `detail` in the ledger.

        A step that the state machine doesn't know raises Conflict: it would be a bug, not an event.
        """
        ended = state is State.FAILED or (state is State.CANCELLED and self.is_open)
        if not ended and state not in NEXT[self.state]:
            raise Conflict(f"A run can't go from {self.state} to {state}.", code="illegal-transition")
        moved = replace(
            self,
            **changes,
            state=state,
            entered_at=at,
            trouble=None,
            waits_for=None,
            held=None,
            history=(*self.history, Moment(state, round(at, 3))),
        )
        return moved.record(at, "state", actor, detail)

    def repeat(self, state: State, at: float, part: str, why: str) -> Run:
        """Back to `state`, to begin a part once more; history and ledger tell why."""
        moved = self.advance(
            state, at, detail={"repeated": part, "why": why}, repeated=(*self.repeated, part)
        )
        return replace(moved, history=(*self.history, replace(moved.history[-1], note=why)))

    def fail(self, at: float, problem: RunProblem) -> Run:
        """Ended in FAILED with an explanation and a remedy; the state it failed in is kept with them, a log in the run alone."""
        explained = replace(problem, failed_in=self.state)
        told: dict[str, object] = {"problem": to_json(replace(explained, log_tail=""))}
        return self.advance(State.FAILED, at, detail=told, problem=explained)

    def cancel(self, at: float, problem: RunProblem, actor: str = "dropml") -> Run:
        """Ended in CANCELLED with the reason; nothing went wrong."""
        explained = replace(problem, failed_in=self.state)
        told: dict[str, object] = {"problem": to_json(explained)}
        return self.advance(State.CANCELLED, at, detail=told, actor=actor, problem=explained)

    def detail(self) -> RunDetail:
        """Without what the store keeps for itself."""
        return RunDetail(**{f.name: getattr(self, f.name) for f in fields(RunDetail)})
