"""The application's settings on one machine: the same names as in Azure, with local values.

They stand in `local.settings.json`, where people may change them: what was edited there stays, but for what the stack
owns (addresses and secrets of its own parts), which is written anew at each start.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dropml.common import private
from dropml.common.processes import StartError
from dropml.stack.places import Places

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
GROUP, WORKSPACE = "dropml", "dropml-local"
LABEL, BUDGET_SECONDS = "y", 60.0
OWNED = frozenset(
    {
        "AzureWebJobsStorage", "DATA_STORAGE", "AZUREML_DEV_URL_MFE", "REQUESTS_CA_BUNDLE",
        "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "APPLICATIONINSIGHTS_CONNECTION_STRING",
        "AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZUREML_WORKSPACE",
    }
)  # fmt: skip


def app_settings(places: Places, label: str, budget_seconds: float, extra: dict[str, str]) -> dict[str, str]:
    """The application's environment."""
    emulator = f"https://localhost:{places.emulator_port}"
    ingestion = f"http://127.0.0.1:{places.ingestion_port}/"
    values = {
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "PYTHON_THREADPOOL_THREAD_COUNT": "110",
        # Of the C library: buffers of blocks go back to the system at once, whichever thread had them.
        "MALLOC_ARENA_MAX": "2",
        "MALLOC_MMAP_THRESHOLD_": "3000000",
        "AzureWebJobsStorage": places.host_storage or places.storage,
        "DATA_STORAGE": places.storage,
        "INCOMING_CONTAINER": "incoming",
        "BLOB_SOURCE": "LogsAndContainerScan",
        "DROPML_HOST_BLOB_POLL_SECONDS": "0.25",
        "DROPML_HOST_MESSAGE_LEASE_SECONDS": "30",
        "LIFECYCLE_SCHEDULE": "* * * * * *",
        "SWEEP_SCHEDULE": "30 * * * * *",
        "RETRAIN_SCHEDULE": "0 0 3 * * 1",
        "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
        "AZURE_RESOURCE_GROUP": GROUP,
        "AZUREML_WORKSPACE": WORKSPACE,
        "AZUREML_COMPUTE": "cpu-cluster",
        "AZUREML_DEV_URL_MFE": emulator,
        "DATASTORE": "dropml_data",
        "REQUESTS_CA_BUNDLE": places.ca,
        "IDENTITY_ENDPOINT": f"{emulator}/msi/token",
        "IDENTITY_HEADER": places.identity_header,
        "APPLICATIONINSIGHTS_CONNECTION_STRING": (
            f"InstrumentationKey={places.instrumentation_key};IngestionEndpoint={ingestion}"
        ),
        "LABEL_COLUMN": label,
        "EXPERIMENT_TIMEOUT_MINUTES": str(budget_seconds / 60),
        "TRIAL_TIMEOUT_MINUTES": str(budget_seconds / 60),
        "CANARY_SECONDS": "2",
        "WATCH_SECONDS": "60",
        "DASHBOARD_LOOK_SECONDS": "2",
        "TRAFFIC_SECONDS": "5",
        "DROP_SETTLE_SECONDS": "3",
    }
    return values | extra


def chosen(label: str | None, budget: float | None) -> frozenset[str]:
    """Names of the settings that the command itself names: they win over the file."""
    names = {"LABEL_COLUMN"} if label is not None else set()
    return frozenset(
        names | ({"EXPERIMENT_TIMEOUT_MINUTES", "TRIAL_TIMEOUT_MINUTES"} if budget is not None else set())
    )


def with_edits(
    values: Mapping[str, str], found: Mapping[str, str], written: Mapping[str, str], given: frozenset[str]
) -> dict[str, str]:
    """`values`, but where the file (`found`) differs from what was written last, and the stack doesn't own it: the file's.

    What a person took out stays out. `given` are the names that this start asks for.
    """
    fixed = OWNED | given
    merged = dict(values)
    for name in {*found, *written} - fixed:
        if name not in found:
            merged.pop(name, None)
        elif found[name] != written.get(name, values.get(name)):
            merged[name] = found[name]
    return merged


def read(path: Path) -> dict[str, Any]:
    """The settings file as it is; empty if there is none. Raises StartError if it can't be read."""
    if not path.is_file():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
        values = document.get("Values", {})
        if not all(isinstance(value, str) for value in values.values()):
            raise ValueError("Values must be strings, each in quotes")
    except (OSError, ValueError, AttributeError) as error:
        raise StartError(
            f"{path} can't be read: {error}. Mend it, or delete it to have it made anew."
        ) from error
    return dict(document)


def write(path: Path, document: dict[str, Any], values: Mapping[str, str]) -> None:
    """Write the file with these values; what else a person put into it (CORS, say) stays."""
    private.write_json(path, {"IsEncrypted": False, **document, "Values": dict(values)})
