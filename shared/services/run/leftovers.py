"""Deployments that nothing names any more cost money for nothing: of runs that failed, of deletions that Azure refused.

A run that ends leaves a mark; the housekeeping looks at what stands then, and takes the mark away once nothing is left over.
What people have deployed themselves is theirs.
"""

from __future__ import annotations

from shared.domain import names
from shared.domain.errors import NotFound
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.services.documents import Entry
from shared.services.run.context import Context
from shared.services.run.dataset_store import ENDED
from shared.services.run.looks import Looks, settled
from shared.services.run.ports import Deployment
from shared.services.run.training import placement_of

#: States in which a deployment can be deleted.
_SETTLED = ("Succeeded", "Failed", "Canceled")


class Leftovers:
    """One per process."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._looks = Looks(ctx, ENDED, self._look)

    def tick(self, until: float) -> None:
        """A part of a round, until that moment of the lifecycle's own time."""
        self._looks.tick(until)

    def _look(self, mark: Entry) -> float | None:
        """One that was set anew since stays."""
        if not self._done(mark.path.removeprefix(ENDED)):
            return None
        return settled(mark, self._ctx)

    def _done(self, slug: str) -> bool:
        """Whether nothing is left over; begins to delete what is."""
        ctx, dataset = self._ctx, self._ctx.store.dataset(slug)
        if dataset is None:
            return True
        name = names.endpoint(slug, ctx.workspace_id, dataset.dataset)
        endpoint = ctx.azureml.endpoint(name)
        if endpoint is None:
            return True
        used = {deployment for deployment, share in endpoint.traffic.items() if share}
        found = spare(slug, name, _before(dataset, ctx), ctx)
        for each in found:
            if (
                each.state in _SETTLED and each.name not in used
            ):  # somebody's traffic keeps it; that may move on
                ctx.azureml.begin_delete_deployment(name, each.name)
                ctx.log("deployment-taken-away", slug=slug, endpoint=name, deployment=each.name)
        return not found


def spare(slug: str, endpoint: str, keep: set[str], ctx: Context, ending: str = "") -> list[Deployment]:
    """The endpoint's deployments of DropML's making that neither `keep` has nor anything names: the champion, a shift of
    traffic, open runs but the one that is `ending`, for they are still to be judged.
    """
    try:
        listed = list(ctx.azureml.deployments(endpoint))
    except NotFound:
        return []
    dataset = ctx.store.change_dataset(
        slug, lambda found: found
    )  # after the listing: what was begun since is in neither
    kept = set(keep)
    for run in dataset.open.values():
        kept |= names.deployments(run.n, run.attempt) if run.run_id != ending else frozenset()
    for run_id in _in_force(dataset) - {ending}:
        kept.add(_deployment(ctx.store.load(run_id)[0]))
    return [each for each in listed if names.deployed(each.name) and each.name not in kept]


def _in_force(dataset: Dataset) -> set[str]:
    """Runs that answer callers now, or are about to; none while it is asleep."""
    if dataset.sleep and dataset.sleep.stage == "asleep":
        return set()
    shift = dataset.shifting
    return {run_id for run_id in (dataset.champion, *((shift.to, shift.away) if shift else ())) if run_id}


def _before(dataset: Dataset, ctx: Context) -> set[str]:
    """The deployment that had the traffic before the champion, kept for a rollback unless it sleeps."""
    if dataset.champion is None or dataset.sleep:
        return set()
    champion, shift = ctx.store.load(dataset.champion)[0], dataset.shift
    before = champion.gate.champion_run if champion.gate else None
    if shift and shift.to == champion.run_id:
        before = shift.away
    return {_deployment(ctx.store.load(before)[0])} if before else set()


def _deployment(run: Run) -> str:
    return placement_of(run)[1]
