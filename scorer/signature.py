"""MLflow's schema enforcement on plain rows, with MLflow's sentences (mlflow/models/utils.py, `_enforce_schema`)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from scorer.dates import parse_date
from scorer.errors import SignatureError

_HINT = (
    " Hint: the type mismatch is likely caused by missing values. Integer columns in python can not represent missing "
    "values and are therefore encoded as floats. The best way to avoid this problem is to infer the model schema based "
    "on a realistic data sample (training dataset) that includes missing values. Alternatively, you can declare integer "
    "columns as doubles (float64) whenever these columns may have missing values."
)
#: pandas keeps whole numbers beyond these as objects, which MLflow refuses.
_INT64, _INT32 = range(-(2**63), 2**63), range(-(2**31), 2**31)
#: JSON's 1e999 is read as one of these.
_ENDLESS = frozenset((math.inf, -math.inf))
_NUMPY = {
    "long": "int64",
    "integer": "int32",
    "double": "float64",
    "boolean": "bool",
    "string": "<U0",
    "datetime": "datetime64[ns]",
}


class Signature:
    """Input columns and types of a model, in order."""

    def __init__(self, types: dict[str, str]) -> None:
        self.types = types
        self.columns = list(types)
        self._checks: list[Callable[[str, Any], Any]] = [_CHECKS[kind] for kind in types.values()]

    def rows(self, columns: list[str], data: list[list[Any]]) -> list[list[Any]]:
        """Rows in the signature's order with values of its types. Raises SignatureError.

        Columns that the model does not know are left out, as MLflow does.
        """
        if columns != self.columns:
            data = self._arranged(columns, data)
        width = len(self.columns)
        checks, names = self._checks, self.columns
        out = []
        for row in data:
            if len(row) != width:
                raise SignatureError(f"{width} columns passed, passed data had {len(row)} columns")
            out.append([check(name, value) for check, name, value in zip(checks, names, row, strict=True)])
        return out

    def faults(self, columns: list[str], data: list[list[Any]], most: int) -> list[dict[str, Any]]:
        """What is wrong with which row (from 0), column and value: the first `most` of it. All columns that the model can't do
        without must be there.
        """
        found: list[dict[str, Any]] = []
        position = {name: i for i, name in enumerate(columns)}
        for number, row in enumerate(data):
            if len(row) != len(columns):
                message = f"{len(columns)} columns passed, passed data had {len(row)} columns"
                found.append({"row": number, "message": message})
                continue
            for name, check in zip(self.columns, self._checks, strict=True):
                if name not in position:  # one that may be left out
                    continue
                value = row[position[name]]
                try:
                    check(name, value)
                except SignatureError as error:
                    found.append(
                        {"row": number, "column": name, "value": _shown(value), "message": str(error)}
                    )
            if len(found) >= most:
                break
        return found[:most]

    def _arranged(self, columns: list[str], data: list[list[Any]]) -> list[list[Any]]:
        position = {name: i for i, name in enumerate(columns)}
        missing = [name for name in self.columns if name not in position]
        if missing:
            extra = [name for name in columns if name not in self.types]
            message = f"Model is missing inputs {missing}."
            if extra:
                message += f" Note that there were extra inputs: {extra}"
            raise SignatureError(message)
        order = [position[name] for name in self.columns]
        width = len(columns)
        for row in data:
            if len(row) != width:
                raise SignatureError(f"{width} columns passed, passed data had {len(row)} columns")
        return [[row[i] for i in order] for row in data]


def _shown(value: Any) -> Any:
    """As JSON can have it, which knows no infinity."""
    if value is None or isinstance(value, bool) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)[:80]


def _refuse(name: str, value: Any, due: str, hint: str = "") -> SignatureError:
    kinds = {bool: "bool", int: "int64", float: "float64"}
    have = kinds.get(type(value), "object")
    if have == "int64" and value not in _INT64:
        have = "object"
    return SignatureError(
        f"Incompatible input types for column {name}. Can not safely convert {have} to {_NUMPY[due]}.{hint}"
    )


def _long(name: str, value: Any) -> Any:
    if type(value) is int and value in _INT64:
        return value
    if value is None or (type(value) is float and math.isnan(value)):
        raise _refuse(name, math.nan, "long", _HINT)
    raise _refuse(name, value, "long")


def _integer(name: str, value: Any) -> Any:
    if _long(name, value) not in _INT32:
        raise _refuse(name, value, "integer")
    return value


def _double(name: str, value: Any) -> Any:
    if type(value) is float:
        if value in _ENDLESS:
            raise SignatureError(f"Column {name} holds {value}, and there is no score for what is endless.")
        return value
    if value is None:
        return math.nan
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise _refuse(name, value, "double") from None
    raise _refuse(name, value, "double")


def _string(name: str, value: Any) -> Any:
    if type(value) is str or value is None:
        return value
    if type(value) is float and math.isnan(value):
        return None
    raise _refuse(name, value, "string")


def _boolean(name: str, value: Any) -> Any:
    if type(value) is bool or value is None:
        return value
    raise _refuse(name, value, "boolean")


def _datetime(name: str, value: Any) -> Any:
    """Seconds since 1970."""
    if value is None:
        return math.nan
    if type(value) is str:
        seconds = parse_date(value, [])
        if not math.isnan(seconds) or not value:
            return seconds
        raise SignatureError(f"Failed to convert column {name} from type object to DataType.datetime.")
    raise _refuse(name, value, "datetime")


_CHECKS = {
    "long": _long,
    "integer": _integer,
    "double": _double,
    "float": _double,
    "string": _string,
    "boolean": _boolean,
    "datetime": _datetime,
}
