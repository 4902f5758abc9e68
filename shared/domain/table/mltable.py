"""The MLTable file beside the staged data, and the weights that even out the classes.

Schema: https://learn.microsoft.com/azure/machine-learning/reference-yaml-mltable
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from shared.domain.table.column_types import EXACT, ColumnStats

WEIGHT_COLUMN = "dropml_weight"
DATA_FILE = "data.csv"
#: Bytes whose marks are replaced at a time.
_SLICE = 1 << 18
#: Our types as MLTable names them. A column without any value is a string.
_TYPES = {"integer": "int", "number": "float", "string": "string", None: "string"}


def render(columns: Sequence[ColumnStats], label: str, weight: bool) -> str:
    """The MLTable text: a relative path, and the type of every column, spelt out.

    Nothing is left to inference: MLTable would look at 200 rows only. Features of whole numbers are floats, so that the
    model takes a gap or a decimal in them later; the label and numbers that a float would round stay as they are.
    """
    import yaml  # comes with azure-ai-ml; not needed to serve a score

    typed: dict[str, list[str]] = {}
    others: list[dict[str, object]] = []
    for column in columns:
        if column.type in _TYPES:
            exact = column.name == label or column.largest > EXACT
            kind = "float" if column.type == "integer" and not exact else _TYPES[column.type]
            typed.setdefault(kind, []).append(column.name)
        elif column.type == "boolean":
            others.append({"columns": [column.name], "column_type": {"boolean": _boolean(column.spellings)}})
        elif column.type == "datetime":
            formats = {"formats": sorted(column.spellings)}
            others.append({"columns": [column.name], "column_type": {"datetime": formats}})
    if weight:
        typed.setdefault("float", []).append(WEIGHT_COLUMN)
    conversions = [{"columns": names, "column_type": kind} for kind, names in sorted(typed.items())] + others
    read = {
        "delimiter": ",",
        "encoding": "utf8",
        "header": "all_files_same_headers",
        "infer_column_types": False,
        "empty_as_string": False,
        "include_path_column": False,
        "support_multi_line": True,
    }
    transformations: list[dict[str, object]] = [{"read_delimited": read}]
    transformations.append({"convert_column_types": conversions})
    doc = {
        "$schema": "https://azuremlschemas.azureedge.net/latest/MLTable.schema.json",
        "type": "mltable",
        "paths": [{"file": f"./{DATA_FILE}"}],
        "transformations": transformations,
    }
    return str(yaml.safe_dump(doc, sort_keys=False))


def _boolean(spellings: set[str]) -> dict[str, object]:
    return {
        "mismatch_as": "error",
        "true_values": sorted(s for s in spellings if s.lower() == "true") or ["true"],
        "false_values": sorted(s for s in spellings if s.lower() == "false") or ["false"],
    }


def weights(classes: Counter[str]) -> dict[str, float]:
    """Weight of a row of each class: every class weighs the same altogether, and the mean weight is 1."""
    rows = classes.total()
    return {name: rows / (len(classes) * count) for name, count in classes.items()}


def mark(number: int) -> str:
    """Stands for the weight of class `number` at the end of a row, until the classes have been counted.

    No staged row can hold it otherwise: files with NUL bytes are refused.
    """
    return f",\0{number}\0"


def fill_marks(chunks: Iterable[bytes], values: Sequence[float]) -> Iterator[bytes]:
    """Replace each mark by its class's value. Chunks are cut at line ends, so no mark is split."""
    texts = {str(number).encode(): f"{value:.6g}".encode() for number, value in enumerate(values)}
    carry = b""
    for chunk in _slices(chunks):
        chunk = carry + chunk
        cut = chunk.rfind(b"\n") + 1
        carry = chunk[cut:]
        # Every second part stood between NULs.
        parts = chunk[:cut].split(b"\0")
        parts[1::2] = [texts[number] for number in parts[1::2]]
        yield b"".join(parts)


def _slices(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, few at a time: cut up at its marks, text takes some four times its size."""
    for chunk in chunks:
        for start in range(0, len(chunk), _SLICE):
            yield chunk[start : start + _SLICE]


class UnlikeError(ValueError):
    """Why several tables can't be read as one, as a clause."""


def joined(texts: Sequence[str], files: Sequence[str]) -> str:
    """The MLTable text over `files`, from the texts of the tables that they are of, the newest first.

    Spellings of truth values and formats of dates are taken together. Raises UnlikeError where a column is of another type.
    """
    import yaml  # not at indexing

    docs = [yaml.safe_load(text) for text in texts]
    kinds = [_kinds(doc) for doc in docs]
    merged = dict(kinds[0])
    for other in kinds[1:]:
        if other.keys() != merged.keys():
            raise UnlikeError("they hold other columns")
        for column, kind in other.items():
            merged[column] = _both(column, merged[column], kind)
    steps = [step for step in docs[0]["transformations"] if "convert_column_types" not in step]
    conversions = [{"columns": column, "column_type": kind} for column, kind in merged.items()]
    doc = {
        **docs[0],
        "paths": [{"file": f"./{name}"} for name in files],
        "transformations": [*steps, {"convert_column_types": conversions}],
    }
    return str(yaml.safe_dump(doc, sort_keys=False))


def _kinds(doc: dict[str, Any]) -> dict[str, Any]:
    """The type of each column."""
    found: dict[str, Any] = {}
    for step in doc["transformations"]:
        for item in step.get("convert_column_types", ()):
            columns = item["columns"] if isinstance(item["columns"], list) else [item["columns"]]
            found |= dict.fromkeys(columns, item["column_type"])
    return found


def _both(column: str, one: Any, other: Any) -> Any:
    if one == other:
        return one
    if not (isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys()):
        raise UnlikeError(f"the column {column!r} is of another type in one of them")
    ((kind, mine),), ((_, theirs),) = one.items(), other.items()
    taken = {
        name: sorted({*value, *theirs.get(name, ())}) if isinstance(value, list) else value
        for name, value in mine.items()
    }
    return {kind: taken}
