"""Two bad rows for the demo's file, as exports and hands leave them, and what became of them."""

from __future__ import annotations

import csv
import io

from azure.storage.blob import BlobServiceClient

from dropml.client import Run


def with_bad_rows(data: bytes) -> bytes:
    """The file with two rows more, in its middle: one that breaks off, and one with text behind a closing quotation mark."""
    lines = data.splitlines(keepends=True)
    middle = len(lines) // 2
    row = lines[middle]
    end = row[len(row.rstrip(b"\r\n")) :]
    broken = row[: len(row) // 2].rstrip(b"\r\n") + end
    quoted = b'"typed"by hand' + row[row.index(b",") :]
    return b"".join([*lines[:middle], broken, quoted, *lines[middle:]])


def put_aside(service: BlobServiceClient, run: Run) -> list[str]:
    """Where the rows put aside of a run are, then a line for each; nothing where there are none."""
    if not run["snapshot"] or not run["snapshot"]["bad_rows"]:
        return []
    container, path = "dropml-quarantine", f"{run['slug']}/{run['run_id']}/rows.csv"
    text = service.get_blob_client(container, path).download_blob(timeout=30).readall().decode()
    rows = csv.DictReader(io.StringIO(text, newline=""))
    return [f"{container}/{path}", *(f"line {row['line']}, {row['code']}: {row['reason']}" for row in rows)]
