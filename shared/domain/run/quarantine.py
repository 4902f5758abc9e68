"""The report kept beside a refused file: keys for programs, and a text for the person who dropped it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from shared.domain.run.parts import RunProblem, Source

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
    """The report of a refusal; `at` is unix seconds."""
    moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
    closing = f"Dataset {dataset}, run {run_id}, {moment}, code {problem.code}"
    return Report(run_id, dataset, moment, source, problem, _text(problem, source, closing))


def _text(problem: RunProblem, source: Source, closing: str) -> str:
    places = [f"{place} {problem.where[place]}" for place in _PLACES if place in problem.where]
    lines = [
        f"The file {source.container}/{source.blob} was not taken.",
        "",
        f"What is wrong:  {problem.message}",
        *([f"Where:          {', '.join(places)}"] if places else []),
        f"What to do:     {problem.remedy or 'Correct the file.'}",
        "",
        "The original is kept beside this report. Drop a corrected file under the same name to try again.",
        "",
        closing,
        *([f"sha256 of the file: {source.content_hash}"] if source.content_hash else []),
    ]
    return "\n".join(lines) + "\n"
