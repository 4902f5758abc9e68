"""Trains a dataset anew where that is due and there is anything new to learn, and keeps what it decided, with the reason.

A run is claimed under the name of what asked for it, then the decision is written down. A crash between the two is found by
that name; hosts that decide at the same time begin one run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from shared.domain.drift import calls_for
from shared.domain.drift_series import DriftSeries
from shared.domain.retraining import (
    PASSING,
    Code,
    Decision,
    Material,
    Outcome,
    Retraining,
    Trigger,
    contents_of,
    fingerprint_of,
)
from shared.domain.run.dataset import Dataset
from shared.domain.run.parts import Snapshot
from shared.domain.schedule import Schedule
from shared.domain.upkeep import Retrain, Upkeep
from shared.services.documents import entries
from shared.services.guard import guarded, safely
from shared.services.run import retraining as runs
from shared.services.run.context import Context
from shared.services.upkeep import drift
from shared.services.upkeep.joining import Joiner, NotJoinedError

FOLDER, DATASETS = "retraining/", "datasets/"
#: Most seconds between two rounds.
ROUND = 60.0
#: Seconds within which a second scheduled run of a dataset is the first one's.
SAME_OCCURRENCE = 900.0
#: Seconds that what is remembered may be ahead of a clock; beyond it one of the two was wrong.
AHEAD = 3600.0
HOUR = 3600.0


def path_of(slug: str) -> str:
    return f"{FOLDER}{slug}.json"


@dataclass(frozen=True)
class _Asked:
    """What asks for a run. What is `patient` waits for what will pass; a time that was missed is made up once."""

    trigger: Trigger
    occurrence: str
    why: str
    patient: bool = True
    #: Of drift, the end of the last window that asks.
    until: float = 0.0


@dataclass
class _Known:
    """A dataset as this process has last looked at it; `due` is when its schedule comes round (unix seconds)."""

    dataset: str = ""
    series: str = ""
    due: float | None = None
    waiting: bool = False


class Retrainer:
    """One per process."""

    def __init__(self, ctx: Context, joiner: Joiner, owned: Upkeep, every: float = ROUND) -> None:
        self._ctx, self._joiner, self._owned, self._every = ctx, joiner, owned, every
        self._next = float("-inf")
        self._known: dict[str, _Known] = {}

    # -- when it looks -------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Look at what has changed since the last round, is due or waits. A round costs two listing calls a 5,000 datasets."""
        if self._ctx.active() < self._next:
            return
        self._next = self._ctx.active() + self._every
        datasets, series = self._etags(DATASETS), self._etags(drift.SERIES)
        for slug, etag in datasets.items():
            known, now = self._known.setdefault(slug, _Known()), (etag, series.get(slug, ""))
            due = known.due is not None and self._ctx.clock() >= known.due
            if known.waiting or due or now != (known.dataset, known.series):
                done = guarded(
                    self._ctx.log, "could not retrain", partial(self._look, slug, known), dataset=slug
                )
                if done:
                    known.dataset, known.series = now

    def _etags(self, folder: str) -> dict[str, str]:
        return {
            entry.path.removeprefix(folder).removesuffix(".json"): entry.etag
            for entry in entries(self._ctx.store.documents, folder)
        }

    def on_app_schedule(self, occurrence: str) -> list[str]:
        """The app's own schedule comes round, for every dataset that has none of its own; the runs that were begun."""
        begun: list[str] = []

        def look(slug: str) -> None:
            dataset = self._ctx.store.dataset(slug)
            if dataset is None or not dataset.champion:
                return
            retrain = self._retrain(dataset)
            state = self._state(slug)
            if retrain.schedule is None and not self._just_begun(state):
                asked = _Asked("schedule", occurrence, "The app's schedule came round.", patient=False)
                decision = self._settled(dataset, retrain, state, asked)
                begun.extend([decision.run_id] if decision.run_id else [])

        for slug in self._ctx.store.slugs():
            guarded(self._ctx.log, "could not retrain", partial(look, slug), dataset=slug)
        return begun

    def _just_begun(self, state: Retraining) -> bool:
        """The same occurrence may come twice under two names: hosts' clocks differ, or a clock went back."""
        return state.started is not None and abs(self._ctx.clock() - state.started.at) < SAME_OCCURRENCE

    def _retrain(self, dataset: Dataset) -> Retrain:
        return (dataset.upkeep or self._owned).retrain

    def _state(self, slug: str) -> Retraining:
        """As it was left; a first look begins now, and so does one after a clock that was far ahead."""
        now, path = self._ctx.clock(), path_of(slug)
        found = self._ctx.store.hint(path, Retraining)
        if found is None or found.since > now + AHEAD or found.drift_until > now + AHEAD:
            found = replace(
                found or Retraining(now), since=now, drift_until=min(found.drift_until, now) if found else 0.0
            )
            self._ctx.store.write(path, found)
        return found

    # -- what asks -----------------------------------------------------------------------------------------

    def _look(self, slug: str, known: _Known) -> None:
        dataset = self._ctx.store.dataset(slug)
        retrain = self._retrain(dataset) if dataset else Retrain()
        known.waiting, known.due = False, None
        asks = retrain.on_new_data or retrain.on_drift or retrain.schedule not in (None, "off")
        if dataset is None or not dataset.champion or not asks:
            return
        state = self._state(slug)
        for asked in self._asking(dataset, retrain, state):
            decision = self._settled(dataset, retrain, state, asked)
            known.waiting = known.waiting or decision.outcome == "waiting"
            if decision.outcome == "started":
                break
            state = self._state(slug)
        if retrain.schedule not in (None, "off"):
            known.due = Schedule.parse(str(retrain.schedule)).after(self._state(slug).since)

    def _asking(self, dataset: Dataset, retrain: Retrain, state: Retraining) -> list[_Asked]:
        found: list[_Asked] = []
        if retrain.schedule not in (None, "off"):
            due = Schedule.parse(str(retrain.schedule)).after(state.since)
            if due <= self._ctx.clock():
                when = datetime.fromtimestamp(due, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                found.append(_Asked("schedule", when, f"Its schedule ({retrain.schedule}) came round."))
        if retrain.on_drift:
            series = self._ctx.store.hint(drift.path_of(dataset.slug), DriftSeries) or DriftSeries()
            windows = [
                each
                for each in series.windows
                if each.run_id == dataset.champion
                and each.evidence == "enough"
                and each.end > state.drift_until
            ]
            if calls_for(retrain.on_drift, [each.drifted for each in windows]):
                last = windows[-retrain.on_drift.n :]
                k = sum(each.drifted for each in last)
                end, why = last[-1].end, f"{k} of the last {len(last)} windows drifted."
                found.append(_Asked("drift", f"drift:{end:.3f}", why, until=end))
        if retrain.on_new_data and not dataset.open:
            found.append(_Asked("new-data", "", "There is data that no run was trained on."))
        return found

    # -- what is decided -----------------------------------------------------------------------------------

    def _settled(self, dataset: Dataset, retrain: Retrain, state: Retraining, asked: _Asked) -> Decision:
        """The decision, written down; what the next look would decide alike is written once."""
        decision = self._decided(dataset, retrain, state, asked)
        if decision.code in PASSING and not asked.patient:
            decision = replace(decision, outcome="skipped")
        after = state
        if decision.outcome != "waiting":
            if asked.trigger == "schedule":
                after = replace(after, since=max(after.since, self._ctx.clock()))
            if asked.trigger == "drift":
                after = replace(after, drift_until=asked.until)
        told = state.last
        same = told is not None and (told.trigger, told.outcome, told.code, told.reason) == (
            decision.trigger,
            decision.outcome,
            decision.code,
            decision.reason,
        )
        known = state.started is not None and state.started.occurrence == decision.occurrence
        quiet = (asked.trigger == "new-data" and decision.code == "nothing-new") or known
        if not quiet and not (same and decision.outcome == "waiting"):
            after = replace(
                after, last=decision, started=decision if decision.outcome == "started" else after.started
            )
            fields = {"dataset": dataset.slug, "trigger": decision.trigger, "code": decision.code}
            safely(
                self._ctx.log,
                f"retraining {decision.outcome}",
                **fields,
                reason=decision.reason,
                run_id=decision.run_id,
            )
        if after != state:
            self._ctx.store.write(path_of(dataset.slug), after)
        return decision

    def _decided(self, dataset: Dataset, retrain: Retrain, state: Retraining, asked: _Asked) -> Decision:
        data = self._material(dataset, retrain)
        occurrence = asked.occurrence or f"data:{data.fingerprint}"
        asked = replace(asked, occurrence=occurrence)
        began = dataset.drops.get(runs.delivery(occurrence))
        if began:
            return self._decision(asked, "started", f"{asked.why} Run {began} was begun.", began)
        trained = runs.trainings(dataset.slug, self._ctx)
        if any(fingerprint_of(run) == data.fingerprint for run in trained):
            why = (
                f"{asked.why} Nothing is new: {self._what(data)} has been trained on with this configuration."
            )
            return self._decision(asked, "nothing-new", why)
        rows = data.new_rows(contents_of(trained[0]) if trained else ())
        if rows < retrain.min_new_rows:
            why = f"{asked.why} {rows:,} rows are new; min_new_rows asks for {retrain.min_new_rows:,}."
            return self._decision(asked, "too-few-new-rows", why)
        held = self._held(dataset, retrain, state, asked)
        return held or self._begun(dataset, data, asked)

    def _held(self, dataset: Dataset, retrain: Retrain, state: Retraining, asked: _Asked) -> Decision | None:
        """What will pass."""
        if dataset.paused:
            return self._decision(asked, "paused", f"{asked.why} The dataset is paused.")
        if dataset.open:
            names = ", ".join(sorted(dataset.open)[:3])
            return self._decision(asked, "run-under-way", f"{asked.why} Under way already: {names}.")
        since = self._ctx.clock() - state.started.at if state.started else -1.0
        if 0 <= since < retrain.cool_down_hours * HOUR and state.started:
            why = f"{asked.why} {state.started.run_id} was begun less than {retrain.cool_down_hours:g} hours ago."
            return self._decision(asked, "cooling-down", why)
        return None

    def _begun(self, dataset: Dataset, data: Material, asked: _Asked) -> Decision:
        note, snapshot = data.note, None
        if len(data.runs) > 1:
            snapshot = self._joined(data)
            if snapshot is None:
                why = f"{asked.why} The storage account copies {len(data.runs)} versions side by side."
                return self._decision(asked, "joining-versions", why)
        cause = "drift" if asked.trigger == "drift" else "retrain"
        run_id = runs.begin(data.newest, asked.occurrence, cause, self._ctx, snapshot, data.content_hash)
        why = f"{asked.why} Run {run_id} trains on {self._what(data)}.{f' {note}' if note else ''}"
        return self._decision(asked, "started", why, run_id)

    def _material(self, dataset: Dataset, retrain: Retrain) -> Material:
        """The versions that fit together, or the newest one, with the reason."""
        found = Material(tuple(runs.newest_data(dataset.slug, retrain.data, self._ctx)))
        if len(found.runs) == 1:
            return found
        try:
            self._joiner.check(found.runs)
        except NotJoinedError as error:
            return Material(found.runs[:1], f"The newest version alone: {error}.")
        return found

    def _joined(self, data: Material) -> Snapshot | None:
        return self._joiner.joined(data.runs)

    def _what(self, data: Material) -> str:
        ids = [run.run_id for run in data.runs]
        return (
            f"the data of {ids[0]}"
            if len(ids) == 1
            else f"the data of {len(ids)} versions ({', '.join(ids[:5])})"
        )

    def _decision(self, asked: _Asked, code: Code, reason: str, run_id: str | None = None) -> Decision:
        outcome: Outcome = "started" if code == "started" else "waiting" if code in PASSING else "skipped"
        at = round(self._ctx.clock(), 3)
        return Decision(at, asked.trigger, asked.occurrence, outcome, code, reason, run_id)
