"""How Sphinx builds these pages: `make site`.

The pages are written for the repository's own reader (GitHub and the like), too: a link that leaves `docs/` is one into
the repository. Where SITE_REPOSITORY names its address (`https://github.com/OWNER/NAME/blob/main`) the site links there;
elsewhere it tells the file's name.
"""

import os
import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
ROOT = DOCS.parent
REPOSITORY = os.environ.get("SITE_REPOSITORY", "").rstrip("/")
_VERSION = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)
_OUTSIDE = re.compile(r"\[(?P<text>[^\]\n]+)\]\((?P<path>\.\./[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")

project = "DropML"
author = "DropML's contributors"
release = _VERSION.findall((ROOT / "dropml" / "__init__.py").read_text(encoding="utf-8"))[0]

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
#: Headings can be linked to by the anchors that GitHub gives them.
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"DropML {release}"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
#: Examples cut with "..." are no JSON: they are shown plain.
suppress_warnings = ["misc.highlighting_failure"]


def links_outwards(_app: Any, name: str, source: list[str]) -> None:
    """Links that leave `docs/` lead into the repository, or tell the file's name."""
    page = DOCS / f"{name}.md"

    def outward(link: re.Match[str]) -> str:
        target = (page.parent / link["path"]).resolve()
        if target.is_relative_to(DOCS):
            return link[0]
        inside = target.relative_to(ROOT).as_posix()
        if REPOSITORY:
            return f"[{link['text']}]({REPOSITORY}/{inside}{link['anchor'] or ''})"
        return link["text"] if inside in link["text"] else f"{link['text']} (`{inside}`)"

    source[0] = _OUTSIDE.sub(outward, source[0])


def setup(app: Any) -> None:
    app.connect("source-read", links_outwards)
