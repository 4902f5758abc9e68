"""What a command prints: data on stdout as a table, JSON or JSON lines; everything else on stderr."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TextIO

Row = Mapping[str, Any]
_GREEN, _RED, _YELLOW, _DIM, _PLAIN = "\033[32m", "\033[31m", "\033[33m", "\033[2m", "\033[0m"
_COLOURS = {
    "live": _GREEN, "ok": _GREEN, "completed": _GREEN, "healthy": _GREEN,
    "failed": _RED, "quarantined": _RED, "rejected": _RED, "rolled_back": _RED,
    "canary": _YELLOW, "awaiting_approval": _YELLOW, "warning": _YELLOW, "waiting": _YELLOW,
    "unknown": _DIM, "retired": _DIM, "cancelled": _DIM,
}  # fmt: skip


class Format(StrEnum):
    """Of stdout."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"


def plain_terminal() -> bool:
    """Whether the environment asks for no colours and no rewriting of lines (https://no-color.org)."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


@dataclass(frozen=True)
class Output:
    """How a command may speak."""

    format: Format = Format.TABLE
    quiet: bool = False
    colour: bool = True

    def say(self, text: str = "") -> None:
        """Progress, for a person: stderr."""
        if not self.quiet:
            print(shown(text), file=sys.stderr, flush=True)

    def rows(self, rows: Iterable[Row], columns: Sequence[str], empty: str = "Nothing yet.") -> None:
        """A list; a table shows these columns, JSON all there is."""
        if self.format is Format.JSONL:
            for row in rows:
                print(_json(row))
            return
        listed = list(rows)
        if self.format is Format.JSON:
            print(_json(listed, indent=2))
        elif listed:
            self._table(listed, columns)
        else:
            self.say(empty)

    def document(self, document: Row, lines: Iterable[tuple[str, object]]) -> None:
        """One thing; a table is its `lines` of a name and a value, without those that have none."""
        if self.format is not Format.TABLE:
            print(_json(document, indent=2 if self.format is Format.JSON else None))
            return
        told = [(name, cell(value)) for name, value in lines if value not in (None, "", [], {})]
        width = max((len(name) for name, _ in told), default=0)
        for name, value in told:
            print(f"{name:<{width}}  {self._coloured(value)}")

    def _table(self, rows: list[Row], columns: Sequence[str]) -> None:
        cells = [[cell(row.get(column)) for column in columns] for row in rows]
        numeric = [all(isinstance(row.get(c), int | float | None) for row in rows) for c in columns]
        widths = [max(len(name), *(len(line[i]) for line in cells)) for i, name in enumerate(columns)]
        room = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
        for line in [[name.upper() for name in columns], *cells]:
            padded = [
                f"{text:>{width}}" if right else f"{text:<{width}}"
                for text, width, right in zip(line, widths, numeric, strict=True)
            ]
            text = "  ".join(padded).rstrip()
            text = text if not room or len(text) <= room else text[: room - 1] + "…"
            print(self._states(text, line))

    def _states(self, text: str, line: list[str]) -> str:
        for word in line:
            if word in _COLOURS:
                return text.replace(word, self._coloured(word), 1)
        return text

    def _coloured(self, text: str) -> str:
        if text not in _COLOURS or not self.colour or not sys.stdout.isatty():
            return text
        return f"{_COLOURS[text]}{text}{_PLAIN}"


def cell(value: object) -> str:
    """A value in a table: nothing that a terminal would take for a command."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, dict | list):
        return shown(_json(value))
    return shown(" ".join(str(value).split()))


def shown(text: str) -> str:
    """As it is, but for what could steer a terminal, which is shown instead of sent."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def age(at: float | None) -> str:
    """How long ago a moment (unix seconds) was."""
    if not at:
        return "-"
    seconds = max(0.0, time.time() - at)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds // 1:.0f} s"


def complain(message: str, then: str, stream: TextIO | None = None) -> None:
    """An error and what comes next, on stderr, also where everything else is kept quiet."""
    print(f"{shown(message)}\nNext: {shown(then)}", file=stream or sys.stderr, flush=True)


def _json(value: object, indent: int | None = None) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False, default=str)
