"""Where a worker process begins; light, so that the main process imports no machine learning."""

from __future__ import annotations

from dropml.azureml.automl.search.task import Task


def run(root: str, task: Task) -> None:
    """Do `task` in the scratch folder `root`."""
    from dropml.azureml.automl.search import worker

    worker.main(root, task)
