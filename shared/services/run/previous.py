"""The version before stays deployed for instant rollback, for as long as the settings say; then its deployment goes.

The dataset's document decides, as it does for a rollback: of both at the same moment one wins, and the other says why not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.run.states import State
from shared.services.guard import guarded
from shared.services.run.context import Context
from shared.services.run.training import placement_of

#: Between two rounds of looking (seconds).
LOOK_SECONDS = 600.0


class Previous:
    """One per process; what it has seen to be done it doesn't look at again."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._done: dict[str, str] = {}
        self._round: Iterator[str] | None = None
        self._next_at = 0.0

    def tick(self, until: float) -> None:
        """A part of a round, until that moment of the lifecycle's own time."""
        if not self._ctx.guardrails.keep_previous_hours:
            return
        if self._round is None:
            if self._ctx.active() < self._next_at:
                return
            self._round = iter(self._ctx.store.slugs())
        for slug in self._round:
            guarded(self._ctx.log, "version before not looked at", partial(self._look, slug), slug=slug)
            if self._ctx.active() >= until:
                return
        self._round, self._next_at = None, self._ctx.active() + LOOK_SECONDS

    def _look(self, slug: str) -> None:
        dataset = self._ctx.store.dataset(slug)
        if dataset is None or dataset.champion is None or self._done.get(slug) == dataset.champion:
            return
        champion, _ = self._ctx.store.load(dataset.champion)
        if not self._is_time(champion):
            return
        before = _before(dataset, champion)
        if before is None:
            self._done[slug] = champion.run_id
            return
        now = self._ctx.clock()
        decided = self._ctx.store.change_dataset(slug, partial(_taken_away, run_id=before, at=now))
        if before in decided.undeployed and self._undeploy(before):
            self._done[slug] = champion.run_id

    def _is_time(self, champion: Run) -> bool:
        live = max((moment.at for moment in champion.history if moment.state is State.LIVE), default=None)
        hours = self._ctx.guardrails.keep_previous_hours
        return live is not None and self._ctx.clock() - live > hours * 3600

    def _undeploy(self, run_id: str) -> bool:
        """Whether its deployment is gone; begins to delete it where it stands."""
        run, etag = self._ctx.store.load(run_id)
        endpoint, name = placement_of(run)
        found = self._ctx.azureml.deployment(endpoint, name)
        if found is not None and found.state != "Deleting":
            self._ctx.azureml.begin_delete_deployment(endpoint, name)
            return False
        if found is None and not run.undeployed:
            hours = self._ctx.guardrails.keep_previous_hours
            why = f"it was kept for {hours:g} hours after the next version went live (KEEP_PREVIOUS_HOURS)"
            told = replace(run, undeployed=True).record(
                self._ctx.clock(), "undeployed", detail={"deployment": name, "why": why}
            )
            self._ctx.store.save(told, etag)
        elif run.pending:  # told by a host that died before the ledger had it
            self._ctx.store.settle(run, etag)
        return found is None


def _before(dataset: Dataset, champion: Run) -> str | None:
    """The run that had the traffic before the champion."""
    if dataset.shift and dataset.shift.to == champion.run_id:
        return dataset.shift.away
    return champion.gate.champion_run if champion.gate else None


def _taken_away(found: Dataset, run_id: str, at: float) -> Dataset:
    """With the word that this run's deployment goes, unless anything is on its way that may need it."""
    busy = found.open or found.shifting or found.watch or found.promoting or found.change
    if busy or found.champion == run_id or run_id in found.undeployed:
        return found
    return replace(found, undeployed={**found.undeployed, run_id: at})
