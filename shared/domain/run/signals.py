"""What telemetry is sent of a run: an event for each line of its ledger, and metrics where a state says them. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from shared.domain.run.documents import Run
from shared.domain.run.states import State

#: Names of events; docs/telemetry.md tells their properties.
STATE_EVENT, LEDGER_EVENT = "run_state", "run_event"
#: Names of metrics, and what each is.
METRICS = {
    "drop_to_live_seconds": "from the run's beginning until it was live for the first time",
    "live_metric": "what the gate measured of the model that is live now",
    "gate_difference": "challenger less champion in the gate's metric",
    "canary_calls": "calls that a side has answered when its canary was over",
    "drift_psi": "stability index, beyond chance, of the column or answers that moved most in a window",
}


@dataclass(frozen=True)
class Signal:
    """An event, or where `value` is given a metric."""

    name: str
    run_id: str
    value: float | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    measurements: Mapping[str, float] = field(default_factory=dict)


def of_run(run: Run) -> Iterator[Signal]:
    """Of the lines that its document still carries."""
    for line in run.pending:
        entry = json.loads(line)
        about = {
            "run": run.run_id,
            "dataset": run.dataset,
            "state": str(entry["state"]),
            "cause": str(entry["cause"]),
            "actor": str(entry["actor"]),
        }
        if entry["event"] not in ("opened", "state"):
            yield Signal(LEDGER_EVENT, run.run_id, None, {**about, "event": str(entry["event"])})
            continue
        at, place = float(entry["at"]), _place(run, str(entry["state"]), float(entry["at"]))
        before = run.history[place - 1] if place else None
        told = {**about, "before": str(before.state) if before else ""}
        if run.model:
            told["model"] = run.model.label
        if run.problem and run.problem.code and str(run.state) == about["state"]:
            told["code"] = run.problem.code
        lasted = {"seconds_in_state_before": max(0.0, at - before.at)} if before else {}
        yield Signal(STATE_EVENT, run.run_id, None, told, lasted)
        yield from _metrics(run, told, at, place)


def _place(run: Run, state: str, at: float) -> int:
    """Where the history tells this line's state; 0 where it is the first, or of an earlier release."""
    places = (i for i, moment in enumerate(run.history) if moment.state == state and moment.at == at)
    return next(places, 0)


def _metrics(run: Run, told: Mapping[str, str], at: float, place: int) -> Iterator[Signal]:
    numbers = run.gate.numbers if run.gate else None
    about = {name: told[name] for name in ("run", "dataset", "cause", "state")}
    first = all(moment.state != State.LIVE for moment in run.history[:place])
    if told["before"] == State.GATE and numbers and numbers.difference is not None:
        yield Signal("gate_difference", run.run_id, numbers.difference, {**about, "metric": numbers.metric})
    if told["before"] == State.CANARY and run.canary:
        for side, calls in run.canary.calls.items():
            yield Signal("canary_calls", run.run_id, float(calls), {**about, "side": side})
    if told["state"] == State.LIVE and first:
        yield Signal("drop_to_live_seconds", run.run_id, max(0.0, at - run.created_at), about)
    if told["state"] == State.LIVE and numbers:
        yield Signal("live_metric", run.run_id, numbers.challenger, {**about, "metric": numbers.metric})
