"""Rows against the live model's schema: exact, fast, and precise about row and field.

One `RowValidator` is built per schema and reused. A value is taken as JSON has it; CSV cells are
strings and are read by the column's type first. Integral floats (3.0) are integers, as JSON Schema says.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from shared.domain.inference import MISSING, datetime_shape
from shared.domain.problems import MAX_LISTED, InvalidRows, RowIssue
from shared.domain.schema import Column, Schema

Row = list[Any]
Check = Callable[[Any], Any]

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
#: CSV cells that mean "no value": the spellings that intake takes for missing.
MISSING_CELLS = MISSING | {""}
_BOOLEANS = {"true": True, "false": False}
_TYPE_WORDS = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "datetime": "an ISO 8601 date or time",
    "string": "a string",
}


class _BadCellError(Exception):
    """A cell that can't be taken; args: code, what it should have been."""


@dataclass
class Checked:
    """Rows in schema order, ready for the endpoint, and the warnings they gave."""

    columns: list[str]
    rows: list[Row]
    warnings: list[RowIssue] = field(default_factory=list)
    total_warnings: int = 0


@dataclass
class _Findings:
    """Issues listed up to a bound, all counted."""

    issues: list[RowIssue] = field(default_factory=list)
    total: int = 0

    def add(self, code: str, message: Callable[[], str], name: str | None, row: int | None) -> None:
        """`message` is made only for issues that get listed: a body may hold a million of them."""
        self.total += 1
        if len(self.issues) < MAX_LISTED:
            self.issues.append(RowIssue(code, name, message(), row))


def _integer(value: Any) -> int:
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise _BadCellError("wrong-type")
    if not INT64_MIN <= value <= INT64_MAX:
        raise _BadCellError("out-of-range")
    return value


def _number(value: Any) -> float | int:
    if type(value) is not float and type(value) is not int:
        raise _BadCellError("wrong-type")
    try:
        finite = math.isfinite(value)
    except OverflowError:  # an int beyond what a double can hold
        finite = False
    if not finite:
        raise _BadCellError("out-of-range")
    return value if INT64_MIN <= value <= INT64_MAX else float(value)


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise _BadCellError("wrong-type")
    return value


def _string(value: Any) -> str:
    if type(value) is not str:
        raise _BadCellError("wrong-type")
    if not value.isascii():
        _encodable(value)
    return value


def _encodable(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair: no UTF-8 exists for it
        raise _BadCellError("not-unicode") from None


def _datetime(value: Any) -> str:
    text = _string(value)
    if datetime_shape(text) is None:
        raise _BadCellError("wrong-type")
    return text


_CHECKS: dict[str, Check] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "datetime": _datetime,
    "string": _string,
}


def _cell_integer(cell: str) -> int:
    try:
        value = int(cell)
    except ValueError:
        value = _cell_number(cell)  # type: ignore[assignment]  # "3.0" is a whole number too
    if "_" in cell:
        raise _BadCellError("wrong-type")
    return _integer(value)


def _cell_number(cell: str) -> float | int:
    try:
        if "_" in cell:  # Python's own digit separator, in no CSV
            raise ValueError
        return _number(float(cell))
    except ValueError:
        raise _BadCellError("wrong-type") from None


def _cell_boolean(cell: str) -> bool:
    try:
        return _BOOLEANS[cell.strip().lower()]
    except KeyError:
        raise _BadCellError("wrong-type") from None


_CELL_CHECKS: dict[str, Check] = _CHECKS | {
    "integer": _cell_integer,
    "number": _cell_number,
    "boolean": _cell_boolean,
}


class RowValidator:
    """Checks rows against a schema. Thread-safe; build once per schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.names = [column.name for column in schema.columns]
        self._known = frozenset(self.names)
        self._width = len(self.names)
        self._plans = {
            cells: [
                (c, table[c.type], c.nullable, None if c.categories is None else frozenset(c.categories))
                for c in schema.columns
            ]
            for cells, table in ((False, _CHECKS), (True, _CELL_CHECKS))
        }
        self._defaults: dict[str, Any] = {c.name: None for c in schema.columns if c.nullable}

    def check_records(self, records: Sequence[Any]) -> Checked:
        """Records (JSON objects) to rows. Raises InvalidRows naming row and field."""
        findings = _Findings()
        rows: list[Row] = []
        for index, record in enumerate(records):
            if type(record) is not dict:
                findings.add("wrong-type", partial(_not_an_object, index), None, index)
                continue
            try:
                row = [record[name] for name in self.names]
            except KeyError:
                row = self._fill(record, index, findings)
            if len(record) != self._width:
                self._unknown(record.keys(), index, findings)
            rows.append(row)
        return self._finish(rows, findings, cells=False)

    def check_table(self, columns: Sequence[str], data: Sequence[Any], *, cells: bool = False) -> Checked:
        """Rows under column names in any order; `cells` says they are CSV text. Raises InvalidRows."""
        findings = _Findings()
        order = self.order(columns, findings)
        width = len(columns)
        rows: list[Row] = []
        straight = order == list(range(width))
        for index, values in enumerate(data):
            if not isinstance(values, list) or len(values) != width:
                findings.add("wrong-width", partial(_width, index, values, width), None, index)
                continue
            rows.append(values if straight else [None if at is None else values[at] for at in order])
        return self._finish(rows, findings, cells=cells)

    def order(
        self, columns: Sequence[str], findings: _Findings | None = None, *, labelled: bool = False
    ) -> list[int | None]:
        """Where each schema column stands in `columns` (None: absent and nullable).

        `labelled` lets the label stand among them. Raises InvalidRows, unless `findings` collects the issues.
        """
        found = _Findings() if findings is None else findings
        where: dict[str, int] = {}
        for at, name in enumerate(columns):
            if name in where:
                found.add("duplicate-field", partial(_twice, name), _short(name), None)
            where[name] = at
        label = {self.schema.label} if labelled else set()
        self._unknown(where.keys() - label if label else where, None, found)
        for name in self.names:
            if name not in where and name not in self._defaults:
                self._missing(name, None, found)
        if findings is None and found.total:
            raise InvalidRows(found.issues, found.total)
        return [where.get(name) for name in self.names]

    def check_cells(self, values: Row) -> tuple[Row, list[RowIssue]]:
        """One CSV row in schema order, and what is wrong with it: a batch goes on after a bad row."""
        findings = _Findings()
        return self._row(values, None, True, findings, _Findings()), findings.issues

    def _finish(self, rows: list[Row], findings: _Findings, *, cells: bool) -> Checked:
        if findings.total:  # row numbers would no longer match; these come first anyway
            raise InvalidRows(findings.issues, findings.total)
        warnings = _Findings()
        checked = [self._row(row, index, cells, findings, warnings) for index, row in enumerate(rows)]
        if findings.total:
            raise InvalidRows(findings.issues, findings.total)
        return Checked(self.names, checked, warnings.issues, warnings.total)

    def _row(self, row: Row, index: int | None, cells: bool, findings: _Findings, warnings: _Findings) -> Row:
        out: Row = []
        for (column, check, nullable, categories), given in zip(self._plans[cells], row, strict=True):
            value = None if cells and given in MISSING_CELLS else given
            if value is None:
                if not nullable:
                    findings.add("null-value", partial(_empty, column), column.name, index)
                out.append(None)
                continue
            try:
                value = check(value)
            except _BadCellError as bad:
                findings.add(str(bad), partial(_explain, str(bad), column, value), column.name, index)
            else:
                if categories is not None and value not in categories:
                    warnings.add("unseen-category", partial(_unseen, column, value), column.name, index)
            out.append(value)
        return out

    def _fill(self, record: dict[str, Any], index: int, findings: _Findings) -> Row:
        row = []
        for name in self.names:
            if name not in record and name not in self._defaults:
                self._missing(name, index, findings)
            row.append(record.get(name))
        return row

    def _missing(self, name: str, index: int | None, findings: _Findings) -> None:
        findings.add("missing-field", lambda: f'Field "{name}" is missing.', name, index)

    def _unknown(self, names: Iterable[Any], index: int | None, findings: _Findings) -> None:
        for name in names:
            if name not in self._known:
                findings.add("unknown-field", partial(self._stranger, name), _short(name), index)

    def _stranger(self, name: Any) -> str:
        if name == self.schema.label:
            hint = " It is the label, the very thing that is predicted: leave it out."
        else:
            close = difflib.get_close_matches(str(name)[:100], self.names, 1)
            hint = f' Did you mean "{close[0]}"?' if close else ""
        return f'Field "{_short(name)}" is not in the schema.{hint}'


def _not_an_object(index: int) -> str:
    return f"Row {index} is not a JSON object of field and value."


def _width(index: int, values: Any, width: int) -> str:
    if not isinstance(values, list):
        return f"Row {index} is not a list of values."
    return f"Row {index} has {len(values)} values; {width} columns are named."


def _twice(name: str) -> str:
    return f'Column "{_short(name)}" is named twice.'


def _empty(column: Column) -> str:
    return f'Field "{column.name}" must not be empty.'


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= 60 else text[:57] + "..."


def _explain(code: str, column: Column, value: Any) -> str:
    if code == "out-of-range":
        return f'Field "{column.name}": {_short(_repr(value))} is beyond what a model can take (64 bits).'
    if code == "not-unicode":
        return f'Field "{column.name}" holds half of a surrogate pair, which is not Unicode text.'
    return f'Field "{column.name}" must be {_TYPE_WORDS[column.type]}, not {_short(_repr(value))}.'


def _repr(value: Any) -> str:
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


def _unseen(column: Column, value: Any) -> str:
    return f'Field "{column.name}": {_short(_repr(value))} was never seen in training; the score is a guess.'
