"""The report kept beside a refused file: JSON for programs, text for the person who dropped it."""

from __future__ import annotations

from typing import Any

from shared.domain.errors import InvalidInput

REPORT_JSON = "report.json"
REPORT_TEXT = "report.txt"


def report(
    error: InvalidInput, *, dataset: str, source: dict[str, Any], run_id: str, at: str
) -> dict[str, Any]:
    """`source` tells where the file was (container, name, etag, size); `at` is ISO 8601 UTC."""
    doc = {
        "dataset": dataset,
        "run_id": run_id,
        "at": at,
        "source": source,
        "content_hash": getattr(error, "content_hash", None),
        "error": error.to_dict(),
    }
    return doc | {"text": text(doc)}


def text(doc: dict[str, Any]) -> str:
    """The same for a reader."""
    error, source = doc["error"], doc["source"]
    place = [
        f"{name} {error[name]}"
        for name in ("file", "field", "line", "column", "row", "byte")
        if name in error
    ]
    lines = [
        f"The file {source.get('container', '')}/{source.get('name', '')} was not taken.",
        "",
        f"What is wrong:  {error['message']}",
        f"Where:          {', '.join(place)}" if place else "",
        f"What to do:     {error.get('remedy', 'Correct the file.')}",
        "",
        "The original is kept beside this report. Drop a corrected file under the same name to try again.",
        "",
        f"dataset {doc['dataset']}, run {doc['run_id']}, code {error['code']}, {doc['at']}",
    ]
    if doc["content_hash"]:
        lines.append(f"sha256 of the file: {doc['content_hash']}")
    return "\n".join(line for i, line in enumerate(lines) if line or i != 3) + "\n"
