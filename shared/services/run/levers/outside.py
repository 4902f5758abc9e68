"""Traffic that somebody changed in Azure, in the studio or with its command line, is noticed and followed.

One listing of the workspace's endpoints a look, held against what the proxy goes by. All traffic on a version that was live
before is a rollback by a person; any other split the proxy follows as it is. Splits that DropML is making itself are its own.
What gives traffic to a version that has just been taken out is put back, and so is what DropML itself has asked for too late:
a host that stood still decided it before others decided otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from shared.domain import names
from shared.domain.errors import NotFound
from shared.domain.run.acts import Act, Shift
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.run.parts import Canary
from shared.domain.run.serving import ServingEntry
from shared.domain.run.states import FORMER, State
from shared.services import conditional
from shared.services.documents import Entry, entries
from shared.services.guard import guarded
from shared.services.run import moves, serving_documents
from shared.services.run.context import Context
from shared.services.run.levers.shifting import follow, shifted
from shared.services.run.levers.whole import serve_all
from shared.services.run.ports import Endpoint
from shared.services.run.serving_documents import FOLDER, Placed, path_of, placed, slug_of
from shared.services.run.traffic import SETTLED, deployment_of, serving_entry, write_serving

#: Who did it, as far as Azure tells us here: its activity log has the name.
ACTOR = "azure"
#: Documents are listed when an endpoint departs from what is remembered of them, and at least this often (seconds).
LIST_SECONDS = 300.0
#: A version that was taken out gets no traffic from outside for so long (seconds).
OUT_SECONDS = moves.LATE_SECONDS
#: How a version is taken out: by people, by the watch, by its canary. One that another has replaced is retired, and not meant.
OUT = frozenset({State.ROLLED_BACK, State.REJECTED, State.CANCELLED, State.FAILED})


class OutsideTraffic:
    """One per process: it remembers what the serving documents say, and those that it had to read for it."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._known: dict[str, tuple[str, Placed]] = {}
        self._served: list[Placed] = []
        self._strange: set[str] = set()
        #: Documents dated later than this host's clock, and when (in the lifecycle's own time) each was first seen.
        self._ahead: dict[str, tuple[float, float]] = {}
        self._listed_at = self._looked_at = float("-inf")

    def tick(self, deadline: float) -> None:
        """A look where one is due, until `ctx.active()` reaches `deadline`: it lists Azure's endpoints, and the serving
        documents where something has changed. Without anything in service it costs one call of storage.
        """
        ctx = self._ctx
        if ctx.active() - self._looked_at < ctx.pace.traffic_seconds:
            return
        self._looked_at = ctx.active()
        due = not self._served or ctx.active() - self._listed_at >= LIST_SECONDS
        if due:
            self._list(deadline)
        if not self._served:
            return
        endpoints = {found.name: found for found in ctx.azureml.all_endpoints()}
        strange = set(endpoints) - {entry.endpoint for entry in self._served}
        if not due and (strange - self._strange or list(self._changed(endpoints))):
            self._list(deadline)
        self._strange = strange
        for entry in self._changed(endpoints):
            if ctx.active() >= deadline:
                self._looked_at = float("-inf")
                return
            guarded(ctx.log, "traffic not followed", partial(self._look, entry.slug), slug=entry.slug)

    def _list(self, deadline: float) -> None:
        self._served = list(self._placed(deadline))
        cut = self._ctx.active() >= deadline
        self._listed_at = float("-inf") if cut else self._ctx.active()

    def _changed(self, endpoints: dict[str, Endpoint]) -> Iterator[Placed]:
        for entry in self._served:
            found = endpoints.get(entry.endpoint)
            if found is not None and _differs(found, entry):
                yield entry

    def _placed(self, deadline: float) -> Iterator[Placed]:
        """A listing call a 5,000 datasets, and a read of each document that it tells nothing of, once."""
        before, self._known = self._known, {}
        for listed in entries(self._ctx.store.documents, FOLDER):
            found = placed(listed) or self._read(listed, before.get(listed.path), deadline)
            if found is not None:
                yield found

    def _read(self, listed: Entry, known: tuple[str, Placed] | None, deadline: float) -> Placed | None:
        if known is None or known[0] != listed.etag:
            if self._ctx.active() >= deadline:
                return None
            entry = self._ctx.store.hint(listed.path, ServingEntry)
            if entry is None:
                return None
            known = listed.etag, Placed(slug_of(listed), entry.endpoint, entry.traffic)
        self._known[listed.path] = known
        return known[1]

    def _look(self, slug: str) -> None:
        """Both sides are read again: a list lags, and what DropML itself has just moved reads back old for a while."""
        ctx = self._ctx
        dataset, entry = ctx.store.dataset(slug), ctx.store.hint(path_of(slug), ServingEntry)
        if dataset is None or entry is None or dataset.champion is None or dataset.shifting or dataset.sleep:
            return
        canary = self._promoted(dataset)
        if canary is not None and not _is_shared(canary):
            return
        if not self._settled(entry):
            return
        endpoint = ctx.azureml.endpoint(entry.endpoint)
        if endpoint is None or not _differs(endpoint, entry):
            return
        traffic = {name: share for name, share in endpoint.traffic.items() if share}
        champion = ctx.store.load(dataset.champion)[0]
        runs = [run for name in sorted(traffic) if (run := self._run_of(slug, name))]
        told: dict[str, object] = {"before": entry.traffic, "now": traffic}
        out = [run.run_id for run in runs if self._just_out(run)]
        if out and champion.run_id not in out:
            self._put_back(dataset, champion, entry, canary, told | {"out": out})
            return
        if moves.late(slug, traffic, ctx):
            self._put_back(dataset, champion, entry, canary, told | {"late": True})
            return
        if canary is not None:
            self._of_canary(canary, champion, endpoint, told)
            return
        ctx.log("traffic-changed-outside", slug=slug, run_id=champion.run_id, **told)
        (whole,) = runs if len(traffic) == len(runs) == 1 else (None,)
        if whole is not None and whole.state in FORMER:
            self._rolled_back(dataset, whole, told)
            return
        self._record(champion.run_id, traffic, told)
        if traffic:
            other = next((run for run in runs if run.run_id != champion.run_id), None)
            entry = serving_entry(champion, endpoint, other, ctx)
            name = deployment_of(champion)
            serving_documents.write(replace(entry, live=name if traffic.get(name) else entry.live), ctx.store)

    def _settled(self, entry: ServingEntry) -> bool:
        """Whether what DropML moved last is old enough. A date ahead of the clock tells nothing: a clock went back since."""
        ctx, settle = self._ctx, self._ctx.pace.settle_seconds
        age = ctx.clock() - entry.updated_at
        if age >= 0:
            return age >= settle
        date, seen = self._ahead.get(entry.slug, (0.0, 0.0))
        if date != entry.updated_at:
            seen = ctx.active()
            self._ahead[entry.slug] = entry.updated_at, seen
        return ctx.active() - seen >= settle

    def _promoted(self, dataset: Dataset) -> Run | None:
        """The run whose traffic DropML is moving itself."""
        if dataset.promoting is None:
            return None
        run = self._ctx.store.load(dataset.promoting)[0]
        decided = run.gate is not None and run.gate.decision == "promote"
        return run if run.state is State.CANARY or decided else None

    def _run_of(self, slug: str, deployment: str) -> Run | None:
        """The run whose deployment it is; None for one that somebody else has made."""
        numbers = names.deployed(deployment)
        if numbers is None:
            return None
        try:
            run = self._ctx.store.load(names.run_id(slug, *numbers))[0]
        except NotFound:
            return None
        return run if run.placement and run.placement.deployment == deployment else None

    def _just_out(self, run: Run) -> bool:
        return run.state in OUT and abs(self._ctx.clock() - run.entered_at) < OUT_SECONDS

    def _put_back(
        self,
        dataset: Dataset,
        champion: Run,
        entry: ServingEntry,
        canary: Run | None,
        told: dict[str, object],
    ) -> None:
        """The dataset's document wins. Nobody can tell whether a person or a host that stood still has asked Azure for it."""
        ctx, back = self._ctx, entry.traffic if canary else {deployment_of(champion): 100}
        if entry.traffic != back:
            serve_all(champion, ctx)
        moves.begin(dataset, entry.endpoint, back, ctx)
        ctx.log("traffic-put-back", slug=entry.slug, run_id=champion.run_id, **told)

        def attempt() -> None:
            run, etag = ctx.store.load(champion.run_id)
            ctx.store.save(run.record(ctx.clock(), "traffic-put-back", detail=told), etag)

        conditional.write(attempt, champion.run_id)

    def _of_canary(self, run: Run, champion: Run, endpoint: Endpoint, told: dict[str, object]) -> None:
        """All traffic to one of the two is a person's verdict on the canary; another split is the canary's from now on."""
        ctx, traffic = self._ctx, {name: share for name, share in endpoint.traffic.items() if share}
        ctx.log("traffic-changed-outside", slug=run.slug, run_id=run.run_id, **told)
        old, new = deployment_of(champion), deployment_of(run)
        if traffic not in ({old: 100}, {new: 100}):
            self._record(run.run_id, traffic, told)
            if traffic:
                write_serving(run, endpoint, champion, ctx)
            return

        def attempt() -> None:
            found, etag = ctx.store.load(run.run_id)
            if not _is_shared(found):
                return  # the next look sees what has become of it
            canary = found.canary or Canary(0)
            if traffic == {old: 100}:
                after = replace(
                    found, canary=replace(canary, breach=f"somebody gave {old} all of it in Azure")
                )
            else:
                by = Act(ACTOR, ctx.clock(), f"{new} was given all traffic in Azure")
                after = replace(found, canary=replace(canary, passed=True), promoted=by)
            ctx.store.save(after.record(ctx.clock(), "traffic-changed-outside", ACTOR, told), etag)

        conditional.write(attempt, run.run_id)
        if traffic == {old: 100}:
            serve_all(champion, ctx)

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


def _is_shared(run: Run) -> bool:
    """Whether the run shares the traffic as its canary wants it, and nothing is decided on that yet."""
    canary = run.canary or Canary(0)
    over = canary.passed or canary.breach or run.cancelling
    return run.state is State.CANARY and canary.since is not None and not over


def _differs(endpoint: Endpoint, entry: Placed | ServingEntry) -> bool:
    now = {name: share for name, share in endpoint.traffic.items() if share}
    return endpoint.state in SETTLED and now != {n: s for n, s in entry.traffic.items() if s}
