"""Reads what one source says of a dataset; errors say where, and what instead."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.domain.config_values import Parse, TakesError
from shared.domain.errors import InvalidConfig
from shared.domain.names import guess, near

#: Bytes of a configuration file.
MAX_SIDECAR = 1 << 16
#: Mistakes of one configuration that are told; a file of other kind has one in every line.
MOST = 20


@dataclass(frozen=True)
class Place:
    """Line and column, both from 1, of a key and of its value."""

    line: int
    column: int
    value_line: int
    value_column: int


class Reader:
    """Reads the mappings of one source. `spell` gives a key as that source spells it; `places` is where keys stand.

    `wrong` are the mistakes found so far, for whoever wants to be told all of them.
    """

    def __init__(
        self,
        source: str,
        spell: Callable[[str], str] = str,
        places: Mapping[str, Place] | None = None,
        wrong: Sequence[InvalidConfig] = (),
    ) -> None:
        self.source, self.spell, self.places = source, spell, places or {}
        self.wrong = list(wrong)
        self._doubtful: set[str] = set()

    def read(self, said: object, known: Mapping[str, Parse | None], parent: str = "") -> dict[str, Any]:
        """The checked values of `said`; a key whose parser is None is passed on as it is. Raises InvalidConfig."""
        apart = Reader(self.source, self.spell, self.places)
        values = apart.take(said, known, parent)
        if apart.wrong:
            raise together(apart.wrong)
        return values

    def take(self, said: object, known: Mapping[str, Parse | None], parent: str = "") -> dict[str, Any]:
        """What of `said` can be read; the rest is in `wrong`."""
        if not isinstance(said, Mapping):
            message = f"{self.spell(parent)} in {self.source} must hold keys and values."
            self.refuse(parent, self.error(parent, message, f"Its keys are: {', '.join(known)}."))
            return {}
        values: dict[str, Any] = {}
        for key, value in said.items():
            path = f"{parent}.{key}" if parent else str(key)
            if key not in known:
                self.refuse(path, self._unknown(path, parent, value, known))
                continue
            parse = known[key]
            if parse is None:
                values[key] = value
                continue
            try:
                values[key] = parse(value)
            except ValueError as error:
                message = f"{self.spell(path)} in {self.source} is {reprlib.repr(value)}; it takes {error}."
                good, how = (error.good, error.remedy) if isinstance(error, TakesError) else ("", "")
                remedy = how or f"Correct {self.spell(path)}, or leave it out."
                wrong = self.error(path, message, remedy, value=True)
                self.refuse(path, self.example(wrong, path, value, good))
        return values

    def _unknown(self, path: str, parent: str, value: object, known: Mapping[str, object]) -> InvalidConfig:
        names = ", ".join(self.spell(f"{parent}.{name}" if parent else name) for name in known)
        word = path.removeprefix(f"{parent}.")[:100]
        meant = near(word, tuple(known))
        self._doubtful.update(f"{parent}.{name}" if parent else name for name in meant)
        message = f"{self.spell(path)[:100]!r} in {self.source} is no known key{guess(word, tuple(known))}."
        error = self.error(path, message, f"Known keys: {names}.")
        if meant and _takes(known[meant[0]], value) and (bad := self._written(path, value)):
            error.showing(bad, self._written(f"{parent}.{meant[0]}" if parent else meant[0], value))
        return error

    def example(self, error: InvalidConfig, path: str, bad: object, good: object) -> InvalidConfig:
        """The error, showing that this value of the key is wrong and that one right, where both can be shown in a line."""
        wrong, right = self._written(path, bad), self._written(path, good)
        return error.showing(wrong, right) if wrong and right and good not in ("", ()) else error

    def _written(self, path: str, value: object) -> str:
        """A key with its value as this source spells them; nothing where that would be no short line."""
        if isinstance(value, list | tuple):
            value = f"[{', '.join(map(str, value))}]"
        text = str(value)
        if isinstance(value, Mapping) or len(text) > 80 or "\n" in text:
            return ""
        if self.spell is not str:
            return f"{self.spell(path)}={text}"
        group, _, key = path.rpartition(".")
        return f"{group}: {{{key}: {text}}}" if group else f"{key}: {text}"

    def refuse(self, path: str, error: InvalidConfig) -> None:
        """Remember what is wrong with a key."""
        self.wrong += error.mistakes or (error,)
        self._doubtful.add(path)

    def knows(self, *keys: str) -> bool:
        """Whether nothing is wrong with any of these keys, so that they may be held against each other."""
        return self._doubtful.isdisjoint(part for key in keys for part in (key, key.partition(".")[0]))

    def error(self, path: str, message: str, remedy: str, *, value: bool = False) -> InvalidConfig:
        """The refusal of a key, or of its `value`, at its place."""
        at = self.places.get(path)
        line, column = (None, None) if at is None else (at.line, at.column)
        if at is not None and value:
            line, column = at.value_line, at.value_column
        field = self.spell(path)[:100]
        return InvalidConfig(message, remedy=remedy, file=self.source, field=field, line=line, column=column)


def _takes(parse: object, value: object) -> bool:
    """Whether a key's parser takes the value; none does where the key holds keys of its own."""
    if not callable(parse):
        return False
    try:
        parse(value)
    except ValueError:
        return False
    return True


def together(errors: Sequence[InvalidConfig]) -> InvalidConfig:
    """One refusal that tells of all mistakes; its place is the first one's."""
    if len(errors) == 1:
        return errors[0]
    ordered = sorted(errors, key=_order)
    told = ordered[:MOST]
    more = f" And {len(errors) - MOST:,} more." if len(errors) > MOST else ""
    listed = " ".join(f"({number}) {_place(error)}{error.message}" for number, error in enumerate(told, 1))
    files = dict.fromkeys(str(error.where["file"]) for error in ordered)
    joint = InvalidConfig(
        f"{len(errors)} mistakes in {' and '.join(files)}: {listed}{more}",
        remedy=" ".join(dict.fromkeys(error.remedy for error in told)),
    )
    joint.where = dict(told[0].where)
    joint.mistakes = tuple(told)
    return joint


def _order(error: InvalidConfig) -> tuple[int, int]:
    line, column = error.where.get("line"), error.where.get("column")
    return (line if isinstance(line, int) else MAX_SIDECAR, column if isinstance(column, int) else 0)


def _place(error: InvalidConfig) -> str:
    return f"Line {error.where['line']}: " if "line" in error.where else ""
