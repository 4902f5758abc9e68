"""A paused dataset: its files are still taken and recorded, and its model answers; nothing trains, nothing is promoted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from shared.domain.run.acts import Act
from shared.domain.run.documents import Run
from shared.services.run.context import Context

Step = Callable[[Run, Context], Run]


def unless_paused(step: Step) -> Step:
    """The step, but a run of a paused dataset waits before it, and says for what."""

    def wrapped(run: Run, ctx: Context) -> Run:
        dataset = ctx.store.dataset(run.slug)
        if dataset is None or dataset.paused is None:
            return step(run, ctx)
        return waiting(run, dataset.paused)

    return wrapped


def waiting(run: Run, paused: Act) -> Run:
    """The run, waiting until its dataset is resumed."""
    why = f" ({paused.note})" if paused.note else ""
    return replace(
        run,
        waits_for=(
            f"{paused.actor} paused the dataset{why}: POST /api/datasets/{run.slug}/resume lets it go on."
        ),
    )
