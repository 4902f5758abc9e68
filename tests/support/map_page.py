"""Where everything is, read from the first line of each file; `python -m tests.support.map_page` writes it into its page."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "map.md"
#: What stands above it is people's to write.
HEAD = "## Room by room\n"
ROOMS = ("functions", "shared", "scorer", "infra", "samples", "dropml")
#: Folders that are no packages, and so have no docstring.
FOLDERS = {
    "infra": "What is made in Azure; `azd up` begins at `main.bicep`.",
    "infra/hooks": "What azd runs before and after.",
    "infra/modules": "A module a concern.",
    "samples": "Programs of other people's kind, unchanged against the emulator; `ci/` runs them in a workflow.",
    "samples/onlinescoring": "A scoring script of one's own.",
}
#: Folders whose files tell by their names what they are.
PLAIN = {
    "functions/static": "What browsers load: style and script of the dashboard and of the documentation page.",
    "infra/stages": "What differs between the stages.",
    "shared/ui/pages": "The dashboard's templates, a page each.",
}


def first_line(path: Path) -> str:
    """What a file says of itself, in one line: a Python docstring's, a Bicep comment's first paragraph."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        told = ast.get_docstring(ast.parse(text)) or ""
    else:
        told = "\n".join(
            re.findall(
                r"^// ?(.*)\n", re.split(r"^(?!//)", text, maxsplit=1, flags=re.MULTILINE)[0], re.MULTILINE
            )
        )
    return " ".join(told.split("\n\n")[0].split())


def folders() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Of each folder: its path, what it is, and what each of its files is."""
    for room in ROOMS:
        files = [path for kind in ("*.py", "*.bicep") for path in (ROOT / room).rglob(kind)]
        plain = {ROOT / name for name in PLAIN if name.startswith(f"{room}/")}
        for folder in sorted({path.parent for path in files} | plain):
            name = folder.relative_to(ROOT).as_posix()
            package = folder / "__init__.py"
            said = PLAIN.get(name) or FOLDERS.get(name) or (first_line(package) if package.exists() else "")
            inside = sorted(path for path in files if path.parent == folder and path != package)
            yield name, said, {path.name: first_line(path) for path in inside}


def rooms() -> str:
    """All of them, a heading a folder."""
    parts = []
    for name, said, files in folders():
        rows = "\n".join(f"| `{file}` | {line.replace('|', chr(92) + '|')} |" for file, line in files.items())
        parts.append(
            f"### {name}/\n\n{said}\n" + (f"\n| file | what it is |\n|---|---|\n{rows}\n" if rows else "")
        )
    return HEAD + "\n" + "\n".join(parts)


if __name__ == "__main__":
    before = PAGE.read_text(encoding="utf-8").partition(HEAD)[0]
    PAGE.write_text(before + rooms(), encoding="utf-8")
