"""What a worker is asked to do, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dropml.azureml.automl.model.mixture import Mixture


@dataclass(frozen=True)
class Fit:
    """A trial: an algorithm fitted on each fold."""

    algorithm: str
    params: dict[str, Any]


@dataclass(frozen=True)
class Refit:
    """The same on all rows. `rounds` None: as many as the parameters say; `tuned`: what the trial chose by itself."""

    algorithm: str
    params: dict[str, Any]
    rounds: int | None
    tuned: dict[str, Any]


@dataclass(frozen=True)
class Vote:
    """A weighted mean of some of the members, trials' folders. `trees`: how many a row walks through in each."""

    members: list[str]
    trees: dict[str, int]


@dataclass(frozen=True)
class Stack:
    """A linear model on the predictions of all the members, trials' folders."""

    members: list[str]


@dataclass(frozen=True)
class Finish:
    """The best trial's model, saved and compiled. `explain_dir` None: nothing is explained."""

    mixture: Mixture
    refitted: bool
    model_dir: Path
    explain_dir: Path | None


Work = Fit | Refit | Vote | Stack | Finish


@dataclass(frozen=True)
class Task:
    """`out`: where in the scratch folder the result goes.

    `deadline`: the moment of `time.monotonic()`, which all processes share, by which the task should
    end by itself; `grace` seconds later it is killed.
    """

    work: Work
    out: str
    threads: int
    deadline: float
    grace: float = 2.0

    @property
    def result(self) -> str:
        """Name of the stored outcome."""
        return f"{self.out}/{type(self.work).__name__.lower()}-result"


@dataclass(frozen=True)
class RefitPlan:
    """For a fit on all rows: rounds and parameters, and how many times a fold's rows it will have (`share`)."""

    rounds: int | None
    tuned: dict[str, Any]
    share: float


@dataclass(frozen=True)
class Result:
    """What a trial or an ensemble came to. Seconds are a fold's mean; an ensemble has none, and no plan."""

    metrics: dict[str, float]
    mixture: Mixture
    fit_s: float = 0.0
    wall_s: float = 0.0
    plan: RefitPlan | None = None


@dataclass
class Outcome:
    """`result` of a finished task (None of a refit), or `error`: a sentence. `seconds` it took."""

    task: Task
    result: Result | None = None
    error: str | None = None
    seconds: float = 0.0
