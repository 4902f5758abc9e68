"""Reads an MLTable file: its paths and transformations.

The transformations are those of the MLTable YAML schema (learn.microsoft.com/azure/machine-learning/
reference-yaml-mltable): read_delimited, convert_column_types, keep_columns, drop_columns, take, skip.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dropml.azureml.automl.spec import UserError

_ENCODINGS = {
    "utf8": "utf-8-sig",
    "utf-8": "utf-8-sig",
    "iso88591": "iso-8859-1",
    "latin1": "latin-1",
    "ascii": "ascii",
    "utf16": "utf-16",
    "utf8bom": "utf-8-sig",
    "windows1252": "cp1252",
}
_DELIMITERS = {"comma": ",", "tab": "\t", "\\t": "\t", "semicolon": ";", "pipe": "|", "space": " "}
_TYPES = {
    "int": "long",
    "long": "long",
    "float": "double",
    "double": "double",
    "string": "string",
    "boolean": "boolean",
}


@dataclass
class Source:
    """What an MLTable file says, resolved."""

    files: list[Path]
    delimiter: str = ","
    encoding: str = "utf-8-sig"
    header: bool = True
    types: dict[str, str] = field(default_factory=dict)
    formats: dict[str, list[str]] = field(default_factory=dict)
    booleans: dict[str, tuple[list[str], list[str]]] = field(default_factory=dict)
    keep: list[str] | None = None
    drop: set[str] = field(default_factory=set)
    skip: int = 0
    take: int | None = None


def read_source(folder: Path) -> Source:
    """Parse `folder/MLTable`. Raises UserError with what is missing or unsupported."""
    path = folder / "MLTable"
    if not path.is_file():
        raise UserError(f"The data folder holds no file named MLTable ({folder.name}/MLTable).")
    document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    source = Source(files=_files(folder, document))
    for step in document.get("transformations") or []:
        name, options = next(iter(step.items())) if isinstance(step, dict) else (step, None)
        _apply(source, str(name), options)
    return source


def _files(folder: Path, document: dict[str, Any]) -> list[Path]:
    files: list[Path] = []
    for entry in document.get("paths") or []:
        kind, where = next(iter(entry.items()))
        where = str(where).removeprefix("file://")
        base = folder / where
        found = (
            sorted(folder.glob(where))
            if kind == "pattern"
            else sorted(base.glob("*"))
            if base.is_dir()
            else [base]
        )
        files += [f for f in found if f.is_file()]
        if not found or not all(f.exists() for f in found):
            raise UserError(f"MLTable names {where!r}, which is not in the data folder.")
    if not files:
        raise UserError("MLTable lists no paths.")
    return files


def _apply(source: Source, name: str, options: Any) -> None:
    if name == "read_delimited":
        _read_delimited(source, options or {})
    elif name == "convert_column_types":
        for item in options or []:
            columns = item["columns"] if isinstance(item["columns"], list) else [item["columns"]]
            for column in columns:
                _convert(source, column, item["column_type"])
    elif name == "keep_columns":
        source.keep = [options] if isinstance(options, str) else list(options)
    elif name == "drop_columns":
        source.drop |= {options} if isinstance(options, str) else set(options)
    elif name == "skip":
        source.skip = int(options)
    elif name == "take":
        source.take = int(options)
    else:
        raise UserError(f"MLTable transformation {name!r} is not supported here; read_delimited is.")


def _read_delimited(source: Source, options: dict[str, Any]) -> None:
    delimiter = str(options.get("delimiter", ","))
    source.delimiter = _DELIMITERS.get(delimiter, delimiter)
    encoding = str(options.get("encoding", "utf8")).lower()
    if encoding not in _ENCODINGS:
        raise UserError(f"MLTable encoding {encoding!r} is not one of {', '.join(sorted(_ENCODINGS))}.")
    source.encoding = _ENCODINGS[encoding]
    source.header = str(options.get("header", "all_files_same_headers")) not in (
        "no_header",
        "no_headers",
        "False",
    )


def _convert(source: Source, column: str, kind: Any) -> None:
    detail: dict[str, Any] = {}
    if isinstance(kind, dict):
        kind, value = next(iter(kind.items()))
        detail = value or {}
    if kind == "datetime":
        source.types[column] = "datetime"
        formats = detail.get("formats") or []
        source.formats[column] = [formats] if isinstance(formats, str) else list(formats)
    elif kind in _TYPES:
        source.types[column] = _TYPES[kind]
        if kind == "boolean":
            source.booleans[column] = (
                _words(detail.get("true_values") or "true"),
                _words(detail.get("false_values") or "false"),
            )
    else:
        raise UserError(f"MLTable column_type {kind!r} of column {column!r} is not supported.")


def _words(given: Any) -> list[str]:
    return [str(word).lower() for word in (given if isinstance(given, list) else [given])]
