"""A model's card: what it is for, what it learned from, how it was judged, what to mind. From the run's document alone.

After Mitchell et al., Model Cards for Model Reporting (https://arxiv.org/abs/1810.03993), as far as the run knows it.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.run.documents import Run
from shared.ui import words

Pairs = tuple[tuple[str, str], ...]
#: Columns and classes that are named; of more, their number is.
MOST_NAMES = 12
#: A class with a smaller share of the training rows is told as rare.
RARE = 0.05


@dataclass(frozen=True)
class Card:
    purpose: Pairs
    data: Pairs
    judged: Pairs
    limits: tuple[str, ...]


def card(run: Run) -> Card:
    return Card(_said(_purpose(run)), _said(_data(run)), _said(_judged(run)), tuple(_limits(run)))


def _purpose(run: Run) -> dict[str, str]:
    config, schema = run.config, run.snapshot.schema if run.snapshot else None
    best, place = run.best, run.placement
    how = " after ".join(filter(None, (best.algorithm or best.name, best.preprocessor))) if best else ""
    return {
        "Answers": f"{config.label} of one row of {run.dataset}",
        "Task": config.task,
        "Classes": _names(schema.classes) if schema else "",
        "Asks for": _names([column.name for column in schema.columns]) if schema else "",
        "Algorithm": how,
        "Endpoint": place.endpoint if place else "",
    }


def _data(run: Run) -> dict[str, str]:
    snapshot = run.snapshot
    if snapshot is None:
        return {"File": run.source.blob}
    return {
        "File": f"{run.source.container}/{run.source.blob}",
        "Data asset": f"{run.slug}:{snapshot.version}",
        "Trained on": f"{words.count(snapshot.train_rows)} rows",
        "Held out": f"{words.count(snapshot.holdout_rows)} rows, which no trial saw",
        "Begun": words.stamp(run.created_at),
        "Trials": f"{words.count(len(run.trials))}, the best by {run.config.primary_metric or 'the metric of the task'}",
        "Hash": run.source.content_hash[:16],
    }


def _judged(run: Run) -> dict[str, str]:
    gate, said = run.gate, run.approval.said if run.approval else None
    numbers = gate.numbers if gate else None
    found = {"Gate": gate.reason or "" if gate else "it has not been judged yet"}
    if numbers:
        found |= {
            numbers.metric: words.score(numbers.challenger),
            "Against": (gate.champion_run or "guessing") if gate else "",
            "Champion": words.score(numbers.champion) if numbers.champion is not None else "",
            "Weakest class": _weakest(run),
        }
    if said and run.approval:
        found["A person's word"] = f"{run.approval.verdict} by {said.actor}"
    return found


def _weakest(run: Run) -> str:
    known = [
        each for each in (run.gate.numbers.per_class if run.gate and run.gate.numbers else ()) if each.rows
    ]
    if not known:
        return ""
    low = min(known, key=lambda each: each.challenger or 0.0)
    return f"{low.label}: {words.share(low.challenger)} of {words.count(low.rows)} found"


def _limits(run: Run) -> list[str]:
    found = [
        f"It knows no values beyond those of {run.source.blob}; rows unlike them get an answer all the same."
    ]
    snapshot = run.snapshot
    if snapshot:
        found += snapshot.warnings
        if snapshot.bad_rows:
            found.append(
                f"{words.count(snapshot.bad_rows)} rows of the file could not be read and were put aside."
            )
        found += _rare(snapshot.class_counts.get("train", {}))
    numbers = run.gate.numbers if run.gate else None
    if numbers and numbers.suspicious:
        found.append(numbers.suspicious)
    if run.waived:
        found.append(f"A person waived rules for it: {', '.join(run.waived)}.")
    if run.config.drop:
        found.append(f"It was not shown {_names(run.config.drop)}.")
    return found


def _rare(counts: dict[str, int]) -> list[str]:
    total = sum(counts.values())
    return [
        f"{label} is rare: {words.share(n / total)} of the rows that it learned from."
        for label, n in sorted(counts.items(), key=lambda pair: pair[1])[:3]
        if n < RARE * total
    ]


def _names(names: tuple[str, ...] | list[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {words.count(more)} more" if more > 0 else "")


def _said(pairs: dict[str, str]) -> Pairs:
    return tuple((name, text) for name, text in pairs.items() if text)
