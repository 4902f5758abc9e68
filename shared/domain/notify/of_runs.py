"""The notices of a run: read from the ledger lines that its document still carries, so that both go out or neither. Pure.

A line's hash is the notice's id: told again after a crash it is the same notice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from shared.domain.notify.notices import PAGES, Notice, notice_id, short
from shared.domain.run.documents import Run
from shared.domain.run.ledger import line_hash
from shared.domain.run.parts import Place, RunProblem
from shared.domain.run.states import State

#: What says where in a file something is without telling a value of it.
_PLACES = ("column", "field", "line", "row")


@dataclass(frozen=True)
class Told:
    """The events that a line is, the closest first, with its sentence and remedy."""

    events: tuple[str, ...]
    sentence: str
    remedy: str = ""
    code: str = ""


def of_run(run: Run, wanted: Callable[[str], bool]) -> Iterator[Notice]:
    """A notice for each pending line that is an event that is `wanted`."""
    for line in run.pending:
        entry = json.loads(line)
        tell = _TELLERS.get(str(entry.get("state"))) if entry.get("event") == "state" else None
        tell = _held if entry.get("event") == "held" else tell
        if tell is None:
            continue
        told = tell(run, entry)
        event = next((each for each in told.events if wanted(each)), None)
        if event is not None:
            yield Notice(
                notice_id(line_hash(line)),
                event,
                float(entry["at"]),
                run.dataset,
                short(told.sentence),
                short(told.remedy),
                run.run_id,
                told.code,
                PAGES + _page(run),
            )


def _page(run: Run) -> str:
    """What helps most now: the report of a refused file, the words and log of a failure, else the run's story."""
    if run.state is State.QUARANTINED:
        return f"/quarantine/{run.run_id}"
    return f"/runs/{run.run_id}" + ("/failure" if run.state is State.FAILED else "")


def where(places: Mapping[str, Place]) -> str:
    """` (column age, line 12)`; empty where nothing is said."""
    said = [f"{name} {places[name]}" for name in _PLACES if places.get(name) not in (None, "")]
    return f" ({', '.join(said)})" if said else ""


def _quarantined(run: Run, _: Mapping[str, object]) -> Told:
    problem = run.problem or RunProblem("quarantined", "")
    sentence = (
        f"The file {run.source.blob} of {run.dataset} was refused: {problem.code}{where(problem.where)}."
    )
    return Told(("quarantined",), sentence, problem.remedy or _see(run, "quarantine"), problem.code)


def _failed(run: Run, _: Mapping[str, object]) -> Told:
    problem = run.problem or RunProblem("failed", "")
    at = f" in {problem.failed_in}" if problem.failed_in else ""
    sentence = f"Run {run.run_id} of {run.dataset} failed{at}: {problem.code}."
    remedy = problem.remedy or f"POST /api/runs/{run.run_id}/retry tries it again."
    return Told(("failed",), sentence, remedy, problem.code)


def _rejected(run: Run, entry: Mapping[str, object]) -> Told:
    why = run.gate.reason if run.gate and run.gate.reason else "the gate said no"
    by = "" if entry.get("actor") == "dropml" else f" ({entry.get('actor')})"
    sentence = f"The model of run {run.run_id} of {run.dataset} was rejected{by}: {why}."
    return Told(
        (*_suspicion(run), "rejected"), sentence, "The live model stays. Better data helps more than a retry."
    )


def _awaiting(run: Run, _: Mapping[str, object]) -> Told:
    why = run.approval.why if run.approval else ""
    what = "Run" if run.approval and run.approval.before_training else "The model of run"
    sentence = f"{what} {run.run_id} of {run.dataset} waits for a person's word. {why}"
    remedy = f"POST /api/runs/{run.run_id}/approve or /api/runs/{run.run_id}/reject."
    return Told((*_suspicion(run), "awaiting_approval"), sentence, remedy)


def _held(run: Run, entry: Mapping[str, object]) -> Told:
    detail = entry.get("detail")
    said = detail if isinstance(detail, dict) else {}
    code = str(said.get("code") or "held")
    events = ("cap_reached",) if code == "cap-reached" else ("held",)
    sentence = f"Run {run.run_id} of {run.dataset} does not train yet. {said.get('message') or ''}"
    return Told(events, sentence, str(said.get("remedy") or ""), code)


def _live(run: Run, _: Mapping[str, object]) -> Told:
    sentence = f"Version {run.n} of {run.dataset} (run {run.run_id}) is live."
    return Told(("live",), sentence, f"POST /api/datasets/{run.slug}/rollback takes it back.")


def _rolled_back(run: Run, entry: Mapping[str, object]) -> Told:
    detail = entry.get("detail")
    cause = detail.get("cause") if isinstance(detail, dict) else None
    breach = run.canary.breach if run.canary and run.canary.breach else None
    watched = run.canary.watch if run.canary else None
    causes = {
        "rollback": f"by {entry.get('actor')}",
        "promote": f"by {entry.get('actor')}, who promoted another",
        "outside": "by a change of traffic in Azure",
        "breach": f"by its watch: {watched or breach or 'a limit was breached'}",
    }
    why = causes.get(str(cause), breach or "see its ledger")
    sentence = f"Version {run.n} of {run.dataset} (run {run.run_id}) lost its traffic: {why}."
    return Told(("rolled_back",), sentence, f"GET /api/runs/{run.run_id}/ledger has the whole of it.")


def _suspicion(run: Run) -> tuple[str, ...]:
    judged = run.gate.numbers if run.gate else None
    doubt = judged.suspicious if judged else run.fresh and run.fresh.suspicious
    return ("suspicious",) if doubt else ()


def _see(run: Run, what: str) -> str:
    return f"GET /api/{what}/{run.run_id} says where and why."


_TELLERS: dict[str, Callable[[Run, Mapping[str, object]], Told]] = {
    State.QUARANTINED: _quarantined,
    State.FAILED: _failed,
    State.REJECTED: _rejected,
    State.AWAITING_APPROVAL: _awaiting,
    State.LIVE: _live,
    State.ROLLED_BACK: _rolled_back,
}
