"""The pages that people read, and what stands in them between fences."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^( *)```([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Snippet:
    """`info` is what stands behind the fence: a language, mostly."""

    page: str
    line: int
    info: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def of(page: str, text: str) -> list[Snippet]:
    return [
        Snippet(page, text.count("\n", 0, found.start()) + 1, found[2].strip(), textwrap.dedent(found[3]))
        for found in _FENCE.finditer(text)
    ]


def snippets() -> list[Snippet]:
    """In the order of their pages."""
    return [
        snippet
        for page in pages()
        for snippet in of(page.relative_to(ROOT).as_posix(), page.read_text(encoding="utf-8"))
    ]
