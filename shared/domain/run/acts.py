"""What people and the watch do to a dataset or a run, as its document keeps it. Times are unix seconds, UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from shared.domain.canary import Tally

#: Why traffic goes to another version than the one that had it: a person's rollback or promotion, the watch's breach, a
#: change that somebody made in Azure.
ShiftCause = Literal["rollback", "promote", "breach", "outside"]
#: Causes after which the version that lost the traffic is rolled back, not retired.
BACK: frozenset[ShiftCause] = frozenset({"rollback", "breach", "outside"})


@dataclass(frozen=True)
class Shift:
    """All traffic to the run `to`, away from the run `away`. It is under way until `done_at`; the last one is kept."""

    to: str
    away: str
    cause: ShiftCause
    actor: str
    at: float
    note: str = ""
    done_at: float | None = None
    #: What keeps the endpoint's own traffic from following, where something does.
    trouble: str | None = None

    @property
    def under_way(self) -> bool:
        return self.done_at is None


@dataclass(frozen=True)
class Act:
    """Something that a person has asked for: who, when and why."""

    actor: str
    at: float
    note: str = ""


@dataclass(frozen=True)
class Watch:
    """The look that goes on after 100 %. `before` is the run that had the traffic, and `baseline` what its callers met while
    both shared it. `since` is in the lifecycle's own time, `at` by the clock.
    """

    run_id: str
    before: str
    since: float
    at: float
    baseline: Tally = field(default_factory=Tally)


@dataclass(frozen=True)
class Sleep:
    """The endpoint of a dataset that nobody called: its run's deployment is being taken away, is gone, or is coming back, since
    `at` (unix seconds).
    """

    run_id: str
    stage: Literal["falling", "asleep", "waking"]
    at: float
    #: Deployments that the service let fail while it was woken.
    tries: int = 0


@dataclass(frozen=True)
class Approval:
    """A person is asked before the run gets traffic: `why`, since when; and what was said, by whom."""

    why: str
    asked_at: float
    verdict: Literal["approved", "rejected"] | None = None
    said: Act | None = None
    #: Asked before anything was trained: the word is on the file, not on a model.
    before_training: bool = False
