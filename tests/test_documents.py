"""The documents name tests and commands; each of them is there."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from tests.chaos.plan import KINDS

ROOT = Path(__file__).resolve().parents[1]
_CHAOS = {word for kind in KINDS for word in (kind, kind.split()[0])}
PAGES = ("docs/reliability.md", "docs/security.md")
_TEST = re.compile(r"`(tests/[\w/.]+)?(?:::(\w+))?`")


def named(page: str) -> list[tuple[str, str]]:
    """File and test; `::name` alone is in the file named before it."""
    found, last = [], ""
    for path, test in _TEST.findall((ROOT / page).read_text(encoding="utf-8")):
        last = path or last
        if path or test:
            found.append((last, test))
    return found


def definitions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    made = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    named = [node.targets[0] for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    return made | {target.id for target in named if isinstance(target, ast.Name)}


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_a_page_names_is_there(page: str) -> None:
    for path, test in named(page):
        assert (ROOT / path).exists(), f"{page} names {path}"
        if test:
            assert test in definitions(ROOT / path), f"{page} names {path}::{test}"
    assert len(named(page)) > 15


@pytest.mark.parametrize("page", [*PAGES, "README.md", "SECURITY.md", "CONTRIBUTING.md"])
def test_every_command_that_a_page_names_is_there(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    commands = set(re.findall(r"`make ([a-z-]+)", (ROOT / page).read_text(encoding="utf-8")))
    assert commands <= targets, f"{page} names {commands - targets}"


@pytest.mark.parametrize("bar", [f"R{n}" for n in range(1, 13)])
def test_every_bar_has_a_short_test_and_a_long_command(bar: str) -> None:
    page = (ROOT / PAGES[0]).read_text(encoding="utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith(f"| {bar} |")]
    _, _, _, short, long, _ = (cell.strip() for cell in row.split("|"))
    assert "tests/" in short
    assert "make " in long
    for told in re.findall(r"`make chaos` \(`([^)]+)`\)", long):
        assert {kind.strip("` ") for kind in told.split(",")} <= _CHAOS, f"{bar}: {told}"
    if int(bar[1:]) < 10:
        assert "`make chaos`" in long, "R1 to R9 have their long run there"


def test_the_seams_name_every_module_that_may_build_adapters() -> None:
    walls = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (wall,) = [each for each in walls if each["type"] == "protected"]
    page = (ROOT / "docs" / "seams.md").read_text(encoding="utf-8")
    (told,) = re.findall(r"build adapters.+?No other imports one", page, re.DOTALL)
    assert set(re.findall(r"`(shared\.\w+)`", told)) == set(wall["allowed_importers"])
