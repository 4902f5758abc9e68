"""What the gate saw of a run, and how its rollout goes."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.canary import Tally
from shared.domain.documents import InvalidDocument
from shared.domain.evidence import Diff
from shared.domain.run.documents import Run
from shared.domain.run.serving import ServingEntry
from shared.domain.run.states import State
from shared.services.monitoring import tallies
from shared.services.run.comparing import diff_path
from shared.ui import words
from shared.ui.desk import Desk, Visit
from shared.ui.render import Page
from shared.ui.views.run import opened, shown


@dataclass(frozen=True)
class Side:
    """What callers met of one deployment; `slow` is the 95th percentile's bucket in milliseconds."""

    who: str
    deployment: str
    share: int
    calls: int
    errors: int
    slow: str
    labels: tuple[tuple[str, int, float], ...]


def gate(desk: Desk, visit: Visit) -> Page:
    """The verdict's numbers, and the rows on which the two models differ."""
    of = opened(desk, visit.names[0])
    run = of.run
    numbers = run.gate.numbers if run.gate else None
    found, damaged = None, False
    try:
        found = desk.store.read(diff_path(run.run_id), Diff) if numbers else None
    except InvalidDocument:  # the verdict itself stands in the run
        damaged = True
    more: dict[str, object] = {
        "numbers": numbers,
        "diff": found if found and found.champion_run else None,
        "damaged": damaged,
    }
    return shown(desk, of, "/gate", more, "gate.html", "gate")


def rollout(desk: Desk, visit: Visit) -> Page:
    """Split, calls, errors, latency and labels of each side, limits, time left."""
    of = opened(desk, visit.names[0])
    run = of.run
    ctx = desk.context()
    serving = ctx.store.hint(f"serving/{run.slug}.json", ServingEntry)
    sides: list[Side] = []
    if serving and run.placement and run.placement.deployment:
        seen = tallies.observed(ctx.store.documents, run.slug, serving.updated_at)
        mine = run.placement.deployment
        for name in sorted({*serving.traffic, *seen}, key=lambda each: each == mine):
            who = (
                "challenger"
                if name == mine and run.state is State.CANARY
                else ("this" if name == mine else "champion")
            )
            sides.append(side(who, name, serving.traffic.get(name, 0), seen.get(name, Tally())))
    more: dict[str, object] = {
        "sides": sides,
        "plan": ctx.canary,
        "left": _left(run, desk),
        "counting": run.state is State.CANARY or bool(serving and serving.watched),
    }
    return shown(desk, of, "/rollout", more, "rollout.html", "rollout")


def _left(run: Run, desk: Desk) -> float | None:
    """Seconds until the canary's time is over."""
    ctx = desk.context()
    if run.state is not State.CANARY or run.canary is None or run.canary.paced_since is None:
        return None
    return max(0.0, ctx.canary.seconds - (ctx.active() - run.canary.paced_since))


def side(who: str, name: str, share: int, tally: Tally) -> Side:
    rows = sum(tally.labels.values())
    labels = sorted(tally.labels.items(), key=lambda pair: -pair[1])
    return Side(
        who,
        name,
        share,
        tally.calls,
        tally.errors,
        words.within(tally.within(0.95)),
        tuple((label, n, n / rows) for label, n in labels[:8]),
    )
