"""Traffic that somebody changed in Azure, in the studio or with its command line, is noticed and followed.

One listing of the workspace's endpoints a look, held against what the proxy goes by. All traffic on a version that was live
before is a rollback by a person; any other split the proxy follows as it is. Splits that DropML is making itself are its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from shared.domain import names
from shared.domain.errors import NotFound
from shared.domain.run.acts import Shift
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.run.serving import ServingEntry
from shared.domain.run.states import FORMER, State
from shared.services import conditional
from shared.services.documents import entries
from shared.services.guard import guarded
from shared.services.run.context import Context
from shared.services.run.levers.shifting import follow, shifted
from shared.services.run.ports import Endpoint
from shared.services.run.traffic import SETTLED, deployment_of, write_serving

#: Who did it, as far as Azure tells us here: its activity log has the name.
ACTOR = "azure"
_DEPLOYMENT = re.compile(r"m(?P<n>[1-9]\d*)-a(?P<attempt>[1-9]\d*)(?:-r2)?")


class OutsideTraffic:
    """One per process: it remembers the serving documents that it has read."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._known: dict[str, tuple[str, ServingEntry]] = {}
        self._looked_at = float("-inf")

    def tick(self, deadline: float) -> None:
        """A look where one is due, until `ctx.active()` reaches `deadline`; without anything in service it costs one call."""
        ctx = self._ctx
        if ctx.active() - self._looked_at < ctx.pace.traffic_seconds:
            return
        self._looked_at = ctx.active()
        served = list(self._entries(deadline))
        if not served:
            return
        endpoints = {found.name: found for found in ctx.azureml.all_endpoints()}
        for entry in served:
            found = endpoints.get(entry.endpoint)
            if ctx.active() >= deadline:
                self._looked_at = float("-inf")
                return
            if found is not None and _differs(found, entry):
                guarded(ctx.log, "traffic not followed", partial(self._look, entry.slug), slug=entry.slug)

    def _entries(self, deadline: float) -> Iterator[ServingEntry]:
        """A listing call a 5,000 datasets, and a read of each document that has changed."""
        seen = set()
        for listed in entries(self._ctx.store.documents, "serving/"):
            seen.add(listed.path)
            known = self._known.get(listed.path)
            if known is None or known[0] != listed.etag:
                if self._ctx.active() >= deadline:
                    continue
                entry = self._ctx.store.hint(listed.path, ServingEntry)
                if entry is None:
                    continue
                known = self._known[listed.path] = listed.etag, entry
            yield known[1]
        self._known = {path: one for path, one in self._known.items() if path in seen}

    def _look(self, slug: str) -> None:
        """Both sides are read again: a list lags, and what DropML itself has just moved reads back old for a while."""
        ctx = self._ctx
        dataset, entry = ctx.store.dataset(slug), ctx.store.hint(f"serving/{slug}.json", ServingEntry)
        if dataset is None or entry is None or dataset.champion is None or self._own(dataset):
            return
        if abs(ctx.clock() - entry.updated_at) < ctx.pace.settle_seconds:
            return
        endpoint = ctx.azureml.endpoint(entry.endpoint)
        if endpoint is None or not _differs(endpoint, entry):
            return
        traffic = {name: share for name, share in endpoint.traffic.items() if share}
        champion = ctx.store.load(dataset.champion)[0]
        runs = [run for name in sorted(traffic) if (run := self._run_of(slug, name))]
        told: dict[str, object] = {"before": entry.traffic, "now": traffic}
        ctx.log("traffic-changed-outside", slug=slug, run_id=champion.run_id, **told)
        (whole,) = runs if len(traffic) == len(runs) == 1 else (None,)
        if whole is not None and whole.state in FORMER:
            self._rolled_back(dataset, whole, told)
            return
        self._record(champion.run_id, traffic, told)
        if traffic:
            other = next((run for run in runs if run.run_id != champion.run_id), None)
            write_serving(champion, endpoint, other, ctx)

    def _own(self, dataset: Dataset) -> bool:
        """Whether DropML is moving this dataset's traffic itself."""
        if dataset.shifting or dataset.sleep:
            return True
        if dataset.promoting is None:
            return False
        run = self._ctx.store.load(dataset.promoting)[0]
        decided = run.gate is not None and run.gate.decision == "promote"
        return run.state is State.CANARY or decided

    def _run_of(self, slug: str, deployment: str) -> Run | None:
        """The run whose deployment it is; None for one that somebody else has made."""
        match = _DEPLOYMENT.fullmatch(deployment)
        if match is None:
            return None
        try:
            run = self._ctx.store.load(names.run_id(slug, int(match["n"]), int(match["attempt"])))[0]
        except NotFound:
            return None
        return run if run.placement and run.placement.deployment == deployment else None

    def _rolled_back(self, dataset: Dataset, target: Run, told: dict[str, object]) -> None:
        ctx, away = self._ctx, str(dataset.champion)
        note = f"traffic-changed-outside: {deployment_of(target)} was given all traffic in Azure"
        shift = Shift(target.run_id, away, "outside", ACTOR, ctx.clock(), note)

        def decide(found: Dataset) -> Dataset:
            if found != dataset:
                return found  # the next look sees what has become of it
            ctx.store.mark_open(dataset.slug)
            return shifted(found, shift)

        if ctx.store.change_dataset(dataset.slug, decide).shift == shift:
            follow(dataset.slug, ctx)

    def _record(self, run_id: str, traffic: dict[str, int], told: dict[str, object]) -> None:
        """In the champion's ledger, once for each split."""
        ctx = self._ctx

        def attempt() -> None:
            run, etag = ctx.store.load(run_id)
            if run.traffic_outside == traffic:
                return
            after = replace(run, traffic_outside=traffic)
            ctx.store.save(after.record(ctx.clock(), "traffic-changed-outside", ACTOR, told), etag)

        conditional.write(attempt, run_id)


def _differs(endpoint: Endpoint, entry: ServingEntry) -> bool:
    now = {name: share for name, share in endpoint.traffic.items() if share}
    return endpoint.state in SETTLED and now != {n: s for n, s in entry.traffic.items() if s}
