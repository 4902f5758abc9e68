"""Packages: what is imported is declared, what is declared is locked, and what is deployed is the application alone."""

from __future__ import annotations

import ast
import fnmatch
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SETS = {"deployed": "requirements.txt"} | {
    name: f"requirements-{name}.txt" for name in ("local", "dev", "browser", "tools", "docs")
}
OURS = {"shared", "functions"}
#: Where a package's name isn't what is imported.
NAMES = {"yaml": "pyyaml", "azurefunctions": "azurefunctions-extensions-bindings-blob"}


def declared(name: str) -> set[str]:
    """`name==version` of every line of a requirements file."""
    lines = (ROOT / name).read_text().splitlines()
    return {line.partition(";")[0].strip().lower() for line in lines if re.match(r"[A-Za-z]", line)}


def imported() -> set[str]:
    """Dotted names that the application imports from elsewhere, at whatever moment."""
    found: set[str] = set()
    for path in (ROOT / "function_app.py", *ROOT.glob("shared/**/*.py"), *ROOT.glob("functions/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.partition(".")[0] not in OURS | set(sys.stdlib_module_names)}


def test_what_the_deployed_application_imports_is_declared() -> None:
    known = {pin.partition("==")[0] for pin in declared("requirements.txt")}

    def is_declared(name: str) -> bool:
        parts = name.lower().split(".")
        prefixes = {"-".join(parts[:length]) for length in range(1, len(parts) + 1)}
        return bool(known & prefixes) or NAMES.get(parts[0]) in known

    assert {name for name in imported() if not is_declared(name)} == set()


@pytest.mark.parametrize("name", SETS)
def test_every_set_is_locked_with_hashes_and_names_no_host(name: str) -> None:
    lock = (ROOT / "requirements" / f"{name}.lock").read_text()
    pins = re.findall(r"^([a-z][^ ;\\]*)[^\\]*\\\n    --hash=sha256:", lock, re.MULTILINE)
    assert {pin.replace("_", "-") for pin in declared(SETS[name])} <= set(pins), "run `make lock`"
    assert len(pins) == len(re.findall(r"^[a-z]", lock, re.MULTILINE))
    assert "://" not in lock


def left_out(path: Path) -> bool:
    """By `.funcignore`, whose patterns hold at any depth, as those of `.gitignore` do."""
    patterns = (ROOT / ".funcignore").read_text().split()
    return any(fnmatch.fnmatch(part, pattern) for part in path.parts for pattern in patterns)


def test_the_deployed_package_has_the_application_and_the_scorer_and_nothing_else() -> None:
    shipped = {path.name for path in ROOT.iterdir() if not left_out(Path(path.name))}
    application = {"function_app.py", "host.json", "requirements.txt", "shared", "functions", "scorer"}
    assert shipped == application | {"LICENSE"}


def test_what_the_quickstart_leaves_in_the_folder_is_neither_shipped_nor_committed() -> None:
    """The next `azd deploy` would take people's data into the app's package."""
    page = (ROOT / "docs" / "azure.md").read_text()
    left = set(re.findall(r"(?:curl -fo|>) (\S+\.csv)", page)) | set(re.findall(r"-m venv (\S+)", page))
    assert {"bank.csv", "rows.csv", ".venv-cli"} <= left
    assert {name for name in left if not left_out(Path(name))} == set()
    ignored = (ROOT / ".gitignore").read_text().split()
    assert {
        name for name in left if not any(fnmatch.fnmatch(name, each.strip("/")) for each in ignored)
    } == set()


def test_nothing_that_the_application_reads_is_left_out_of_the_package() -> None:
    files = [
        path
        for room in ("shared", "functions", "scorer")
        for path in (ROOT / room).rglob("*")
        if path.is_file()
    ]
    needed = [
        path.relative_to(ROOT) for path in files if "__pycache__" not in path.parts and path.suffix != ".md"
    ]
    assert len(needed) > 200
    assert [path for path in needed if left_out(path)] == []
