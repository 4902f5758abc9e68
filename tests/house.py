"""How the house stands: `python -m tests.house` prints `figure NAME VALUE TARGET ok|short`, and what is short by name.

Counts shared, functions, dropml and scorer. Exits 1 when a wall doesn't hold: a circle of imports, a module of 300
lines or more, a function of more than 50, too much open JSON; and where docs/map.md is behind the files.
"""

from __future__ import annotations

import ast
import re
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grimp

from benchmarks.figure import Figure
from tests.support import map_page

ROOT = Path(__file__).parent.parent
ROOMS = ("shared", "functions", "dropml", "scorer")
EVERYWHERE = (*ROOMS, "tests", "benchmarks", "samples", "infra")
MODULE_LINES = 300
MEDIAN_LINES = 120
FUNCTION_LINES = 50
#: Environments of other programs, which benchmarks make.
VENVS = ROOT / "benchmarks" / "venvs"
OPEN_JSON = 4.0  # `dict[str, Any]` per 1,000 lines of shared
UNEXPLAINED = re.compile(r"#\s*noqa(?::\s*[A-Z]+[0-9]+(?:,\s*[A-Z]+[0-9]+)*)?\s*$")


@dataclass(frozen=True, slots=True)
class Module:
    """One file that says something; an empty `__init__.py` is none."""

    name: str
    text: str

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())


def modules(rooms: tuple[str, ...] = ROOMS) -> list[Module]:
    paths = (
        path for room in rooms for path in sorted((ROOT / room).rglob("*.py")) if VENVS not in path.parents
    )
    found = (Module(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")) for path in paths)
    return [module for module in found if module.text.strip()]


def circles() -> list[list[str]]:
    """Modules that import each other, however far round and however late."""
    graph = grimp.build_graph(*ROOMS, cache_dir=None)
    imports = {name: sorted(graph.find_modules_directly_imported_by(name)) for name in graph.modules}
    return [sorted(group) for group in _strongly_connected(imports) if len(group) > 1]


def _strongly_connected(imports: dict[str, list[str]]) -> Iterator[list[str]]:
    """Kosaraju: in the order in which a walk leaves them, last first, walk the arrows backwards."""
    importers: dict[str, list[str]] = {name: [] for name in imports}
    for name, found in imports.items():
        for other in found:
            importers[other].append(name)
    left: list[str] = []
    seen: set[str] = set()
    for name in imports:
        left += _walk(name, imports, seen)
    seen.clear()
    for name in reversed(left):
        if name not in seen:
            yield _walk(name, importers, seen)


def _walk(start: str, arrows: dict[str, list[str]], seen: set[str]) -> list[str]:
    """What can be reached from `start` and isn't in `seen`, in the order in which the walk leaves it."""
    if start in seen:
        return []
    seen.add(start)
    left = []
    path = [(start, iter(arrows[start]))]
    while path:
        name, ahead = path[-1]
        step = next((other for other in ahead if other not in seen), None)
        if step is None:
            left.append(name)
            path.pop()
        else:
            seen.add(step)
            path.append((step, iter(arrows[step])))
    return left


def long_functions(module: Module) -> list[str]:
    return [
        f"{module.name}:{node.lineno} {node.name} ({length} lines)"
        for node in ast.walk(ast.parse(module.text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    ]


def open_json(module: Module) -> int:
    """Documents that nobody checks the use of; with `object` as values mypy does, as each must be looked at first."""
    return len(re.findall(r"(?:dict|Mapping)\[str, Any\]", module.text))


def unexplained(module: Module) -> list[str]:
    """Rules that are passed over (`noqa`) without a word why."""
    lines = enumerate(module.text.splitlines(), 1)
    return [f"{module.name}:{number}" for number, line in lines if UNEXPLAINED.search(line)]


def main() -> int:
    house = modules()
    shared = [module for module in house if module.name.startswith("shared/")]
    round_and_round = circles()
    long = [module for module in house if module.lines >= MODULE_LINES]
    functions = [line for module in house for line in long_functions(module)]
    ignores = [line for module in modules(EVERYWHERE) for line in unexplained(module)]
    counted, lines = sum(map(open_json, shared)), sum(module.lines for module in shared)
    figures = [
        Figure("circles", len(round_and_round), 0, at_least=False),
        Figure(
            "module_lines_median", statistics.median(m.lines for m in house), MEDIAN_LINES, at_least=False
        ),
        Figure("module_lines_longest", max(m.lines for m in house), MODULE_LINES - 1, at_least=False),
        Figure("functions_over_50_lines", len(functions), 0, at_least=False),
        Figure("open_json_per_1000_lines", counted * 1000 / lines, OPEN_JSON, at_least=False),
        Figure("ignores_without_a_reason", len(ignores), 0, at_least=False),
    ]
    print("\n".join(figure.line() for figure in figures))
    for group in round_and_round:
        print(f"  circle: {' '.join(group)}")
    for module in long:
        print(f"  long module: {module.name} ({module.lines} lines)")
    for line in functions:
        print(f"  long function: {line}")
    for line in ignores:
        print(f"  ignore without a reason: {line}")
    behind = not map_page.PAGE.read_text(encoding="utf-8").endswith(map_page.rooms())
    if behind:
        print("  docs/map.md is behind the files' first lines: run `make docs`")
    return 0 if all(figure.ok for figure in figures) and not behind else 1


if __name__ == "__main__":
    sys.exit(main())
