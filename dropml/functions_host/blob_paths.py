"""Blob trigger paths such as `incoming/{name}.csv`, matched as the real host does."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dropml.functions_host.errors import BindingError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def can_be_asked_for(name: str) -> bool:
    """False where every HTTP client would fold the name's dot segments away (RFC 3986, 5.2.4) and ask for another."""
    return not {".", ".."} & set(name.split("/"))


@dataclass(frozen=True)
class BlobPathPattern:
    """A container and a pattern of blob names; `{x}` stands for any text, `/` included."""

    text: str
    container: str
    blob: re.Pattern[str] | None  # None: every blob

    @classmethod
    def parse(cls, text: str) -> BlobPathPattern:
        """Parse `container` or `container/pattern`. Raises BindingError if the real host would refuse it."""
        container, slash, blob = text.strip("/").partition("/")
        if not container or "{" in container or "}" in container:
            raise BindingError(f'blob path "{text}": the container must be a plain name.')
        return cls(text, container.lower(), _compile(blob, text) if slash and blob else None)

    def match(self, container: str, blob: str) -> dict[str, str] | None:
        """Values of the pattern's names for this blob, None if it doesn't match. Blob names are case-sensitive."""
        if container.lower() != self.container:
            return None
        if self.blob is None:
            return {}
        found = self.blob.fullmatch(blob)
        return None if found is None else found.groupdict()


def _compile(template: str, whole: str) -> re.Pattern[str]:
    parts: list[str] = []
    position = 0
    while position < len(template):
        character = template[position]
        if template[position : position + 2] in ("{{", "}}"):
            parts.append(re.escape(character))
            position += 2
        elif character == "{":
            end = template.find("}", position)
            name = template[position + 1 : end] if end > 0 else ""
            if not _NAME.fullmatch(name) or f"(?P<{name}>.*)" in parts:
                raise BindingError(
                    f'blob path "{whole}": "{{{name}" must be one {{name}}, used once, without dots.'
                )
            parts.append(f"(?P<{name}>.*)")
            position = end + 1
        elif character == "}":
            raise BindingError(
                f'blob path "{whole}": a "}}" without its "{{"; write "}}}}" for the character.'
            )
        else:
            parts.append(re.escape(character))
            position += 1
    return re.compile("".join(parts), re.DOTALL)
