"""Pages out of templates: everything is escaped, and a name that a template knows and a view doesn't is an error."""

from __future__ import annotations

import hashlib
import shlex
import time
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from shared.ui import charts, words

if TYPE_CHECKING:
    from jinja2 import Environment

PAGES = Path(__file__).parent / "pages"


@dataclass(frozen=True)
class Page:
    """What a view shows: a template and its values. `live` is the seconds between two looks, 0 for a page that stands."""

    template: str
    title: str
    values: dict[str, object] = field(default_factory=dict)
    status: int = 200
    live: float = 0


@lru_cache(maxsize=1)
def environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # not at indexing

    made = Environment(
        loader=FileSystemLoader(PAGES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "said": words.said, "tone": words.tone, "meaning": words.meaning, "cause": words.cause, "stamp": words.stamp,
        "iso": words.iso, "span": words.span, "number": words.number, "score": words.score, "signed": words.signed,
        "share": words.share, "shell": shlex.quote, "literal": repr, "count": words.count, "size": words.size,
        "counted": words.counted, "within": words.within, "sentence": words.sentence,
    }  # fmt: skip
    made.globals |= {"ago": words.ago, "charts": charts}
    return made


def html(page: Page, **around: object) -> str:
    """The whole page; `around` is what every page knows: who is signed in, where it is, what time it is."""
    template = environment().get_template(page.template)
    return template.render(page.values, title=page.title, live=page.live, **around)


#: Relative times on a page that nothing has moved on are brought up to date so often (seconds).
TIMES_SECONDS = 20


def etag(page: Page, *more: str) -> str:
    """Changes with what the page shows; equal values make it equal, whoever renders it and when."""
    shown = repr((page.template, page.title, page.values, more, int(time.time() // TIMES_SECONDS)))
    return f'"{hashlib.sha256(shown.encode("utf-8", "replace")).hexdigest()[:32]}"'
