"""What the application logs as events, read from its source; `python -m tests.support.logged_lines` writes it into its page."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "telemetry.md"
HEAD = "| line | fields |\n|---|---|\n"
#: Of each function that takes a line: which argument it is.
TAKERS = {"log": 0, "observe": 0, "safely": 1, "guarded": 1}
THE_ERRORS = "the error's"
#: Lines whose names are put together.
MADE = (
    "| `retraining started`, `retraining skipped`, `retraining waiting` | `code`, `dataset`, `reason`, `run_id`, `trigger` |",
    "| the `code` of what holds a training ([errors](errors.md#a-run)) | `message`, `run_id` |",
)


def logged() -> Iterator[tuple[str, set[str]]]:
    """Each line by its name, with the names of its fields."""
    for path in (*ROOT.glob("shared/**/*.py"), *ROOT.glob("functions/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            first = TAKERS.get(name, len(node.args))
            line = node.args[first] if first < len(node.args) else None
            if isinstance(line, ast.Constant) and isinstance(line.value, str):
                yield line.value, {keyword.arg or THE_ERRORS for keyword in node.keywords}


def table() -> str:
    """All of them, sorted."""
    found: dict[str, set[str]] = {}
    for name, fields in logged():
        found.setdefault(name, set()).update(fields)
    rows = []
    for name, fields in sorted(found.items()):
        told = [each if each == THE_ERRORS else f"`{each}`" for each in sorted(fields)]
        rows.append(f"| `{name}` | {', '.join(told) or '-'} |")
    return HEAD + "\n".join([*rows, *MADE]) + "\n"


if __name__ == "__main__":
    before = PAGE.read_text(encoding="utf-8").partition(HEAD)[0]
    PAGE.write_text(before + table(), encoding="utf-8")
