"""What was decided about training a dataset anew, and what a run would learn from: `retraining/{slug}.json`. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from shared.domain import names
from shared.domain.run.documents import Run

Trigger = Literal["schedule", "new-data", "drift"]
#: `waiting` is looked at again until it is one of the others.
Outcome = Literal["started", "skipped", "waiting"]
Code = Literal[
    "started",
    "nothing-new",
    "too-few-new-rows",
    "cooling-down",
    "run-under-way",
    "paused",
    "joining-versions",
]
#: Of what can pass: a schedule's time goes by with these all the same, everything else waits.
PASSING: frozenset[Code] = frozenset({"cooling-down", "run-under-way", "paused", "joining-versions"})


@dataclass(frozen=True)
class Decision:
    """Why a run was begun, or none. `occurrence` names what asked for it: the same asks for one run, however often."""

    at: float
    trigger: Trigger
    occurrence: str
    outcome: Outcome
    code: Code
    reason: str
    run_id: str | None = None


@dataclass(frozen=True)
class Retraining:
    """`since`: times of the schedule up to it are dealt with (unix seconds)."""

    since: float
    last: Decision | None = None
    #: The last decision by which a run was begun.
    started: Decision | None = None
    #: Windows that begin before it have had their effect.
    drift_until: float = 0.0


@dataclass(frozen=True)
class Material:
    """What a run would be trained on: the newest versions' runs, the newest first. `note` says why they are fewer than asked."""

    runs: tuple[Run, ...]
    note: str = ""

    @property
    def newest(self) -> Run:
        return self.runs[0]

    @property
    def contents(self) -> tuple[str, ...]:
        return tuple(run.source.content_hash for run in self.runs)

    @property
    def content_hash(self) -> str:
        """Of one version its own, of several that of all of theirs."""
        return self.contents[0] if len(self.runs) == 1 else joined_hash(self.contents)

    @property
    def fingerprint(self) -> str:
        """The same data with the same configuration."""
        return names.digest("material", self.content_hash, self.newest.config_hash)

    def new_rows(self, known: Iterable[str]) -> int:
        """Rows of the versions whose content is none of `known`."""
        there = set(known)
        return sum(
            run.snapshot.rows for run in self.runs if run.snapshot and run.source.content_hash not in there
        )


def joined_hash(contents: Iterable[str]) -> str:
    return names.digest("joined", *contents)


def fingerprint_of(run: Run) -> str:
    """Of what a run was trained on."""
    return names.digest("material", run.source.content_hash, run.config_hash)


def contents_of(run: Run) -> tuple[str, ...]:
    """The contents that a run was trained on."""
    joined = run.snapshot.joined if run.snapshot else ()
    return joined or (run.source.content_hash,)
