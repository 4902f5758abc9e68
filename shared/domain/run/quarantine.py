"""The report kept beside a refused file: keys for programs, and a text for the person who dropped it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.domain.documents import to_json
from shared.domain.errors import Example
from shared.domain.run.parts import Mistake, Place, RunProblem, Source
from shared.domain.words import counted

#: Where a problem may say it is, in the order told.
_PLACES = ("file", "field", "line", "column", "row", "byte")


@dataclass(frozen=True)
class Report:
    """`at` is ISO 8601 in UTC; `text` says the same for a reader."""

    run_id: str
    dataset: str
    at: str
    source: Source
    problem: RunProblem
    text: str


def report(problem: RunProblem, *, dataset: str, run_id: str, source: Source, at: float) -> Report:
    """The report of a refusal; `at` is unix seconds. Without a run the original is not kept beside it."""
    moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
    whose = f"Dataset {dataset}, run {run_id}, {moment}" if run_id else moment
    closing = f"{whose}, code {problem.code}"
    return Report(
        run_id, dataset, moment, source, problem, _text(problem, source, closing, kept=bool(run_id))
    )


def json_of(report: Report) -> str:
    """The report for programs."""
    return json.dumps(to_json(report), indent=2)


def _text(problem: RunProblem, source: Source, closing: str, *, kept: bool) -> str:
    named = problem.where.get("file", source.blob)
    beside = kept and str(named).endswith(".yaml") and named != source.blob
    wrong = f"{source.container}/{named}" if beside else f"{source.container}/{source.blob}"
    lines = [
        f"The file {wrong} was not taken." + (f" {source.blob} waits for it." if beside else ""),
        "",
        *(_several(problem.mistakes) if problem.mistakes else _one(problem)),
        "",
        _afterwards(source, str(named), beside=beside, kept=kept),
        "",
        closing,
        *([f"sha256 of the file: {source.content_hash}"] if source.content_hash else []),
    ]
    return "\n".join(lines) + "\n"


def _one(problem: RunProblem) -> list[str]:
    return [
        f"What is wrong:  {problem.message}",
        *_placed(problem.where, _PLACES, "Where:          "),
        *_shown(problem.example),
        *_changed(problem),
        f"What to do:     {problem.remedy or 'Correct the file.'}",
    ]


def _several(mistakes: Sequence[Mistake]) -> list[str]:
    files = list(dict.fromkeys(str(mistake.where.get("file", "")) for mistake in mistakes))
    told = f"{counted(len(mistakes), 'mistake')} in {' and '.join(files)}"
    lines = [f"What is wrong:  {told}. All of them are to be corrected:"]
    kinds = ("line", "column") if len(files) == 1 else ("file", "line", "column")
    for number, mistake in enumerate(mistakes, 1):
        lines += ["", *_of_mistake(mistake, f"{number}. ", kinds)]
    return lines


def _of_mistake(mistake: Mistake, number: str, kinds: Sequence[str]) -> list[str]:
    lines = [
        mistake.message,
        *_placed(mistake.where, kinds, "Where:          "),
        *_shown(mistake.example),
        f"What to do:     {mistake.remedy or 'Correct it.'}",
    ]
    return [f"{' ' * len(number) if at else number}{line}" for at, line in enumerate(lines)]


def _placed(where: Mapping[str, Place], kinds: Sequence[str], begin: str) -> list[str]:
    told = [f"{kind} {where[kind]}" for kind in kinds if kind in where]
    return [f"{begin}{', '.join(told)}"] if told else []


def _shown(example: Example | None) -> list[str]:
    return [f"Wrong:          {example.bad}", f"Right:          {example.good}"] if example else []


def _changed(problem: RunProblem) -> list[str]:
    if not problem.changes:
        return []
    table = [("change", "column", "before", "after")]
    table += [(c.kind, c.column or "(table)", c.before or "-", c.after or "-") for c in problem.changes]
    widths = [max(len(row[i]) for row in table) for i in range(2)]
    return ["", *(f"  {a:{widths[0]}}  {b:{widths[1]}}  {c} -> {d}" for a, b, c, d in table), ""]


def _afterwards(source: Source, named: str, *, beside: bool, kept: bool) -> str:
    if beside:
        return f"Drop a corrected {named}, and {source.blob} is taken anew by itself. It is kept beside this report."
    if kept:
        return (
            "The original is kept beside this report. Drop a corrected file under the same name to try again."
        )
    return f"The file stays in {source.container}; no run was started for it."
