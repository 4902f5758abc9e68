"""The house's walls: who imports whom, what indexing loads, and that nothing knows where it runs."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def imports(folder: str) -> Iterator[tuple[str, str]]:
    """(file, imported module) for every import below a folder, lazy ones included."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((str(path.relative_to(ROOT)), alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield str(path.relative_to(ROOT)), node.module
                yield from ((str(path.relative_to(ROOT)), f"{node.module}.{a.name}") for a in node.names)


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("shared", ["functions", "dropml", "azure.functions"]),
        ("functions", ["dropml", "azure.ai.ml", "azure.identity"]),
        ("dropml", ["shared", "functions"]),
        ("shared/domain", ["shared.services", "shared.adapters", "azure", "requests"]),
        ("shared/services", ["shared.adapters", "azure"]),
    ],
)
def test_rooms_import_only_downwards(folder: str, forbidden: list[str]) -> None:
    broken = [
        f"{file} imports {module}"
        for file, module in imports(folder)
        if any(module == name or module.startswith(f"{name}.") for name in forbidden)
    ]
    assert broken == []


def test_the_application_does_not_know_where_it_runs() -> None:
    words = ("azurite", "emulator", "devstoreaccount", "localhost", "127.0.0.1", "is_local", "dropml_local")
    found = []
    for folder in ("functions", "shared"):
        for path in (ROOT / folder).rglob("*.py"):
            tree = ast.parse(path.read_text())
            docs = {id(_docstring(node)) for node in ast.walk(tree)}
            for part in (n for n in ast.walk(tree) if isinstance(n, ast.expr)):
                text = part.value if isinstance(part, ast.Constant) and id(part) not in docs else None
                text = part.id if isinstance(part, ast.Name) else text
                if isinstance(text, str) and any(word in text.lower() for word in words):
                    found.append(f"{path.relative_to(ROOT)}:{part.lineno} {text!r}")
    assert found == []


def _docstring(node: ast.AST) -> ast.expr | None:
    body = getattr(node, "body", None)
    return body[0].value if isinstance(body, list) and body and isinstance(body[0], ast.Expr) else None


@pytest.fixture(scope="module")
def indexed() -> dict[str, list[str]]:
    """What a fresh interpreter has loaded after indexing, and the functions it found."""
    script = """
import json, sys
import function_app
names = [f.get_function_name() for f in function_app.app.get_functions()]
print(json.dumps({"modules": sorted(sys.modules), "functions": sorted(names)}))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(
    "heavy", ["azure.ai.ml", "pandas", "numpy", "sklearn", "lightgbm", "applicationinsights"]
)
def test_indexing_loads_nothing_heavy(indexed: dict[str, list[str]], heavy: str) -> None:
    assert heavy not in indexed["modules"]


def test_the_indexed_functions_are_the_documented_ones(indexed: dict[str, list[str]]) -> None:
    readme = (ROOT / "docs" / "functions.md").read_text()
    missing = [name for name in indexed["functions"] if f"`{name}`" not in readme]
    assert missing == []
    assert {"on_drop", "sweep", "advance", "retrain", "health", "score"} <= set(indexed["functions"])


def test_function_app_fits_on_a_page() -> None:
    assert len((ROOT / "function_app.py").read_text().splitlines()) <= 40


def test_settings_page_is_the_settings() -> None:
    sys.path.insert(0, str(ROOT))
    from shared.settings_page import table

    assert table() in (ROOT / "docs" / "settings.md").read_text(), "run `make docs`"
