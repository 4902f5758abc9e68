"""Reads a configuration file, or the mapping of another source; errors say where, and what instead."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from typing import Any

from shared.domain.config_values import Parse, guess
from shared.domain.errors import InvalidConfig

MAX_SIDECAR = 1 << 16


class Reader:
    """Reads the mappings of one source. `spell` gives a key as that source spells it."""

    def __init__(self, source: str, spell: Callable[[str], str], *, texts: bool = False) -> None:
        self.source, self.spell, self.texts = source, spell, texts

    def read(self, said: object, known: Mapping[str, Parse | None], parent: str = "") -> dict[str, Any]:
        """The checked values of `said`; a key whose parser is None is passed on as it is."""
        if not isinstance(said, Mapping):
            message = f"{self.spell(parent)} in {self.source} must hold keys and values."
            raise self._error(parent, message, f"Its keys are: {', '.join(known)}.")
        values: dict[str, Any] = {}
        for key, value in said.items():
            path = f"{parent}.{key}" if parent else str(key)
            if key not in known:
                names = ", ".join(self.spell(f"{parent}.{name}" if parent else name) for name in known)
                near = guess(str(key)[:100], tuple(known))
                message = f"{self.spell(path)[:100]!r} in {self.source} is no known key{near}."
                raise self._error(path, message, f"Known keys: {names}.")
            parse = known[key]
            if parse is None:
                values[key] = value
                continue
            try:
                values[key] = parse(_from_text(value, key) if self.texts else value)
            except ValueError as error:
                message = f"{self.spell(path)} in {self.source} is {reprlib.repr(value)}; it takes {error}."
                raise self._error(path, message, f"Correct {self.spell(path)}, or leave it out.") from None
        return values

    def _error(self, path: str, message: str, remedy: str) -> InvalidConfig:
        return InvalidConfig(message, remedy=remedy, file=self.source, field=self.spell(path)[:100])


def _from_text(value: str, key: str) -> object:
    """A metadata value, always text, as YAML would have read it."""
    text = value.strip()
    if key == "label":
        return text
    if key.endswith("_algorithms"):
        return [part for part in (p.strip() for p in text.split(",")) if part]
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if text.lower() in ("", "null", "none"):
        return None
    try:
        return float(text)
    except ValueError:
        return text


def parse_yaml(text: str, name: str) -> Mapping[str, object]:
    """The mapping of a configuration file; an empty file says nothing."""
    import yaml  # comes with azure-ai-ml

    if len(text) > MAX_SIDECAR:
        raise InvalidConfig(
            f"{name} has {len(text):,} characters; a configuration file has at most {MAX_SIDECAR:,}.",
            remedy="Keep to the known keys.",
            file=name,
        )
    try:
        doc = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else None
        raise InvalidConfig(
            f"{name} is not valid YAML" + (f" (line {line})" if line else "") + f": {error.problem}.",
            remedy="Write one `key: value` per line.",
            file=name,
            line=line,
        ) from error
    except (yaml.YAMLError, ValueError, ArithmeticError, RecursionError) as error:
        raise InvalidConfig(
            f"{name} is not valid YAML: {reprlib.repr(str(error))}.",
            remedy="Write one `key: value` per line.",
            file=name,
        ) from error
    if doc is None:
        return {}
    if not isinstance(doc, dict):
        raise InvalidConfig(
            f"{name} must hold keys and values, not {type(doc).__name__}.",
            remedy="Write one `key: value` per line, such as `label: y`.",
            file=name,
        )
    return doc
