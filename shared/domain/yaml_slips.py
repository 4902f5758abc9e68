"""Slips of people in a configuration file for which YAML names another line, or none: what they are, and the line put right."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice

#: A key, and a colon without a blank behind it or an equals sign, before a value.
_UNSPACED = re.compile(r"([A-Za-z_]+)(?:[ \t]*=|:(?![ \t]|$))\s*(\S.*)")
#: What YAML says it was reading when the end of what stands open did not come.
_OPEN = {
    "while scanning a quoted scalar": "the quotation mark",
    "while parsing a flow sequence": "the bracket",
    "while parsing a flow mapping": "the brace",
}
_CLOSING = {'"': '"', "'": "'", "[": "]", "{": "}"}
#: Characters of a line that is looked at.
_LONGEST = 200


@dataclass(frozen=True)
class Slip:
    """What is said of it, where (from 0), and what to do; the line as it is and as it is to be."""

    said: str
    line: int
    column: int
    remedy: str
    bad: str
    good: str


def unspaced(text: str, lines: int) -> Slip | None:
    """The first of so many lines that has a key without a colon and a blank behind it."""
    for at, line in enumerate(islice(text.splitlines(), lines)):
        bare = line.strip()
        found = _UNSPACED.fullmatch(bare[:_LONGEST])
        if found:
            good = f"{found[1]}: {found[2]}"
            how = "Write one `key: value` per line, with a colon and a blank between them"
            return Slip(
                f"{bare[:60]!r} is no `key: value`", at, line.index(bare[0]), f"{how}: {good}", bare, good
            )
    return None


def unclosed(text: str, context: str | None, line: int, column: int, until: int) -> Slip | None:
    """The mark that opens in `line` at `column` where YAML, reading it, got to line `until` in vain."""
    what = _OPEN.get(context or "")
    said = next(islice(text.splitlines(), line, None), "")
    mark = said[column : column + 1]
    if what is None or mark not in _CLOSING or until <= line:
        return None
    bare = said.strip() if mark in ('"', "'") else said.partition(" #")[0].strip()
    good = bare.rstrip(",") + _CLOSING[mark]
    how = f"Close it: {good[:_LONGEST]}" if bare[-1] != "," else f"Close it, on its line: {good[:_LONGEST]}"
    return Slip(f"{what} is never closed", line, column, how, said.strip(), good)
