"""Endpoints that nobody has called for as long as the settings say are put to sleep."""

from __future__ import annotations

from functools import partial

from shared.domain.run.states import State
from shared.services.documents import Entry
from shared.services.monitoring.last_calls import last_call
from shared.services.run.context import Context
from shared.services.run.levers.sleeping import fallen
from shared.services.run.looks import UNTIL_CHANGED, Looks, Sustained

FOLDER = "datasets/"


class Idle:
    """One per process."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._clock = Sustained(ctx)
        self._looks = Looks(ctx, FOLDER, self._look)

    def tick(self, until: float) -> None:
        """A part of a round, until that moment of the lifecycle's own time."""
        if self._ctx.guardrails.idle_hours:
            self._looks.tick(until)

    def _look(self, entry: Entry) -> float | None:
        """When it may be idle for long enough, as things stand; sends it to sleep where it is now."""
        ctx, slug = self._ctx, entry.path.removeprefix(FOLDER).removesuffix(".json")
        dataset = ctx.store.dataset(slug)
        if dataset is None or dataset.champion is None or dataset.busy or dataset.sleep:
            return UNTIL_CHANGED
        champion, _ = ctx.store.load(dataset.champion)
        live = max((moment.at for moment in champion.history if moment.state is State.LIVE), default=None)
        since = max(live or ctx.clock(), last_call(ctx.store.documents, slug) or 0.0)
        due = since + ctx.guardrails.idle_hours * 3600
        if not self._clock.over(slug, due):
            return due
        before = champion.gate.champion_run if champion.gate else None
        if dataset.shift and dataset.shift.to == champion.run_id:
            before = dataset.shift.away
        ctx.store.mark_open(slug)  # between the reading and the writing of the dataset: see `rest`
        ctx.store.change_dataset(slug, partial(fallen, at=ctx.clock(), before=before))
        return None
