"""What a worker is asked to do; light, so that the main process imports no machine learning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Task:
    """`kind`: trial, refit, vote, stack or finish. `out`: folder of the store that takes the result.

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


def run(root: str, task: Task) -> None:
    """Entry point of a worker process."""
    from dropml.azureml.automl.search import worker

    worker.main(root, task)
