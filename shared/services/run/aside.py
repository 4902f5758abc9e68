"""A run that can't be worked on at all: its document kept as it is, and the run ended with the reason."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from shared.domain import names
from shared.domain.documents import InvalidDocument, to_json
from shared.domain.errors import Conflict, DropMLError
from shared.domain.run.parts import RunProblem
from shared.services.guard import Unexpected
from shared.services.run.state_documents import StateDocuments
from shared.services.run.store import RunStore
from shared.services.run.trouble import STRIKE_SECONDS, STRIKES

#: Documents put aside that are nobody's any more.
UNREADABLE = "unreadable/"


@dataclass(frozen=True)
class Struck:
    """`strikes/{name}.json`: how often something unforeseen kept a run or a pipeline run from being looked at."""

    count: int = 0
    at: float = 0.0


def given_up(name: str, error: DropMLError, state: StateDocuments, at: float) -> bool:
    """Whether `error` is the end: at once for what can't be read, after STRIKES for what nobody foresaw, never else."""
    if isinstance(error, InvalidDocument):
        return True
    if not isinstance(error, Unexpected):
        return False
    path = f"strikes/{name}.json"
    before = state.hint(path, Struck) or Struck()
    if abs(at - before.at) <= STRIKE_SECONDS:
        return False
    state.write(path, Struck(before.count + 1, at))
    return before.count + 1 >= STRIKES


def put_aside(run_id: str, error: DropMLError, store: RunStore, at: float) -> None:
    """End the run at `at` (unix seconds): its document kept under `unreadable/`, itself closed and listed as failed."""
    parsed = names.parse_run_id(run_id)
    dataset = store.dataset(parsed[0]) if parsed else None
    first = dataset.open.get(run_id) if dataset else None
    if first is None:
        return
    failed = first.fail(at, RunProblem.of(error))
    store.outbox.of_run(replace(failed, pending=failed.pending[-1:]))
    ended = replace(failed, pending=())
    keep(f"runs/{run_id}.json", run_id, store)
    over(f"runs/{run_id}.json", ended, store)
    store.list_run(ended)
    store.close(first.slug, run_id)
    store.documents.delete(f"strikes/{run_id}.json")


def keep(path: str, name: str, state: StateDocuments) -> None:
    """A copy of the document under `unreadable/`, as far as it can be had."""
    with contextlib.suppress(Conflict):  # kept already
        state.documents.create(f"{UNREADABLE}{name}.json", _as_it_is(path, state))


def over(path: str, document: object, state: StateDocuments) -> None:
    """Write `document` in the place of one that can't be read, for whatever reason."""
    if not _done(lambda: state.write(path, document)):
        state.documents.delete(path)
        state.documents.create(path, to_json(document))


def _done(action: Callable[[], object]) -> bool:
    try:
        action()
    except DropMLError:
        raise
    except Exception:  # noqa: BLE001 - what nobody foresaw is why this is done
        return False
    return True


def _as_it_is(path: str, state: StateDocuments) -> dict[str, Any]:
    try:
        found = state.documents.get(path)
    except InvalidDocument as error:
        return {"text": error.raw}
    except DropMLError:
        raise
    except Exception as error:  # noqa: BLE001 - there is nothing better to keep
        return {"text": None, "error": type(error).__name__}
    return found[0] if found else {}
