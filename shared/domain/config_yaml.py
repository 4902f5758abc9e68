"""Reads the text of a configuration file: keys, and values as the words that stand there, each with its place.

A scalar stays the text that was written, so that a column called `007`, `1.10` or `no` is found under its name; each field
makes of it what it needs. Anchors, aliases, merge keys and tags, which let a small file grow without bound or name Python's
types, are refused before anything is built of them.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, NoReturn, Protocol

import yaml

from shared.domain.config_reader import MAX_SIDECAR, Place
from shared.domain.errors import InvalidConfig
from shared.domain.names import unwritable
from shared.domain.yaml_slips import Slip, unclosed, unspaced
from shared.domain.yaml_words import quoted

#: Mappings and lists inside one another; the deepest known key needs two.
MAX_DEPTH = 8
_REMEDY = "Write one `key: value` per line."


class _Mark(Protocol):
    """PyYAML's place of a thing: line and column, both from 0."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


@dataclass(frozen=True)
class Sidecar:
    """A configuration file: `said` by key, and where each key stands (`gate.margin`)."""

    said: Mapping[str, object]
    places: Mapping[str, Place]
    #: What is wrong with it besides.
    wrong: tuple[InvalidConfig, ...] = ()


def parse_yaml(raw: bytes, name: str) -> Sidecar:
    """The keys and values of the file `name`; an empty file says nothing. Raises InvalidConfig with line and column."""
    text = _text(raw, name)
    try:
        loader = _Loader(text, name)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if slip := _slip(text, error):
            raise _slipped(name, slip) from error
        said = f"{error.problem or error.context}"[:200]
        hint = " Indent with spaces, not with tabs." if "\\t" in said else ""
        remedy = _indented(text, mark) or _REMEDY + hint
        raise _unquoted(_refusal(name, f"is not valid YAML: {said}", mark, remedy), text) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        at = before.count("\n") + 1, error.position - before.rfind("\n")
        raise InvalidConfig(
            f"{name} is not valid YAML: the character #x{ord(text[error.position]):04x} is not allowed"
            f" (line {at[0]}, column {at[1]}).",
            remedy="Save it as plain text.",
            file=name,
            line=at[0],
            column=at[1],
        ) from error
    places: dict[str, Place] = {}
    if node is None or (isinstance(node, yaml.ScalarNode) and node.value == ""):
        return Sidecar({}, places)
    if not isinstance(node, yaml.MappingNode):
        if isinstance(node, yaml.ScalarNode) and (slip := unspaced(text, node.end_mark.line + 1)):
            raise _slipped(name, slip)
        kind = "a list" if isinstance(node, yaml.SequenceNode) else "a single value"
        raise _refusal(name, f"must hold keys and values, not {kind}", node.start_mark, _REMEDY)
    read = _Read(name, places)
    return Sidecar(read.mapping(node, ""), places, tuple(read.wrong))


def _slip(text: str, error: yaml.MarkedYAMLError) -> Slip | None:
    """The slip of a person that YAML stumbled over some lines later."""
    mark, begun = error.problem_mark or error.context_mark, error.context_mark
    if mark is None:
        return None
    left_open = unclosed(text, error.context, begun.line, begun.column, mark.line) if begun else None
    return left_open or unspaced(text, mark.line + 1)


def _slipped(name: str, slip: Slip) -> InvalidConfig:
    error = _refusal(name, f"is not valid YAML: {slip.said}", slip, slip.remedy)
    return error.showing(slip.bad, slip.good)


def _unquoted(error: InvalidConfig, text: str) -> InvalidConfig:
    """The refusal, with the line as it is to be written where a column's name in it should stand in quotation marks."""
    at = error.where.get("line")
    line = next(islice(text.splitlines(), at - 1, None), "") if isinstance(at, int) else ""
    right = quoted(line)
    if right:
        error.remedy = f"If that is a column's name, put it in quotation marks: {right[:200]}"
        error.showing(line.strip(), right)
    return error


def _indented(text: str, mark: _Mark | None) -> str:
    """What to do where a line begins with blanks and belongs to no key above it; nothing where none does."""
    above = ""
    for i, line in enumerate(text.splitlines(), 1):
        if mark is None or i > mark.line + 1:
            return ""
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line.startswith(" ") and not above.startswith(" ") and not above.rstrip().endswith(":"):
            return f"Line {i} is indented; remove the blanks before {line.strip()[:40]!r}."
        above = line
    return ""


class _Loader(yaml.BaseLoader):
    """Every scalar is text; what could multiply, or make something else than text, is refused where it stands."""

    def __init__(self, text: str, name: str) -> None:
        super().__init__(text)
        self._file, self._text, self._depth = name, text, 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            self._refuse("aliases (*name)", event)
        if event.anchor is not None:
            self._refuse("anchors (&name)", event)
        if event.tag is not None:
            self._refuse("tags (!name)", event)
        if isinstance(event, yaml.ScalarEvent) and (character := unwritable(event.value, allowed="\n\t")):
            self._refuse(f"the character {character}", event)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._refuse(f"more than {MAX_DEPTH} levels", event)
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def _refuse(self, what: str, event: yaml.Event) -> NoReturn:
        message = f"uses {what}, which a configuration file has no need of"
        error = _refusal(self._file, message, event.start_mark, "Write each value out where it belongs.")
        raise _unquoted(error, self._text)


class _Read:
    """What stands in the nodes of the file `name`. `wrong` are keys that can't be taken; the others are read all the same."""

    def __init__(self, name: str, places: dict[str, Place]) -> None:
        self._name, self._places = name, places
        self.wrong: list[InvalidConfig] = []

    def mapping(self, node: yaml.MappingNode, parent: str) -> dict[str, object]:
        out: dict[str, object] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._refuse("has a key that is no text", key.start_mark, _REMEDY)
            elif key.value == "<<" and not key.style:
                self._refuse(
                    "uses a merge key (<<)", key.start_mark, "Write each value out where it belongs."
                )
            elif key.value in out:
                first = self._places[f"{parent}.{key.value}" if parent else key.value].line
                said = f"says {reprlib.repr(key.value)} twice, first in line {first}"
                self._refuse(said, key.start_mark, "Leave one of the two lines out.")
            else:
                out[key.value] = self._said(key, value, parent)
        return out

    def _said(self, key: yaml.ScalarNode, value: yaml.Node, parent: str) -> object:
        path = f"{parent}.{key.value}" if parent else key.value
        at, there = key.start_mark, value.start_mark
        self._places[path] = Place(at.line + 1, at.column + 1, there.line + 1, there.column + 1)
        return self._value(value, path)

    def _value(self, node: yaml.Node, path: str) -> object:
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, path) for item in node.value]
        return str(node.value)

    def _refuse(self, message: str, mark: _Mark, remedy: str) -> None:
        self.wrong.append(_refusal(self._name, message, mark, remedy))


def _text(raw: bytes, name: str) -> str:
    if len(raw) > MAX_SIDECAR:
        raise InvalidConfig(
            f"{name} has more than {MAX_SIDECAR:,} bytes, the most that a configuration file may have.",
            remedy="Keep to the known keys.",
            file=name,
        )
    if raw.startswith(b"\x1f\x8b"):
        raise InvalidConfig(
            f"{name} is compressed (gzip).", remedy="Upload it as it is, uncompressed.", file=name
        )
    encoding = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise InvalidConfig(
            f"{name} is not UTF-8 text (line {line}, column {column}).",
            remedy="Save it as UTF-8.",
            file=name,
            line=line,
            column=column,
        ) from error


def _refusal(name: str, message: str, mark: _Mark | None, remedy: str) -> InvalidConfig:
    line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
    where = f" (line {line}, column {column})" if mark else ""
    return InvalidConfig(f"{name} {message}{where}.", remedy=remedy, file=name, line=line, column=column)
