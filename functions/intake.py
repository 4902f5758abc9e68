"""A dropped table starts a run; whatever else is dropped is told of, so every name is taken.

The trigger binds the blob's client, never its bytes: a file may be gigabytes.
"""

from __future__ import annotations

import os

import azure.functions as func
from azurefunctions.extensions.bindings import blob

from shared import front
from shared.setting_kinds import plain

bp = func.Blueprint()  # type: ignore[no-untyped-call]
#: Read when the host indexes the app, where a wrong one must not stop it: `shared.settings` refuses that.
SOURCE = (
    func.BlobSource.EVENT_GRID
    if plain(os.environ.get("BLOB_SOURCE", "").strip()) == "eventgrid"
    else func.BlobSource.LOGS_AND_CONTAINER_SCAN
)


@bp.blob_trigger(
    arg_name="client", path="%INCOMING_CONTAINER%/{name}", connection="DATA_STORAGE", source=SOURCE
)
def on_drop(client: blob.BlobClient) -> None:
    """Validate, snapshot, register, and start training; redelivery of the same version is the same run."""
    front.intake().drop(client.container_name, client.blob_name)


@bp.timer_trigger(arg_name="timer", schedule="%SWEEP_SCHEDULE%", use_monitor=False)
def sweep(timer: func.TimerRequest) -> None:
    """Find the files that the trigger missed, delete what is old, and have at hand what the first training job needs."""
    from shared import checkup

    checkup.came("sweep")
    front.sweep()
    front.ready()
