"""Columns' names in a configuration file: which of them YAML cuts or refuses, and how they are written instead."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

#: A key that takes columns, or an item of its list, and what stands behind it; two blanks and `#` begin a comment.
_NAMED = re.compile(r"(\s*(?:(?:label|id|drop)\s*:|-)\s+)(.*?)(\s{2,}#.*)?")
_BEGINS = re.compile(r"[@`%&*!|>{}\[\],#\"']|[-?:](?:\s|$)")
#: Characters of a line that is looked at.
_LONGEST = 200
#: Behind the column that was meant.
COMMENT = " In YAML a comment begins at ` #`, so that the name is to stand in quotation marks."


def in_yaml(name: str, *, listed: bool = False) -> str:
    """The name as it is written behind a key, or `listed` in brackets: in quotation marks where it has to be."""
    cut = ": " in name or " #" in name or name.endswith(":") or (listed and set(name) & set(",[]{}:?"))
    return json.dumps(name, ensure_ascii=False) if cut or _BEGINS.match(name) else name


def quoted(line: str) -> str:
    """A line that YAML doesn't take, with its columns' names in quotation marks; nothing where that would change nothing."""
    found = _NAMED.fullmatch(line) if len(line) <= _LONGEST else None
    if found is None or (found[2][:1] == "[" and found[2].rstrip()[-1:] != "]"):
        return ""
    key, said = found[1], found[2].strip()
    if said[:1] == "[":
        right = f"[{', '.join(_item(item.strip(), listed=True) for item in said[1:-1].split(','))}]"
    else:
        right = _item(said)
    return f"{key.strip()} {right}" if right != said else ""


def _item(said: str, *, listed: bool = False) -> str:
    return said if said[:1] in ('"', "'") else in_yaml(said, listed=listed)


def cut(name: str, header: Iterable[str]) -> str | None:
    """The column of which YAML has left this name, taking the rest for a comment."""
    return next((column for column in header if column.startswith(f"{name} #")), None)
