"""A dropped CSV starts a run. The trigger binds the blob's client, never its bytes: a file may be gigabytes."""

from __future__ import annotations

import os

import azure.functions as func
import azurefunctions.extensions.bindings.blob as blob

from shared import bootstrap

bp = func.Blueprint()  # type: ignore[no-untyped-call]
#: LogsAndContainerScan, or EventGrid (the only one on Flex Consumption). Read when the host indexes the app.
SOURCE = func.BlobSource(os.environ.get("BLOB_SOURCE") or "LogsAndContainerScan")


@bp.blob_trigger(
    arg_name="client", path="%INCOMING_CONTAINER%/{name}.csv", connection="DATA_STORAGE", source=SOURCE
)
def on_drop(client: blob.BlobClient) -> None:
    """Validate, snapshot, register, and start training; redelivery of the same version is the same run."""
    bootstrap.intake().drop(client.container_name, client.blob_name)


@bp.timer_trigger(arg_name="timer", schedule="%SWEEP_SCHEDULE%", use_monitor=True)
def sweep(timer: func.TimerRequest) -> None:
    """Find the files that the trigger missed."""
    bootstrap.intake().sweep()
