"""A shell's text as statements, and whether each can run on a machine without a subscription, by the programs that it calls."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
from pathlib import Path

from tests.snippets.pages import ROOT

#: Programs that speak to a subscription, or to a service that only has one.
AZURE = frozenset({"az", "azd", "func", "gh"})
#: Programs that the reader may have, and that no set of ours brings.
OWN = frozenset({"pre-commit"})
#: What every reader has after the first page.
HERE = frozenset({".", "curl", "cut", "dropml", "eval", "export", "head", "make", "pip", "python", "python3"})
#: Ours that are no snippet's to run: they run the tests that run the snippets.
SUITE = "make test"
_SIGNS = frozenset("();<>|&")


class UnclassifiedError(ValueError):
    """Nobody has said how it is tried; the text says what to do."""


def statements(text: str) -> list[str]:
    """Each as it stands, over as many lines as it takes; comments of a line alone are left out."""
    found, held = [], ""
    for line in text.splitlines():
        held = f"{held}\n{line}" if held else line
        if _whole(held):
            if words(held):
                found.append(held)
            held = ""
    if held:
        raise UnclassifiedError(f"A statement without an end: {held}")
    return found


def _whole(text: str) -> bool:
    try:
        words(text)
    except ValueError:
        return False
    return not text.endswith("\\")


def bare(statement: str) -> str:
    """Without the comment at its end."""
    return re.sub(r"\s+#[^'\"]*$", "", statement)


def words(statement: str) -> list[str]:
    lexer = shlex.shlex(statement, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return list(lexer)


def programs(statement: str) -> list[str]:
    """What it calls, also behind `&&`, `|`, `--` and inside `$(...)`."""
    found, first = [], True
    for word in words(statement):
        found += re.findall(r"\$\(\s*([\w.-]+)", word)
        if word == "--" or not word.strip("".join(_SIGNS)):
            first = word not in (">", "<", ">>")
            continue
        if first and not re.match(r"\w+=", word):
            found.append(word)
            first = False
    return found


def reason(statement: str) -> str:
    """Why it isn't run here, in words that say what it needs; empty where it is. Raises UnclassifiedError."""
    called = programs(statement)
    unknown = sorted(set(called) - AZURE - OWN - HERE)
    if unknown:
        raise UnclassifiedError(
            f"{', '.join(unknown)}: tests/snippets/shell.py doesn't know whether that runs here ({statement!r})."
        )
    if AZURE.intersection(called):
        return "Azure"
    if OWN.intersection(called):
        return "a tool of one's own"
    if "curl" in called and re.search(r"https://\w", statement):
        return "a public address"
    if " ".join(words(statement)) == SUITE:
        return "the whole suite, which CI runs"
    missing = [name for word in words(statement) for name in _absent(word)]
    return f"a package of its own ({', '.join(missing)})" if missing else ""


def _absent(word: str) -> list[str]:
    """Packages that a script of the repository imports and this environment hasn't."""
    path = ROOT / word
    if not word.endswith(".py") or not path.is_file():
        return []
    return sorted(name for name in _imports(path) if importlib.util.find_spec(name) is None)


def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    whole = [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
    parts = [
        node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level
    ]
    return {name.partition(".")[0] for name in [*whole, *parts]}
