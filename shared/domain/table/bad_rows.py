"""Rows put aside while the rest trains: which, why, and how many may be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shared.domain.errors import InvalidTable
from shared.domain.table.blocks import csv_lines

HEADER = ["line", "code", "reason", "row"]
#: Past so many, a file with too large a share of bad rows is read no further.
PATIENCE = 1000
#: The most rows of a footer.
_FOOTER = 20
#: Characters kept of a row put aside.
MAX_KEPT = 1 << 16


@dataclass
class BadRows:
    """`most`: below 1 a share of the file's rows, else a count. `read` counts the rows of the file, bad ones included."""

    most: float
    read: int = 0
    #: Rows that can't be read.
    count: int = 0
    #: All rows put aside, those without a label included.
    aside: int = 0
    first: InvalidTable | None = None
    #: Rows of the file up to the first bad one.
    _before: int = 0
    _waiting: list[list[str]] = field(default_factory=list)

    def add(self, error: InvalidTable, row: str) -> None:
        """A row that can't be read. Raises the first one's error where there are too many whatever follows."""
        if self.first is None:
            self.first, self._before = error, self.read - 1
        self.count += 1
        self.put_aside(error.where["line"], error.error_code, error.message, row)
        if self.most == 0 or self.count > max(PATIENCE, 10 * self._allowed()):
            self.check()

    def put_aside(self, line: object, code: str, reason: str, row: str) -> None:
        self.aside += 1
        self._waiting.append([str(line), code, reason, row[:MAX_KEPT]])

    def take(self) -> str:
        """What was put aside since the last call, as CSV lines."""
        lines = csv_lines(sorted(self._waiting, key=lambda row: int(row[0])))
        self._waiting = []
        return "".join(f"{line}\n" for line in lines)

    def _allowed(self) -> int:
        return int(self.most * self.read) if self.most < 1 else int(self.most)

    def check(self, needed: int | None = None) -> None:
        """Raises the first row's error where more are bad than may be.

        `needed`: once all rows are read, how many must be left; with fewer the limit is no way out, and is not offered.
        """
        allowed = self._allowed()
        if self.first is None or self.count <= allowed:
            return
        error = self.first
        so_far = "So far " if needed is None else ""
        share = f", and {self.most:.4g} of {self.read:,} is {allowed:,}" if 0 < self.most < 1 else ""
        error.message = (
            f"{error.message} {so_far}{self.count:,} of {self.read:,} rows can't be read; at most {allowed:,} may be "
            f"(max_bad_rows: {self.most:g}{share})."
        )
        if needed is not None:
            error.remedy += self._footer()
        if self._rest_may_train(needed):
            value = "a higher max_bad_rows" if needed is None else f"max_bad_rows: {self.count}"
            error.remedy += f" Or set {value} to train on the rest."
            error.where["bad_rows"] = self.count
        raise error

    def _footer(self) -> str:
        """A hint where the bad rows are the last ones, and shorter than the others."""
        first: dict[str, Any] = self.first.where if self.first else {}
        last = 0 < self._before == self.read - self.count
        if not last or self.count > _FOOTER or first.get("found", 1) >= first.get("expected", 0):
            return ""
        line = first["line"]
        which = (
            f"Line {line:,} ends the file" if self.count == 1 else f"The lines from {line:,} on end the file"
        )
        return (
            f" {which}: if a program wrote a footer there (a total, a count of rows, its own name), remove it; if the file was "
            "cut off, fetch it anew."
        )

    def _rest_may_train(self, needed: int | None) -> bool:
        left = self.read - self.count
        return left >= needed if needed is not None else left > 0 or self.count <= PATIENCE

    def refuse_all(self) -> None:
        """Raises the first row's error where all rows are bad, whatever may be."""
        if self.first is not None and self.count == self.read:
            self.first.message += f" None of the {self.read:,} rows can be read."
            raise self.first

    def warnings(self) -> list[str]:
        if self.first is None:
            return []
        return [
            f"{self.count:,} of {self.read:,} rows can't be read and were put aside; the first: {self.first.message}"
        ]
