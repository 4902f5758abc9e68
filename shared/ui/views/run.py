"""A run: where it is, where it failed and with which inputs; its failure first, where there is one."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from shared.domain import names
from shared.domain.documents import InvalidDocument
from shared.domain.errors import DropMLError
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.run.parts import Trial
from shared.domain.run.states import FORMER, RETRYABLE, State
from shared.services.run import run_logs, views
from shared.ui import words
from shared.ui.desk import Desk, Visit
from shared.ui.render import Page


@dataclass(frozen=True)
class Step:
    """A state that the run was in: since when, for how long (seconds; None while it lasts), who moved it, and a word on it."""

    state: State
    at: float
    seconds: float | None
    actor: str = ""
    note: str = ""


@dataclass(frozen=True)
class Tab:
    path: str
    text: str


def steps(run: Run, entries: tuple[dict[str, object], ...]) -> list[Step]:
    """The history with durations, and the actors that the ledger names."""
    actors = {
        (entry.get("at"), entry.get("state")): str(entry.get("actor") or "")
        for entry in entries
        if entry.get("event") in ("opened", "state")
    }
    ends = [moment.at for moment in run.history[1:]]
    found = []
    for moment, end in zip(run.history, [*ends, None], strict=True):
        seconds = None if end is None else max(0.0, end - moment.at)
        actor = actors.get((moment.at, str(moment.state)), "")
        found.append(Step(moment.state, moment.at, seconds, actor, moment.note or ""))
    return found


def tabs(run: Run) -> list[Tab]:
    """The parts of a run that there is something to see of."""
    found = [Tab("", "Story")]
    if run.problem:
        found.append(Tab("/failure", "Failure" if run.state is State.FAILED else "Why it ended"))
    if run.trials or run.state is State.TRAINING:
        found.append(Tab("/leaderboard", "Leaderboard"))
    if run.best:
        found.append(Tab("/model", "Model"))
    if run.gate:
        found.append(Tab("/gate", "Gate"))
    if run.canary:
        found.append(Tab("/rollout", "Rollout"))
    return found


def acts(run: Run, *, live: bool, paused: bool = False) -> list[tuple[str, str, str]]:
    """What a person can do with it now: the act's path, its word, and its look."""
    mine, dataset = f"runs/{run.run_id}", f"datasets/{run.slug}"
    found: list[tuple[str, str, str]] = []
    if run.state is State.AWAITING_APPROVAL:
        found += [(f"{mine}/approve", "Approve…", "main"), (f"{mine}/reject", "Reject…", "risky")]
    if run.state in RETRYABLE and run.snapshot:
        found.append((f"{mine}/retry", "Retry…", "main"))
    if run.state is State.CANARY or (run.state in FORMER and not live):
        found.append((f"{mine}/promote", "Promote…", "main"))
    if run.state is State.CANARY or live:
        found.append((f"{dataset}/rollback", "Roll back…", "risky"))
    if run.state is State.CANARY:
        found.append(
            (f"{dataset}/resume", "Resume…", "main") if paused else (f"{dataset}/pause", "Pause…", "")
        )
    if run.is_open and not run.cancelling:
        found.append((f"{mine}/cancel", "Cancel…", "risky"))
    return found


@dataclass(frozen=True)
class Opened:
    """A run and its dataset, read at once: the run's id names both. A dataset that can't be read hides no run."""

    run: Run
    dataset: Dataset | None


def opened(desk: Desk, run_id: str) -> Opened:
    """Raises NotFound."""
    named = names.parse_run_id(run_id)
    with ThreadPoolExecutor(1, thread_name_prefix="dropml-read") as pool:
        dataset = pool.submit(desk.store.dataset, named[0]) if named else None
        run = desk.store.load(run_id)[0]
        try:
            return Opened(run, dataset.result() if dataset else None)
        except InvalidDocument:
            return Opened(run, None)


#: Parts that are not asked for anew by themselves: one has a slider that somebody may hold, the other's log is Azure's.
STANDING = ("/model", "/failure")


def shown(desk: Desk, of: Opened, at: str, more: dict[str, object], template: str, title: str) -> Page:
    """A page of the run, with what stands at the head of each."""
    run, dataset = of.run, of.dataset
    live = bool(dataset and dataset.champion == run.run_id)
    values: dict[str, object] = {
        "run": run,
        "tabs": tabs(run),
        "tab": at,
        "acts": acts(run, live=live, paused=bool(dataset and dataset.paused)),
        "champion": dataset.champion if dataset else None,
        "paused": dataset.paused if dataset and run.is_open else None,
    }
    moves = run.is_open and at not in STANDING
    return Page(
        template, f"{run.run_id}: {title}", values | more, live=desk.place.look_seconds if moves else 0
    )


def story(desk: Desk, visit: Visit) -> Page:
    """Timeline, inputs, what it waits for, trouble, the next look."""
    of = opened(desk, visit.names[0])
    run = of.run
    with ThreadPoolExecutor(1, thread_name_prefix="dropml-read") as pool:
        came = pool.submit(desk.came, "advance") if run.is_open else None
        found = views.ledger_of(run, desk.store)
    more: dict[str, object] = {
        "steps": steps(run, found.entries),
        "entries": [json.dumps(entry, ensure_ascii=False) for entry in found.entries],
        "broken": found.reason,
        "next_look": desk.place.look_seconds,
        "came": came.result() if came else None,
        "config": configured(run),
    }
    return shown(desk, of, "", more, "run.html", words.said(run.state))


def configured(run: Run) -> list[tuple[str, str]]:
    """The effective configuration, as far as a person asks for it."""
    config = run.config
    pairs = [
        ("label", config.label),
        ("task", config.task),
        ("primary metric", config.primary_metric or "the task's own"),
        ("most trials", words.count(config.max_trials)),
        (
            "time",
            f"{words.span(config.timeout_minutes * 60)}, {words.span(config.trial_timeout_minutes * 60)} a trial",
        ),
        ("imbalance", config.imbalance),
        ("approval", config.approval),
        ("gate", f"{config.gate.metric}, margin {config.gate.margin:g}, {config.gate.policy}"),
    ]
    return [(name, str(value)) for name, value in pairs]


def failure(desk: Desk, visit: Visit) -> Page:
    """The sentence, what to do, the trial that failed, the log's end, the last try."""
    of = opened(desk, visit.names[0])
    run = of.run
    more: dict[str, object] = {
        "failed_trials": [trial for trial in run.trials if trial.status in ("Failed", "Canceled")],
        "log": log_tail(desk, run),
    }
    return shown(desk, of, "/failure", more, "failure.html", "failure")


def log_tail(desk: Desk, run: Run) -> tuple[str, str]:
    """Whose log there is, and its last lines. Asks Azure where the run has kept none."""
    try:
        found = run_logs.log_of(run.run_id, desk.context())
    except DropMLError as error:
        return "nothing", f"It can't be read now: {error.message} {error.remedy}".strip()
    return found.of, found.log


def leaderboard(desk: Desk, visit: Visit) -> Page:
    """Trials, best first or by a column that the reader picks."""
    of = opened(desk, visit.names[0])
    run = of.run
    board = views.leaderboard(run)
    column, falling = visit.said.get("by", ""), visit.said.get("order") == "desc"
    ranked, second = list(enumerate(board.trials, 1)), _second(run)
    columns: dict[str, Callable[[Trial], Any]] = {
        "algorithm": lambda trial: (trial.algorithm or trial.name).lower(),
        "preprocessor": lambda trial: trial.preprocessor and trial.preprocessor.lower(),
        "primary": lambda trial: trial.metrics.get(board.primary_metric),
        "accuracy": lambda trial: trial.metrics.get(second),
        "seconds": lambda trial: trial.duration_s,
        "status": lambda trial: trial.status,
    }

    def value(place: tuple[int, Trial]) -> Any:
        """None, which stands last in either order, where a trial has none."""
        return columns[column](place[1]) if column in columns else place[0]

    known = sorted((each for each in ranked if value(each) is not None), key=value, reverse=falling)
    more: dict[str, object] = {
        "board": board,
        "trials": known + [each for each in ranked if value(each) is None],
        "second": second,
        "by": column if column in columns else "rank",
        "falling": falling,
    }
    return shown(desk, of, "/leaderboard", more, "leaderboard.html", "leaderboard")


def _second(run: Run) -> str:
    """The metric beside the primary one that everybody knows."""
    return "accuracy" if run.config.task != "regression" else "r2_score"
