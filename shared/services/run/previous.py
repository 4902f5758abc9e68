"""The version before stays deployed for instant rollback, for as long as the settings say; then its deployment goes.

The dataset's document decides, as it does for a rollback: of both at the same moment one wins, and the other says why not.
A change of champion leaves a mark, and what is done takes it away, so that a round costs what is due.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.run.states import State
from shared.services.documents import Entry
from shared.services.run.context import Context
from shared.services.run.dataset_store import SUCCEEDED
from shared.services.run.looks import Looks, Sustained, settled
from shared.services.run.training import placement_of


class Previous:
    """One per process."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._clock = Sustained(ctx)
        self._looks = Looks(ctx, SUCCEEDED, self._look)

    def tick(self, until: float) -> None:
        """A part of a round, until that moment of the lifecycle's own time."""
        if self._ctx.guardrails.keep_previous_hours:
            self._looks.tick(until)

    def _look(self, mark: Entry) -> float | None:
        """Take it away when its hours are over, and then the mark; one that was set anew since stays."""
        due = self._over(float(mark.metadata.get("at", 0.0)))
        if not self._clock.over(mark.path, due):
            return due
        if not self._done(mark.path.removeprefix(SUCCEEDED)):
            return None
        return settled(mark, self._ctx)

    def _done(self, slug: str) -> bool:
        """Whether nothing is left to take away."""
        dataset = self._ctx.store.dataset(slug)
        if dataset is None or dataset.champion is None:
            return True
        champion, _ = self._ctx.store.load(dataset.champion)
        live = max((moment.at for moment in champion.history if moment.state is State.LIVE), default=None)
        if live is None or self._ctx.clock() <= self._over(live):
            return False
        before = _before(dataset, champion)
        if before is None:
            return True
        now = self._ctx.clock()
        decided = self._ctx.store.change_dataset(slug, partial(_taken_away, run_id=before, at=now))
        return before in decided.undeployed and self._undeploy(before)

    def _over(self, since: float) -> float:
        return since + self._ctx.guardrails.keep_previous_hours * 3600

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
    return found.undeploying(run_id, at)
