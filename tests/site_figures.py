"""`python -m tests.site_figures`: what of the product stands in the documents, as figures. Exits 1 where something is missing.

Snippets are parsed, each as what it says it is, and not run.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import yaml

from benchmarks.figure import Figure
from shared.domain.notify.notices import EVENTS
from shared.domain.run.signals import LEDGER_EVENT, METRICS, STATE_EVENT
from shared.settings import Settings, variable
from tests.functions.test_errors_document import documented, raised
from tests.support.indexed import indexed_functions

ROOT = Path(__file__).resolve().parents[1]
PAGES = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").rglob("*.md"))}
_SNIPPET = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def _bash(source: str) -> None:
    subprocess.run(
        ["/usr/bin/env", "bash", "-n"], input=source, text=True, check=True, capture_output=True, timeout=30
    )


PARSERS: dict[str, Callable[[str], object]] = {
    "bash": _bash,
    "python": ast.parse,
    "toml": tomllib.loads,
    "yaml": yaml.safe_load,
}


def snippets() -> tuple[int, list[str]]:
    """How many were parsed, and where one can't be."""
    tried, broken = 0, []
    for path, page in PAGES.items():
        for _, language, source in _SNIPPET.findall(page):
            if language not in PARSERS:
                continue
            tried += 1
            try:
                PARSERS[language](textwrap.dedent(source))
            except (SyntaxError, ValueError, yaml.YAMLError, subprocess.CalledProcessError) as error:
                broken.append(f"{path.name}: {error}")
    return tried, broken


def untold(names: set[str], page: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return sorted(name for name in names if f"`{name}`" not in text)


def figures() -> list[Figure]:
    tried, broken = snippets()
    missing = {
        "settings": untold(set(map(variable, fields(Settings))), "settings.md"),
        "functions": untold({str(one.get_function_name()) for one in indexed_functions()}, "functions.md"),
        "errors": sorted(set(raised()) - set(documented())),
        "events": untold(set(EVENTS), "notifications.md"),
        "signals": untold({STATE_EVENT, LEDGER_EVENT, *METRICS}, "telemetry.md"),
    }
    return [
        Figure("docs_pages", len(PAGES), 40),
        Figure("docs_snippets_parsed", tried, 20),
        Figure("docs_snippets_broken", len(broken), 0, at_least=False, note="; ".join(broken)),
        *(
            Figure(f"docs_{what}_untold", len(names), 0, at_least=False, note=", ".join(names))
            for what, names in missing.items()
        ),
    ]


def main() -> int:
    found = figures()
    for figure in found:
        print(figure.line())
    return 0 if all(figure.ok for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
