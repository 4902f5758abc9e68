"""What a worker is asked to do, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Task:
    """`kind`: trial, refit, vote, stack or finish. `out`: folder of the scratch that takes the result.

    `deadline`: unix seconds by which the task should end by itself; `grace` seconds later it is killed.
    """

    kind: str
    out: str
    threads: int
    deadline: float
    options: dict[str, Any] = field(default_factory=dict)
    grace: float = 2.0

    @property
    def result(self) -> str:
        """Name of the stored result."""
        return f"{self.out}/{self.kind}-result"


@dataclass
class Outcome:
    """`result` of a finished task, or `error`: a sentence. `seconds` it took."""

    task: Task
    result: Any = None
    error: str | None = None
    seconds: float = 0.0
