"""Commands about datasets: what serves and why, scoring, and a person's levers."""

from __future__ import annotations

import sys
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer

from dropml.cli.commands.runs import Note, pages
from dropml.cli.output import Format, age
from dropml.cli.session import Session, command, current
from dropml.cli.stopping import Code, Stop

Name = Annotated[
    str, typer.Argument(metavar="DATASET", help="A dataset's name, as `dropml datasets` lists it.")
]


def register(app: typer.Typer) -> None:
    for name, function in (
        ("datasets", datasets), ("why", why), ("score", score), ("rollback", rollback), ("pause", pause),
        ("resume", resume), ("threshold", threshold), ("batches", batches),
    ):  # fmt: skip
        command(app, name)(function)


def datasets(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 50,
) -> None:
    """List datasets and what serves each."""
    session = current()
    found = list(pages(session, "/datasets", "datasets", limit))
    columns = (
        "dataset", "state", "champion", "model", "endpoint", "traffic", "open_runs", "versions", "problem",
    )  # fmt: skip
    rows = [one | {"state": _state(one)} for one in found] if session.out.format is Format.TABLE else found
    session.out.rows(rows, columns, "No datasets yet. Next: dropml drop FILE")


def _state(one: Any) -> str | None:
    """As the overview of the dashboard says it."""
    held = (("paused", one.get("paused")), ("damaged", one.get("problem")), ("asleep", one.get("asleep")))
    return next((word for word, on in held if on), "live" if one["champion"] else None)


def why(dataset: Name) -> None:
    """Tell why the live model is the live model.

    From the file to the traffic, and whether the ledger holds.
    """
    session = current()
    with session.client() as api:
        found: Any = api.get(f"/datasets/{_part(dataset)}")["dataset"]
        if not found["champion"]:
            raise Stop(f"No model of {dataset!r} is live yet.", f"dropml runs --dataset {quote(dataset)}")
        run: Any = api.run(found["champion"])
        board: Any = api.leaderboard(found["champion"])
        ledger: Any = api.get(f"/runs/{_part(found['champion'])}/ledger")
    told = {"dataset": found, "run": run, "leaderboard": board, "ledger": ledger}
    session.out.document(told, _reasons(found, run, board, ledger))


def _reasons(found: Any, run: Any, board: Any, ledger: Any) -> list[tuple[str, object]]:
    source, snapshot, gate = run["source"], run["snapshot"] or {}, run["gate"] or {}
    canary, best = run.get("canary") or {}, run["best"] or {}
    metric = board["primary_metric"]
    value = (best.get("metrics") or {}).get(metric)
    worth = "" if value is None else f": {metric} {value:.5f}"
    broken = ledger.get("broken_at")
    chain = "holds" if broken is None else f"broken at entry {broken}: {ledger.get('reason')}"
    return [
        ("file", f"{source['container']}/{source['blob']}, sha256 {source['content_hash']}"),
        ("checked", f"{snapshot.get('rows')} rows, {snapshot.get('bad_rows') or 0} put aside"),
        ("trained", f"{best.get('algorithm') or 'a model'}, best of {len(board['trials'])}{worth}"),
        ("gate", gate.get("reason")),
        ("approved", _said(run.get("approval"))),
        ("rollout", canary.get("breach") or (canary and f"{canary.get('percent')} % first, and held")),
        ("model", found["model"]),
        ("endpoint", found["endpoint"]),
        ("traffic", found["traffic"]),
        ("live since", age(run.get("entered_at"))),
        ("ledger", f"{len(ledger['entries'])} entries, the chain {chain}"),
        ("trouble", found.get("problem")),
    ]


def _said(approval: Any) -> str | None:
    said = (approval or {}).get("said")
    return f"by {said['actor']} {said['note']}".strip() if said else None


def score(
    dataset: Name,
    file: Annotated[str, typer.Argument(metavar="FILE", help="CSV or JSON rows; - for stdin.")],
    proba: Annotated[bool, typer.Option("--proba", help="The probability of each class, too.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="What each column contributed, too.")] = False,
) -> None:
    """Score rows with the live model.

    They are a CSV with a header, or JSON as the API takes it.
    """
    session = current()
    body = _rows(file)
    json_given = body.lstrip()[:1] in (b"{", b"[")
    options = "".join(f"&{name}=true" for name, on in (("proba", proba), ("explain", explain)) if on)
    table = session.out.format is Format.TABLE
    path = f"/score/{_part(dataset)}?shape={'csv' if table else 'result'}{options}"
    with session.client() as api:
        kind = "application/json" if json_given else "text/csv"
        answer = api.post_raw(path, body, kind, "text/csv" if table else "application/json")
    if table:
        sys.stdout.write(answer.text)
    elif session.out.format is Format.JSON:
        session.out.document(answer.json(), ())
    else:
        session.out.rows(({"prediction": value} for value in answer.json()["result"]), ("prediction",))


def _rows(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise Stop(
            f"{file} can't be read: {error.strerror}.",
            "dropml score DATASET FILE, or - for stdin",
            Code.USAGE,
        ) from error


def rollback(
    dataset: Name,
    to: Annotated[str, typer.Option("--to", help="The run that shall answer; else the version before.")] = "",
    note: Note = "",
) -> None:
    """Let the version before, or another one, answer."""
    session = current()
    body = {name: value for name, value in (("to", to), ("note", note)) if value}
    done = _lever(session, dataset, "rollback", body)
    lines = [
        (name, done.get(name)) for name in ("dataset", "run_id", "state", "model", "deployment", "moved")
    ]
    session.out.document(done, lines)


def pause(dataset: Name, note: Note = "") -> None:
    """Take files and answer rows, but train nothing."""
    _paused(dataset, "pause", note)


def resume(dataset: Name, note: Note = "") -> None:
    """Go on with what waits since a pause."""
    _paused(dataset, "resume", note)


def _paused(dataset: str, action: str, note: str) -> None:
    session = current()
    done = _lever(session, dataset, action, {"note": note} if note else {})
    session.out.document(done, [(n, done.get(n)) for n in ("dataset", "paused", "actor", "note")])


def _lever(session: Session, dataset: str, action: str, body: dict[str, str]) -> Any:
    with session.client() as api:
        return api.post(f"/datasets/{_part(dataset)}/{action}", body or None)


def threshold(
    dataset: Name,
    value: Annotated[
        float | None, typer.Argument(metavar="VALUE", help="From 0 to 1; without it the one in force.")
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="The more probable class answers.")] = False,
    maximise: Annotated[str, typer.Option("--maximise", help="f1, mcc or balanced_accuracy.")] = "",
    min_precision: Annotated[float | None, typer.Option("--min-precision", help="At least so much.")] = None,
    min_recall: Annotated[float | None, typer.Option("--min-recall", help="At least so much.")] = None,
    note: Note = "",
) -> None:
    """Tell the live model's threshold, or set another one."""
    session = current()
    rules: dict[str, object] = {
        "maximise": maximise or None,
        "min_precision": min_precision,
        "min_recall": min_recall,
    }
    if none and value is not None:
        raise Stop(
            "Either a VALUE or --none, not both.", f"dropml threshold {quote(dataset)} --none", Code.USAGE
        )
    body = {name: rule for name, rule in rules.items() if rule is not None}
    if none or value is not None:
        body["threshold"] = None if none else value
    path = f"/datasets/{_part(dataset)}/threshold"
    with session.client() as api:
        said = {"note": note} if note else {}
        found = api.post(path, body | said) if body else api.get(path)
    worth = found["in_force"].get("reported_on") or {}
    lines = [
        ("dataset", found["dataset"]),
        ("model", found["model"]),
        ("threshold", found["says"]),
        ("pending", found["pending"] or None),
        *((name, worth.get(name)) for name in ("precision", "recall", "f1", "balanced_accuracy")),
        ("remark", found["in_force"].get("note")),
    ]
    session.out.document(found, lines)


def batches(
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Only this dataset's.")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 20,
) -> None:
    """List batches, newest first."""
    session = current()
    found = list(pages(session, "/batches", "batches", limit, dataset=dataset))
    columns = ("id", "dataset", "status", "rows", "rows_failed", "output", "error")
    session.out.rows(found, columns, "No batches yet. Next: dropml drop NAME.score.csv")


def _part(text: str) -> str:
    from dropml.client import part

    return part(text)
