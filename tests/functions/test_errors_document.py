"""docs/errors.md lists every code that shared/ and functions/ can raise, with its status, and no other."""

from __future__ import annotations

import ast
import importlib
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from shared.domain.errors import DropMLError, Fatal, InvalidTable

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path for room in ("shared", "functions") for path in (ROOT / room).rglob("*.py"))
#: Makers of row issues; their first argument is the code.
ISSUES = {"add", "RowIssue", "BadCellError"}
ROW = re.compile(r"^\| (`[^|]+`) \| ((?:\d{3}|file|run)(?:, (?:\d{3}|file|run))*) \|", re.MULTILINE)
ISSUE_ROW = re.compile(r"^\| `([a-z-]+)` \| [^|]+ \|$", re.MULTILINE)


def nodes() -> Iterator[ast.AST]:
    for path in MODULES:
        yield from ast.walk(ast.parse(path.read_text()))


def calls() -> Iterator[tuple[ast.Call, str]]:
    for node in nodes():
        if isinstance(node, ast.Call):
            yield node, node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def written() -> Iterator[str]:
    """Codes of error documents that are written out: `{"code": "..."}`."""
    for node in nodes():
        for key, value in zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) else ():
            if (
                isinstance(key, ast.Constant)
                and key.value == "code"
                and isinstance(value, ast.Constant)
                and value.value
            ):
                yield str(value.value)


def kinds() -> dict[str, type[DropMLError]]:
    """Every class of error, by its name."""
    for path in MODULES:
        if path.name != "__init__.py" and "class" in path.read_text() and "Error" in path.read_text():
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    found: dict[str, type[DropMLError]] = {"DropMLError": DropMLError}
    pending: list[type[DropMLError]] = [DropMLError]
    while pending:
        for kind in pending.pop().__subclasses__():
            if kind.__module__.startswith(("shared.", "functions.")):
                found[kind.__name__] = kind
                pending.append(kind)
    return found


def where(kind: type[DropMLError]) -> str:
    """Where an error of this class is met."""
    if issubclass(kind, InvalidTable):
        return "file"
    return "run" if kind in (DropMLError, Fatal) else str(kind.status)


def raised() -> dict[str, set[str]]:
    """Code -> where it is met, as the modules say."""
    known = kinds()
    found: dict[str, set[str]] = defaultdict(set)
    for kind in known.values():
        if "code" in vars(kind):
            found[kind.code].add("file" if issubclass(kind, InvalidTable) else str(kind.status))
    for code in written():
        found[code].add("run")
    for call, name in calls():
        for keyword in call.keywords:
            if keyword.arg != "code" or not isinstance(keyword.value, ast.Constant):
                continue
            if name in known or name == "RunProblem":
                found[str(keyword.value.value)].add(where(known[name]) if name in known else "run")
    return found


def documented() -> dict[str, set[str]]:
    page = (ROOT / "docs" / "errors.md").read_text()
    return {
        code: set(statuses.split(", "))
        for codes, statuses in ROW.findall(page)
        for code in re.findall(r"`([a-z0-9-]+)`", codes)
    }


def test_every_code_is_documented_with_its_status() -> None:
    told = documented()
    missing = {code: places - told.get(code, set()) for code, places in raised().items()}
    assert {code: places for code, places in missing.items() if places} == {}


def test_every_documented_code_can_be_raised() -> None:
    assert set(documented()) - set(raised()) == set()


def test_every_code_of_a_row_issue_is_documented() -> None:
    made = {
        call.args[0].value
        for call, name in calls()
        if name in ISSUES
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and re.fullmatch(r"[a-z]+(-[a-z]+)+", str(call.args[0].value))
    }
    page = (ROOT / "docs" / "errors.md").read_text()
    assert made == set(ISSUE_ROW.findall(page))
