"""The small JSON objects that go with what people ask for: a note, the name of a run."""

from __future__ import annotations

from collections.abc import Collection

from shared.domain.errors import InvalidInput
from shared.domain.rows import payloads

#: Characters of one text.
MOST = 1000


def parse(body: bytes, names: Collection[str]) -> dict[str, str]:
    """Texts by name; an empty body says nothing. Raises MalformedBody, InvalidInput."""
    doc = payloads.load_json(body, _remedy(names)) if body.strip() else {}
    if not isinstance(doc, dict):
        raise InvalidInput("The body must be a JSON object.", remedy=_remedy(names), field="(body)")
    for name, value in doc.items():
        shown = name[:40].encode("utf-8", "replace").decode()
        if name not in names:
            raise InvalidInput(
                f"There is no field {shown!r} here.", remedy=_remedy(names), field=shown or "(no name)"
            )
        if not isinstance(value, str) or len(value) > MOST or not written(value):
            raise InvalidInput(
                f"The field {shown!r} must be a text of at most {MOST} characters.",
                remedy=_remedy(names),
                field=shown,
            )
    return doc


def written(text: str) -> bool:
    """Half a character can be spelt in JSON and written nowhere."""
    return text.encode("utf-8", "replace").decode() == text


def _remedy(names: Collection[str]) -> str:
    example = ", ".join(f'"{name}": "..."' for name in names)
    return f"It takes {', '.join(names)}; all may be left out: {{{example}}}."
