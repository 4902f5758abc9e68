"""Why a dataset has no model in service, for a caller of the score route: which of several things it is, and what to do."""

from __future__ import annotations

import difflib
import logging
import time
from collections.abc import Callable
from typing import Protocol

from shared.domain.documents import InvalidDocument
from shared.domain.errors import DropMLError, NotFound
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.run.states import OPEN, State

log = logging.getLogger(__name__)

#: Seconds for which an answer is given again, and how many are remembered: callers who ask on cost storage little.
FRESH, MOST = 5.0, 500
#: Names of datasets that are told where none is near.
_NAMED = 10


class Datasets(Protocol):
    """What is known of datasets and runs (`shared.services.run.store.RunStore`)."""

    def find_dataset(self, name: str) -> Dataset: ...
    def slugs(self) -> list[str]: ...
    def load(self, run_id: str) -> tuple[Run, str]: ...


class Absent:
    """Thread-safe: what is remembered is only ever replaced whole."""

    def __init__(self, datasets: Datasets, clock: Callable[[], float] = time.monotonic) -> None:
        self._datasets, self._clock = datasets, clock
        self._told: dict[str, tuple[float, NotFound]] = {}

    def why(self, name: str) -> NotFound:
        """The refusal of a call for this dataset. Where storage tells nothing now, it gives no reason."""
        at, found = self._told.get(name, (0.0, None))
        if found is None or self._clock() - at >= FRESH:
            try:
                found = self._why(name)
            except (DropMLError, InvalidDocument):
                log.warning("why a dataset has no model can't be read", exc_info=True)
                return _none(name, "", "GET /api/datasets lists the datasets and their state.")
            kept = self._told if len(self._told) < MOST else {}
            self._told = {**kept, name: (self._clock(), found)}
        return NotFound(found.message, remedy=found.remedy, code=found.error_code)

    def _why(self, name: str) -> NotFound:
        try:
            dataset = self._datasets.find_dataset(name)
        except NotFound:
            return self._unknown(name)
        if dataset.champion:
            why = f" ({dataset.champion} is live, and not in service here yet)"
            return _none(name, why, "Call again in a minute; GET /api/doctor tells what stands in the way.")
        run = self._newest(dataset)
        if dataset.paused:
            why = f" yet: {dataset.paused.actor} paused the dataset, and nothing trains meanwhile"
            return _none(name, why, f"POST /api/datasets/{dataset.slug}/resume lets it go on.")
        if run is None:
            why = f" yet: no table {dataset.dataset}.csv with a label has come"
            return _none(name, why, f"Drop {dataset.dataset}.csv into the incoming container.")
        return _none(name, *_of(run))

    def _newest(self, dataset: Dataset) -> Run | None:
        claim = dataset.keys.get(dataset.latest_key or "")
        return self._datasets.load(claim.run_id)[0] if claim else None

    def _unknown(self, name: str) -> NotFound:
        slugs = self._datasets.slugs()
        near = difflib.get_close_matches(name.casefold(), slugs, 1, 0.6)
        if near:
            hint = f" Did you mean {near[0]!r}?"
        else:
            more = f" and {len(slugs) - _NAMED} more" if len(slugs) > _NAMED else ""
            hint = (
                f" There are: {', '.join(slugs[:_NAMED])}{more}."
                if slugs
                else " No file has been dropped yet."
            )
        return NotFound(
            f"There is no dataset {name[:80]!r}.{hint}",
            remedy="GET /api/datasets lists them; a CSV of that name in the incoming container makes one.",
            code="unknown-dataset",
        )


def _of(run: Run) -> tuple[str, str]:
    """What became of the newest file, and what to do."""
    shown, said = f"GET /api/runs/{run.run_id}", run.state.replace("_", " ")
    if run.state in OPEN:
        if run.state is State.AWAITING_APPROVAL:
            return (
                f" yet: {run.run_id} waits for a person's word",
                f"POST /api/runs/{run.run_id}/approve gives it.",
            )
        return f" yet: {run.run_id} is {said}", f"Call again once it is live; {shown} tells how far it is."
    if run.state is State.QUARANTINED:
        why = run.problem.code if run.problem else "see its report"
        return (
            f" yet: its file was refused ({why})",
            f"GET /api/quarantine/{run.run_id} says why, and what to do.",
        )
    return (
        f": {run.run_id}, of its newest file, is {said}",
        f"{shown} says why; drop a better file, or retry it.",
    )


def _none(name: str, why: str, remedy: str) -> NotFound:
    return NotFound(
        f"No model of the dataset {name[:80]!r} is in service{why}.", remedy=remedy, code="no-live-model"
    )
