"""The states of a run and the moves between them."""

from __future__ import annotations

from enum import StrEnum


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
    AWAITING_APPROVAL = "awaiting_approval"
    CANARY = "canary"
    LIVE = "live"
    REJECTED = "rejected"
    RETIRED = "retired"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    CANCELLED = "cancelled"


S = State
#: Back to REGISTERED and MODEL_REGISTERED where the service itself let a job, an endpoint or a deployment fail: once each.
#: Back to GATE once a person has approved: what is live may be another model by then; back to REGISTERED where the word was
#: on the file, before it was trained on. Back to LIVE by a rollback or a
#: person's promotion, as long as the deployment stands.
NEXT: dict[State, frozenset[State]] = {
    S.DROPPED: frozenset({S.VALIDATING}),
    S.VALIDATING: frozenset({S.QUARANTINED, S.REGISTERED}),
    S.REGISTERED: frozenset({S.TRAINING, S.AWAITING_APPROVAL, S.REJECTED}),
    S.TRAINING: frozenset({S.TRAINED, S.REGISTERED}),
    S.TRAINED: frozenset({S.MODEL_REGISTERED}),
    S.MODEL_REGISTERED: frozenset({S.DEPLOYING, S.MODEL_REGISTERED}),
    S.DEPLOYING: frozenset({S.VERIFYING, S.MODEL_REGISTERED}),
    S.VERIFYING: frozenset({S.GATE}),
    S.GATE: frozenset({S.REJECTED, S.AWAITING_APPROVAL, S.CANARY, S.LIVE}),
    S.AWAITING_APPROVAL: frozenset({S.GATE, S.REGISTERED, S.REJECTED}),
    S.CANARY: frozenset({S.LIVE, S.REJECTED, S.ROLLED_BACK}),
    S.LIVE: frozenset({S.RETIRED, S.ROLLED_BACK}),
    S.QUARANTINED: frozenset(),
    S.REJECTED: frozenset(),
    S.RETIRED: frozenset({S.LIVE}),
    S.ROLLED_BACK: frozenset({S.LIVE}),
    S.FAILED: frozenset(),
    S.CANCELLED: frozenset(),
}
#: States that the timer works on; any of them may end in FAILED or CANCELLED.
OPEN = frozenset(s for s, following in NEXT.items() if following) - {S.LIVE, S.RETIRED, S.ROLLED_BACK}
#: States of a version that was live; where its deployment still stands it can be again.
FORMER = frozenset({S.RETIRED, S.ROLLED_BACK})
#: States after which the same data may be tried again under the next attempt.
RETRYABLE = frozenset({S.QUARANTINED, S.FAILED, S.REJECTED, S.CANCELLED})
#: States whose table is no version that the next one is held against; nothing was wrong with that of a cancelled run.
NO_CONTRACT = RETRYABLE - {S.CANCELLED}
