"""The ledger: one JSON line per event of a run, each with the hash of the line before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass


def line_hash(line: str) -> str:
    """Hex sha256 of a line, without its end."""
    return hashlib.sha256(line.encode()).hexdigest()


def line(entry: dict[str, object], head: str) -> str:
    """The entry as a line that follows the line with the hash `head` ("" for the first)."""
    return json.dumps({**entry, "prev": head}, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class Verification:
    """`broken_at` is the index of the first line that can't stand where it is, None where all do."""

    broken_at: int | None = None
    reason: str | None = None


def verify(lines: Sequence[str], head: str, pending: Sequence[str] = ()) -> Verification:
    """Hold a ledger against the head kept in the run's document.

    `pending` are the document's lines that may not have been appended yet. A line is broken where it is no JSON object or
    where its `prev` isn't the hash of the line before; a ledger whose end isn't the head was cut off or forged there.
    """
    whole = [*lines, *pending[_overlap(lines, pending) :]]
    expected = ""
    for index, text in enumerate(whole):
        try:
            previous = json.loads(text)["prev"]
        except (ValueError, TypeError, KeyError):
            return Verification(index, "The line is no entry: it can't be read as a JSON object with `prev`.")
        if previous != expected:
            return Verification(index, "The line doesn't follow the line before: `prev` is not its hash.")
        expected = line_hash(text)
    if expected != head:
        return Verification(
            max(len(whole) - 1, 0),
            "The ledger doesn't end where the run's document says: it was cut off or forged.",
        )
    return Verification()


def _overlap(lines: Sequence[str], pending: Sequence[str]) -> int:
    """How many of the pending lines are appended already: a writer may have died before it could say so."""
    return next((n for n in range(len(pending), 0, -1) if list(lines[-n:]) == list(pending[:n])), 0)
