"""Commands about runs: list them, look at one, follow it, act on it."""

from __future__ import annotations

import sys
from shlex import quote
from typing import Annotated, Any

import typer

from dropml.cli.output import Format, age
from dropml.cli.session import Session, command, current
from dropml.cli.stopping import Code, end_of

RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, as `dropml runs` lists it.")]
Note = Annotated[str, typer.Option("--note", help="Why, for the ledger.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the run to its end.")]
Timeout = Annotated[float, typer.Option("--timeout", help="Seconds to wait at most.")]
HOURS = 4 * 3600.0
#: Characters of a sentence in a list.
_SHORT = 60
#: What helps a person in each state.
_THEN = {
    "quarantined": "dropml quarantine show {run_id}",
    "failed": "dropml retry {run_id}",
    "rejected": "dropml retry {run_id}",
    "cancelled": "dropml retry {run_id}, if it was a mistake",
    "awaiting_approval": "dropml approve {run_id}, or dropml reject {run_id}",
    "canary": "dropml promote {run_id}, or dropml rollback {dataset}",
    "live": "dropml score {dataset} FILE",
    "rolled_back": "dropml promote {run_id}, once you know better",
    "retired": "dropml rollback {dataset} --to {run_id}",
}


def register(app: typer.Typer) -> None:
    for name, function in (
        ("runs", runs), ("show", show), ("watch", watch), ("leaderboard", leaderboard), ("retry", retry),
        ("cancel", cancel), ("approve", approve), ("reject", reject), ("promote", promote),
    ):  # fmt: skip
        command(app, name)(function)


def runs(
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Only this dataset's.")] = "",
    state: Annotated[str, typer.Option("--state", "-s", help="Only those in this state.")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 20,
) -> None:
    """List runs, newest first."""
    session = current()
    found = list(pages(session, "/runs", "runs", limit, dataset=dataset, state=state))
    rows = [run | _brief(run) for run in found] if _table(session) else found
    columns = ("run_id", "state", "age", "best_algorithm", "metric", "score", "why")
    session.out.rows(rows, columns, "No runs yet. Next: dropml drop FILE")


def _brief(run: Any) -> dict[str, Any]:
    why = run["error"] or run["gate"] or "-"
    metric, score = run.get("metric"), run.get("score")
    if not metric:  # of an earlier release
        score = run["AUC_weighted"]
        metric = None if score is None else "AUC_weighted"
    told = {"age": age(run["created_at"]), "metric": metric, "score": score}
    return told | {"why": why if len(why) <= _SHORT else f"{why[: _SHORT - 1]}…"}


def show(run_id: RunId) -> None:
    """Tell the whole of one run."""
    session = current()
    with session.client() as api:
        run: Any = api.run(run_id)
    session.out.document(run, story(run))
    then = then_of(run)
    if then:
        session.out.say(f"Next: {then}")


def story(run: Any) -> list[tuple[str, object]]:
    """What a person asks first, in lines."""
    problem, snapshot, gate = run["problem"] or {}, run["snapshot"] or {}, run["gate"] or {}
    placement, best, waits = run["placement"] or {}, run["best"] or {}, run.get("waits_for")
    trouble, approval = run.get("trouble") or {}, run.get("approval") or {}
    return [
        ("run", run["run_id"]),
        ("state", run["state"]),
        ("since", age(run.get("entered_at"))),
        ("problem", problem.get("message")),
        ("remedy", problem.get("remedy")),
        ("waits for", waits),
        ("trouble", trouble.get("message")),
        ("approval", approval.get("why")),
        ("file", f"{run['source']['container']}/{run['source']['blob']}" if run.get("source") else None),
        ("rows", snapshot.get("rows")),
        ("put aside", snapshot.get("bad_rows") or None),
        *(("warning", warning) for warning in snapshot.get("warnings") or ()),
        ("best", best.get("algorithm")),
        ("model", f"{run['model']['name']}:{run['model']['version']}" if run.get("model") else None),
        ("gate", gate.get("reason")),
        ("endpoint", placement.get("scoring_uri")),
        ("insights", placement.get("app_insights_enabled")),
    ]


def then_of(run: Any) -> str:
    return _THEN.get(run["state"], "").format(run_id=quote(run["run_id"]), dataset=quote(run["dataset"]))


def watch(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="One run; without it all, until Ctrl-C.")] = "",
    timeout: Timeout = HOURS,
) -> int:
    """Follow a run to its end, or all runs as they change."""
    session = current()
    if run_id:
        return wait_for(session, run_id, timeout)
    from dropml.cli.watch import FAR, NEAR, watch_all

    with session.client() as api:
        api.runs(limit=1)  # what is wrong with the key is told at once
        pause = NEAR if session.target.local else FAR
        try:
            watch_all(api, None if _table(session) else lambda run: session.out.document(run, ()), pause)
        except KeyboardInterrupt:
            print(file=sys.stderr)
    return Code.OK


def wait_for(session: Session, run_id: str, timeout: float, wanted: str = "live") -> int:
    """Follow the run on stderr, tell it on stdout; the exit code that its end means."""
    from dropml.cli.following import FAR, NEAR, Progress, follow

    progress = Progress(sys.stderr, quiet=session.out.quiet)
    pause = NEAR if session.target.local else FAR
    with session.client() as api:
        run: Any = follow(api, lambda: run_id, timeout, progress=progress, pause=pause)
    session.out.document(run, story(run))
    return Code.OK if run["state"] == wanted != "live" else told(session, run)


def told(session: Session, run: Any) -> int:
    """What comes after the end of a run, and its exit code."""
    code = end_of(run["state"])
    then = then_of(run)
    if then and (code or session.out.format is Format.TABLE):
        session.out.say(f"Next: {then}")
    return code


def leaderboard(run_id: RunId) -> None:
    """List the models that training tried, best first."""
    session = current()
    with session.client() as api:
        board: Any = api.leaderboard(run_id)
    metric = board["primary_metric"]
    rows = [
        {
            "rank": place,
            "algorithm": trial["algorithm"],
            "preprocessor": trial.get("preprocessor"),
            metric: trial["metrics"].get(metric),
            "accuracy": trial["metrics"].get("accuracy"),
            "seconds": trial["duration_s"],
            "status": trial["status"],
        }
        for place, trial in enumerate(board["trials"], 1)
    ]
    if session.out.format is Format.JSON:
        session.out.document(board, ())
    else:
        session.out.rows(rows, tuple(rows[0]) if rows else (), "No trials yet.")


def retry(run_id: RunId, wait: Wait = False, timeout: Timeout = HOURS) -> int:
    """Start the next attempt of a failed, rejected or cancelled run."""
    session = current()
    with session.client() as api:
        new = api.post(f"/runs/{_part(run_id)}/retry")["run_id"]
    if wait:
        return wait_for(session, new, timeout)
    session.out.document({"run_id": new}, [("run", new)])
    session.out.say(f"Next: dropml watch {new}")
    return Code.OK


def cancel(run_id: RunId, note: Note = "", wait: Wait = False, timeout: Timeout = HOURS) -> int:
    """End an open run with its job and its deployment."""
    return _act(run_id, "cancel", note, wait, timeout, wanted="cancelled")


def approve(run_id: RunId, note: Note = "", wait: Wait = False, timeout: Timeout = HOURS) -> int:
    """Let a run that waits for a person go on."""
    return _act(run_id, "approve", note, wait, timeout)


def reject(run_id: RunId, note: Note = "", wait: Wait = False, timeout: Timeout = HOURS) -> int:
    """End a run that waits for a person; its deployment goes."""
    return _act(run_id, "reject", note, wait, timeout)


def promote(run_id: RunId, note: Note = "", wait: Wait = False, timeout: Timeout = HOURS) -> int:
    """Give a canary, or an earlier version, all traffic."""
    return _act(run_id, "promote", note, wait, timeout)


def _act(run_id: str, action: str, note: str, wait: bool, timeout: float, wanted: str = "live") -> int:
    """What was asked is told; where it is waited for, what came of it instead. `wanted` is the end that is no error."""
    session = current()
    with session.client() as api:
        done = api.post(f"/runs/{_part(run_id)}/{action}", {"note": note} if note else None)
    if wait:
        return wait_for(session, run_id, timeout, wanted)
    lines = [(name, done.get(name)) for name in ("run_id", "state", "actor", "note", "model", "deployment")]
    session.out.document(done, lines)
    return Code.OK


def pages(session: Session, path: str, name: str, limit: int, **params: str) -> Any:
    """Items of a paged list, at most `limit`."""
    cursor, left = "", limit
    with session.client() as api:
        while left > 0:
            page = api.get(path, limit=str(min(left, 500)), cursor=cursor, **params)
            yield from page[name][:left]
            left -= len(page[name])
            cursor = page.get("cursor") or ""
            if not cursor:
                return


def _table(session: Session) -> bool:
    return session.out.format is Format.TABLE


def _part(text: str) -> str:
    from dropml.client import part

    return part(text)
