"""Single values: is it of its column's type, and how to say that it isn't.

A value is taken as JSON has it; a CSV cell is a string and is read by the column's type first. Integral floats (3.0)
are integers, as JSON Schema says.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Any

from shared.domain.schema import Column, ColumnType, Value
from shared.domain.table.column_types import MISSING, datetime_shape
from shared.domain.table.notations import in_plain, notation_of
from shared.domain.table.number_notation import NOTATIONS
from shared.domain.table.values import READERS

Check = Callable[[Any], Value]

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
#: CSV cells that mean "no value": the spellings that intake takes for missing.
MISSING_CELLS = MISSING | {""}
_TYPE_WORDS = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "datetime": "an ISO 8601 date or time",
    "string": "a string",
}


class BadCellError(Exception):
    """A cell that can't be taken; args: code, what it should have been."""


def _integer(value: object) -> int:
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise BadCellError("wrong-type")
    if not INT64_MIN <= value <= INT64_MAX:
        raise BadCellError("out-of-range")
    return value


def _number(value: object) -> float | int:
    if type(value) is not float and type(value) is not int:
        raise BadCellError("wrong-type")
    try:
        finite = math.isfinite(value)
    except OverflowError:  # an int beyond what a double can hold
        finite = False
    if not finite:
        raise BadCellError("out-of-range")
    return value if INT64_MIN <= value <= INT64_MAX else float(value)


def _boolean(value: object) -> bool:
    if type(value) is not bool:
        raise BadCellError("wrong-type")
    return value


def _string(value: object) -> str:
    if type(value) is not str:
        raise BadCellError("wrong-type")
    if not encodable(value):
        raise BadCellError("not-unicode")
    return value


def encodable(value: str) -> bool:
    """Whether it is all Unicode: for half of a surrogate pair no UTF-8 exists."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _datetime(value: object) -> str:
    text = _string(value)
    if datetime_shape(text) is None:
        raise BadCellError("wrong-type")
    return text


CHECKS: dict[ColumnType, Check] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "datetime": _datetime,
    "string": _string,
}


def _read_then(kind: ColumnType) -> Check:
    read, check = READERS[kind], CHECKS[kind]

    def take(cell: str) -> Value:
        try:
            value = read(cell)
        except ValueError:
            raise BadCellError("wrong-type") from None
        return check(value)

    return take


CELL_CHECKS: dict[ColumnType, Check] = CHECKS | {
    "integer": _read_then("integer"),
    "number": _read_then("number"),
    "boolean": _read_then("boolean"),
}


def value_check(column: Column) -> Check:
    """Takes a value as JSON has it."""
    return CHECKS[column.type]


def cell_check(column: Column) -> Check:
    """Reads a CSV cell as the file that the model learnt from writes the column."""
    check, notation = CELL_CHECKS[column.type], NOTATIONS.get(column.notation)
    if notation is None:
        return check

    def take(cell: str) -> Value:
        try:
            return check(notation.read(cell))
        except ValueError:
            raise BadCellError("wrong-type") from None

    return take


def short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= 60 else text[:57] + "..."


def explain(code: str, column: Column, value: object) -> str:
    if code == "out-of-range":
        return f'Field "{column.name}": {short(_repr(value))} is beyond what a model can take (64 bits).'
    if code == "not-unicode":
        return f'Field "{column.name}" holds half of a surrogate pair, which is not Unicode text.'
    if isinstance(value, str) and column.type in ("integer", "number"):
        how = _in_this_notation(column.notation, value) if column.notation else _hint(value)
        return f'Field "{column.name}" must be {_TYPE_WORDS[column.type]}, not {short(_repr(value))}.{how}'
    return f'Field "{column.name}" must be {_TYPE_WORDS[column.type]}, not {short(_repr(value))}.'


def _in_this_notation(notation: str, value: str) -> str:
    """Of a value that can be read in the column's notation the number itself is told."""
    number = ""
    with contextlib.suppress(KeyError, ValueError):
        read = NOTATIONS[notation].read(value)
        number = f": {short(read)}" if math.isfinite(float(read)) else ""
    return f" In CSV it is written like {notation} or 1234.56; in JSON it is a number, without quotation marks{number}."


def _hint(value: str) -> str:
    """What is unusual about a number, and how to write it."""
    found = notation_of(value)
    if found is None:
        return ""
    plain = in_plain(value)
    return f" It has {found[0]}: {found[1] if plain is None else f'write {short(plain)} for {short(value)}'}."


def _repr(value: object) -> str:
    """A value as JSON would show it; never all of a large one."""
    if isinstance(value, str):
        return f'"{value[:60]}"' if len(value) <= 60 else f'"{value[:50]}..."'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > 128:
        return "an integer of more than 128 bits"
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else repr(value)


def unseen(column: Column, value: object) -> str:
    return f'Field "{column.name}": {short(_repr(value))} was never seen in training; the score is a guess.'
