"""Endpoints that nobody has called for as long as the settings say are put to sleep."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from shared.domain.run.states import State
from shared.services.guard import guarded
from shared.services.monitoring.last_calls import last_call
from shared.services.run.context import Context
from shared.services.run.levers.sleeping import fallen

#: Between two rounds of looking (seconds).
LOOK_SECONDS = 600.0


class Idle:
    """One per process."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._round: Iterator[str] | None = None
        self._next_at = 0.0

    def tick(self, until: float) -> None:
        """A part of a round, until that moment of the lifecycle's own time."""
        if not self._ctx.guardrails.idle_hours:
            return
        if self._round is None:
            if self._ctx.active() < self._next_at:
                return
            self._round = iter(self._ctx.store.slugs())
        for slug in self._round:
            guarded(self._ctx.log, "idle endpoint not looked at", partial(self._look, slug), slug=slug)
            if self._ctx.active() >= until:
                return
        self._round, self._next_at = None, self._ctx.active() + LOOK_SECONDS

    def _look(self, slug: str) -> None:
        ctx = self._ctx
        dataset = ctx.store.dataset(slug)
        if dataset is None or dataset.champion is None or dataset.busy or dataset.sleep:
            return
        champion, _ = ctx.store.load(dataset.champion)
        live = max((moment.at for moment in champion.history if moment.state is State.LIVE), default=None)
        since = max(live or ctx.clock(), last_call(ctx.store.documents, slug) or 0.0)
        if ctx.clock() - since <= ctx.guardrails.idle_hours * 3600:
            return
        before = champion.gate.champion_run if champion.gate else None
        if dataset.shift and dataset.shift.to == champion.run_id:
            before = dataset.shift.away
        ctx.store.mark_open(slug)  # between the reading and the writing of the dataset: see `rest`
        ctx.store.change_dataset(slug, partial(fallen, at=ctx.clock(), before=before))
