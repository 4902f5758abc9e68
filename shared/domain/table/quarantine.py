"""The report kept beside a refused file: keys for programs, and a text for the person who dropped it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

#: Where a problem may say it is, in the order told.
_PLACES = ("file", "field", "line", "column", "row", "byte")


def report(
    problem: Mapping[str, Any], *, dataset: str, run_id: str, source: Mapping[str, Any], at: float
) -> dict[str, Any]:
    """`problem` is DropMLError.to_dict(); `source` has container and blob; `at` is unix seconds."""
    doc = {
        "run_id": run_id,
        "dataset": dataset,
        "at": datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds"),
        "source": dict(source),
        "problem": dict(problem),
    }
    return doc | {"text": text(doc)}


def text(doc: Mapping[str, Any]) -> str:
    """The report for a reader, a few lines."""
    problem, source = doc["problem"], doc["source"]
    where = ", ".join(f"{place} {problem[place]}" for place in _PLACES if problem.get(place) is not None)
    lines = [
        f"The file {source.get('container', '')}/{source.get('blob', '')} was not taken.",
        "",
        f"What is wrong:  {problem['message']}",
        *([f"Where:          {where}"] if where else []),
        f"What to do:     {problem.get('remedy') or 'Correct the file.'}",
        "",
        "The original is kept beside this report. Drop a corrected file under the same name to try again.",
        "",
        f"Dataset {doc['dataset']}, run {doc['run_id']}, {doc['at']}, code {problem['code']}",
    ]
    if source.get("content_hash"):
        lines.append(f"sha256 of the file: {source['content_hash']}")
    return "\n".join(lines) + "\n"
