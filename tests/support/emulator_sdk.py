"""The real azure-ai-ml with the real DefaultAzureCredential on an emulator, and a job that takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.emulator_support import (
    Emulator,
    emulator,
    no_schema_download,
    sdk_environment,
    upload_table,
)


@contextmanager
def sdk_emulator(folder: Path, azurite: str, container: str) -> Iterator[Emulator]:
    """Only environment variables tell the SDK where it speaks to. A table lies in the datastore `data`."""
    upload_table(azurite, container, "bank/train")
    options = ["--datastore", f"data={container}", "--operation-seconds", "0.2", "--max-nodes", "2"]
    with emulator(folder, azurite, *options) as found, sdk_environment(found), no_schema_download():
        yield found


def client() -> Any:
    from azure.ai.ml import MLClient
    from azure.identity import DefaultAzureCredential

    return MLClient(
        DefaultAzureCredential(), "00000000-0000-0000-0000-000000000001", "dropml", "dropml-local"
    )


def register_table(ml: Any) -> Any:
    """The table as the mltable asset bank:1."""
    from azure.ai.ml.entities import Data

    asset = Data(
        name="bank",
        version="1",
        type="mltable",
        path="azureml://datastores/data/paths/bank/train",
        skip_validation=True,
    )
    return ml.data.create_or_update(asset)


def quick(job: Any) -> Any:
    """One logistic regression and nothing else: seconds."""
    job.set_limits(timeout_minutes=1, trial_timeout_minutes=1, max_trials=1, max_concurrent_trials=1)
    job.set_training(
        allowed_training_algorithms=["logistic_regression"],
        enable_vote_ensemble=False,
        enable_stack_ensemble=False,
        enable_model_explainability=False,
    )
    return job
