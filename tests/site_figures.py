"""`python -m tests.site_figures`: what of the product stands in the documents, as figures. Exits 1 where something is missing.

Snippets are parsed, each as what it says it is; then those that can be are run beside a stack of their own, which takes
minutes, and the others told with what they need. Writes benchmarks/results/documents.json. Given a page, runs its snippets alone.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import yaml

from benchmarks import machine
from benchmarks.figure import Figure
from shared.domain.notify.notices import EVENTS
from shared.domain.run.signals import LEDGER_EVENT, METRICS, STATE_EVENT
from shared.settings import Settings, variable
from tests.functions.test_errors_document import documented, raised
from tests.snippets import pages, running
from tests.support.indexed import indexed_functions

ROOT = Path(__file__).resolve().parents[1]
PAGES = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").rglob("*.md"))}
RESULTS = ROOT / "benchmarks" / "results" / "documents.json"


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
    for snippet in pages.snippets():
        if snippet.info not in PARSERS:
            continue
        tried += 1
        try:
            PARSERS[snippet.info](snippet.text)
        except (SyntaxError, ValueError, yaml.YAMLError, subprocess.CalledProcessError) as error:
            broken.append(f"{snippet.place}: {error}")
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
    if sys.argv[1:]:
        alone = running.run_all(lambda one: print(one.line(), flush=True), sys.argv[1])
        return 0 if alone and not any(one.code for one in alone) else 1
    found = figures()
    outcomes = running.run_all(lambda one: print(one.line(), flush=True))
    found += running.figures(outcomes)
    document = {
        "machine": machine.facts(),
        "figures": [figure.to_dict() for figure in found],
        "snippets": [
            {"place": one.snippet.place, "exit": one.code, "seconds": round(one.seconds, 1)}
            for one in outcomes
        ],
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    for figure in found:
        print(figure.line())
    return 0 if all(figure.ok for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
