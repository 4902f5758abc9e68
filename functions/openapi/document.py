"""The OpenAPI 3.1 document of the whole HTTP surface, made from what is in service now."""

from __future__ import annotations

from collections.abc import Collection

from functions.openapi import (
    acts,
    doctor,
    endpoints,
    health,
    judgement,
    notifications,
    parts,
    pipelines,
    quarantine,
    rows,
    run_files,
    runs,
    scoring,
    session,
    thresholds,
)
from functions.openapi.components import components
from functions.openapi.parts import Doc
from shared.domain.run.serving import ServingEntry

VERSION = "0.1.0"
KEY_SCHEME = "functionKey"

_INTRO = """Drop a CSV into the incoming container; the model that comes out of it answers here.

Every call but `/api/health` and `/api/docs` wants a function key in `x-functions-key`. Errors are
[problem+json](https://www.rfc-editor.org/rfc/rfc9457) with a stable `code`, and say what to do under `remedy`."""

_TAGS = [
    {"name": "scoring", "description": "Rows in, predictions out."},
    {"name": "batch", "description": "Whole files, in the background."},
    {"name": "endpoints", "description": "The endpoints behind the models."},
    {"name": "runs", "description": "Versions of a dataset on their way to production."},
    {"name": "acts", "description": "What people do to runs and datasets."},
    {"name": "quarantine", "description": "Refused files, and what is made of them."},
    {"name": "notifications", "description": "What people are told, and whether it reached them."},
    {"name": "pipelines", "description": "Retraining."},
    {"name": "dashboard", "description": "Signing in to the pages under /api/dashboard."},
    {"name": "docs"},
    {"name": "health"},
]


def document(entries: list[ServingEntry], batch_sources: Collection[str]) -> Doc:
    """The document; `entries` are the datasets in service, `batch_sources` the containers batches are read from."""
    paths: Doc = {}
    schemas: Doc = {
        **components(),
        "BlobSource": scoring.blob_source(batch_sources),
        **endpoints.SCHEMAS,
        **thresholds.SCHEMAS,
    }
    for entry in sorted(entries, key=lambda e: e.slug):
        schemas |= rows.dataset_schemas(entry)
        paths |= scoring.dataset_paths(entry)
    paths |= scoring.any_score(entries)
    paths |= scoring.PATHS | endpoints.PATHS | runs.PATHS | run_files.PATHS | acts.PATHS | thresholds.PATHS
    paths |= (
        judgement.PATHS
        | notifications.PATHS
        | quarantine.PATHS
        | pipelines.PATHS
        | session.PATHS
        | health.PATHS
        | doctor.PATHS
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "DropML", "version": VERSION, "description": _INTRO},
        "servers": [{"url": "/"}],
        "tags": _TAGS,
        "security": [{KEY_SCHEME: []}],
        "paths": paths,
        "components": {
            "securitySchemes": {KEY_SCHEME: {"type": "apiKey", "in": "header", "name": "x-functions-key"}},
            "responses": parts.RESPONSES,
            "schemas": schemas,
        },
    }
