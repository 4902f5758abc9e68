"""The words of one release in CHANGELOG.md: `python infra/release_notes.py v1.2.3`.

Exits 1 where the tag, the package's version and the changelog differ.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def notes(tag: str, built: str, changelog: str) -> str:
    """The section of the changelog for this tag. Raises ValueError where the release is not whole."""
    wanted = tag.removeprefix("v")
    if wanted != built:
        raise ValueError(f"the tag is {tag}, and dropml/__init__.py says {built}")
    sections = re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]
    for section in sections:
        heading, _, body = section.partition("\n")
        if re.match(rf"\[?{re.escape(wanted)}\]?(\s|$)", heading) and body.strip():
            return body.strip() + "\n"
    raise ValueError(f"CHANGELOG.md has no section {wanted}: give Unreleased its number and day")


def version() -> str:
    """What the wheel will be called."""
    source = (ROOT / "dropml" / "__init__.py").read_text(encoding="utf-8")
    return str(re.findall(r'__version__ = "(.+)"', source)[0])


def main(tag: str) -> int:
    try:
        print(notes(tag, version(), (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")), end="")
    except ValueError as error:
        print(f"No release: {error}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
