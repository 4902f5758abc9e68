"""Reads what one source says of a dataset; errors say where, and what instead."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.domain.config_values import Parse, guess
from shared.domain.errors import InvalidConfig

#: Bytes of a configuration file.
MAX_SIDECAR = 1 << 16


@dataclass(frozen=True)
class Place:
    """Line and column, both from 1, of a key and of its value."""

    line: int
    column: int
    value_line: int
    value_column: int


class Reader:
    """Reads the mappings of one source. `spell` gives a key as that source spells it; `places` is where keys stand."""

    def __init__(
        self, source: str, spell: Callable[[str], str] = str, places: Mapping[str, Place] | None = None
    ) -> None:
        self.source, self.spell, self.places = source, spell, places or {}

    def read(self, said: object, known: Mapping[str, Parse | None], parent: str = "") -> dict[str, Any]:
        """The checked values of `said`; a key whose parser is None is passed on as it is."""
        if not isinstance(said, Mapping):
            message = f"{self.spell(parent)} in {self.source} must hold keys and values."
            raise self.error(parent, message, f"Its keys are: {', '.join(known)}.")
        values: dict[str, Any] = {}
        for key, value in said.items():
            path = f"{parent}.{key}" if parent else str(key)
            if key not in known:
                names = ", ".join(self.spell(f"{parent}.{name}" if parent else name) for name in known)
                near = guess(str(key)[:100], tuple(known))
                message = f"{self.spell(path)[:100]!r} in {self.source} is no known key{near}."
                raise self.error(path, message, f"Known keys: {names}.")
            parse = known[key]
            if parse is None:
                values[key] = value
                continue
            try:
                values[key] = parse(value)
            except ValueError as error:
                message = f"{self.spell(path)} in {self.source} is {reprlib.repr(value)}; it takes {error}."
                remedy = f"Correct {self.spell(path)}, or leave it out."
                raise self.error(path, message, remedy, value=True) from None
        return values

    def error(self, path: str, message: str, remedy: str, *, value: bool = False) -> InvalidConfig:
        """The refusal of a key, or of its `value`, at its place."""
        at = self.places.get(path)
        line, column = (None, None) if at is None else (at.line, at.column)
        if at is not None and value:
            line, column = at.value_line, at.value_column
        field = self.spell(path)[:100]
        return InvalidConfig(message, remedy=remedy, file=self.source, field=field, line=line, column=column)
