"""A run whose document can't be read: kept as it is, and ended."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

from shared.domain import names
from shared.domain.documents import InvalidDocument
from shared.domain.errors import Conflict, DropMLError
from shared.domain.run.parts import RunProblem
from shared.services.run.store import RunStore


def put_aside(run_id: str, error: DropMLError, store: RunStore, at: float) -> None:
    """End the run at `at` (unix seconds): its document kept under `unreadable/`, itself closed and listed as failed."""
    parsed = names.parse_run_id(run_id)
    dataset = store.dataset(parsed[0]) if parsed else None
    first = dataset.open.get(run_id) if dataset else None
    if first is None:
        return
    path = f"runs/{run_id}.json"
    with contextlib.suppress(Conflict):  # kept already
        store.documents.create(f"unreadable/{run_id}.json", _as_it_is(path, store))
    ended = replace(first.fail(at, RunProblem.of(error)), pending=())
    store.write(path, ended)
    store.list_run(ended)
    store.close(first.slug, run_id)


def _as_it_is(path: str, store: RunStore) -> dict[str, Any]:
    try:
        found = store.documents.get(path)
    except InvalidDocument as error:
        return {"text": error.raw}
    return found[0] if found else {}
