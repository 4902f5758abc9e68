"""Rows against the live model's schema: exact, fast, and precise about row and field.

One `RowValidator` is built per schema and reused.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

from shared.domain.problems import MAX_LISTED, InvalidRows, RowIssue
from shared.domain.rows.cells import (
    MISSING_CELLS,
    BadCellError,
    cell_check,
    explain,
    short,
    unseen,
    value_check,
)
from shared.domain.schema import Column, Schema

Row = list[Any]
#: Texts remembered over all columns, and the longest that is.
MAX_MEMO, MAX_MEMO_TEXT = 200_000, 40
#: Pairs of a name that nobody knows and one that is missing.
MAX_COMPARED = 20_000


@dataclass
class Checked:
    """Rows in schema order, ready for the endpoint, and the warnings they gave."""

    columns: list[str]
    rows: list[Row]
    warnings: list[RowIssue] = field(default_factory=list)
    total_warnings: int = 0


@dataclass
class Findings:
    """Issues listed up to a bound, all counted."""

    issues: list[RowIssue] = field(default_factory=list)
    total: int = 0

    def add(self, code: str, message: Callable[[], str], name: str | None, row: int | None) -> None:
        """`message` is made only for issues that get listed: a body may hold a million of them."""
        self.total += 1
        if len(self.issues) < MAX_LISTED:
            self.issues.append(RowIssue(code, message(), name, row))


class RowValidator:
    """Checks rows against a schema. Thread-safe; build once per schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.names = [column.name for column in schema.columns]
        self._known = frozenset(self.names) | frozenset(schema.passed)
        self._width = len(self.names)
        self._plans = {
            cells: [
                (c, check(c), c.nullable, None if c.categories is None else frozenset(c.categories))
                for c in schema.columns
            ]
            for cells, check in ((False, value_check), (True, cell_check))
        }
        self._memos: list[dict[str, object]] = [{} for _ in schema.columns]
        self._memo_size = MAX_MEMO // max(1, self._width)
        self._defaults: dict[str, object] = {c.name: None for c in schema.columns if c.nullable}

    def check_records(self, records: Sequence[object]) -> Checked:
        """Records (JSON objects) to rows. Raises InvalidRows naming row and field."""
        findings = Findings()
        rows: list[Row] = []
        for index, record in enumerate(records):
            if type(record) is not dict:
                findings.add("wrong-type", partial(_not_an_object, index), None, index)
                continue
            try:
                row = [record[name] for name in self.names]
            except KeyError:
                row = self._fill(record, index, findings)
                self._unknown(record.keys(), index, findings)  # one may stand in place of what is absent
            else:
                if len(record) != self._width:
                    self._unknown(record.keys(), index, findings)
            rows.append(row)
        return self._finish(rows, findings, cells=False)

    def check_table(self, columns: Sequence[str], data: Sequence[object], *, cells: bool = False) -> Checked:
        """Rows under column names in any order; `cells` says they are CSV text. Raises InvalidRows."""
        findings = Findings()
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
        self, columns: Sequence[str], findings: Findings | None = None, *, others: bool = False
    ) -> list[int | None]:
        """Where each schema column stands in `columns` (None: absent and nullable).

        `others` lets further columns stand among them, but none that may be a misspelt one that is absent.
        Raises InvalidRows, unless `findings` collects the issues.
        """
        found = Findings() if findings is None else findings
        where: dict[str, int] = {}
        for at, name in enumerate(columns):
            if name in where:
                found.add("duplicate-field", partial(_twice, name), short(name), None)
            where[name] = at
        self._unknown(self._misspelt(where) if others else where, None, found)
        for name in self.names:
            if name not in where and name not in self._defaults:
                self._missing(name, None, found, where)
        if findings is None and found.total:
            raise InvalidRows(found.issues, found.total)
        return [where.get(name) for name in self.names]

    def _misspelt(self, names: Iterable[str]) -> list[str]:
        """The unknown among `names` that are near a column that is absent."""
        given = dict.fromkeys(names)
        absent = [name.casefold() for name in self.names if name not in given]
        if not absent:
            return []
        strangers = [name for name in given if name not in self._known and name != self.schema.label]
        # Names by the ten thousand are no slip, and each comparison takes some microseconds.
        del strangers[max(MAX_LISTED, MAX_COMPARED // len(absent)) :]
        return [
            name
            for name in strangers
            if difflib.get_close_matches(name.casefold()[:100], absent, cutoff=0.75)
        ]

    def check_cells(self, values: Row) -> tuple[Row, list[RowIssue]]:
        """One CSV row in schema order, and what is wrong with it: a batch goes on after a bad row.

        Texts that a column has shown before are not read again: columns repeat themselves.
        """
        try:
            return [memo[cell] for memo, cell in zip(self._memos, values, strict=True)], []
        except KeyError:
            pass
        findings = Findings()
        row = self._row(values, None, True, findings, Findings())
        if not findings.total:
            for memo, cell, value in zip(self._memos, values, row, strict=True):
                if len(memo) < self._memo_size and len(cell) <= MAX_MEMO_TEXT:
                    memo[cell] = value
        return row, findings.issues

    def _finish(self, rows: list[Row], findings: Findings, *, cells: bool) -> Checked:
        if findings.total:  # row numbers would no longer match; these come first anyway
            raise InvalidRows(findings.issues, findings.total)
        warnings = Findings()
        checked = [self._row(row, index, cells, findings, warnings) for index, row in enumerate(rows)]
        if findings.total:
            raise InvalidRows(findings.issues, findings.total)
        return Checked(self.names, checked, warnings.issues, warnings.total)

    def _row(self, row: Row, index: int | None, cells: bool, findings: Findings, warnings: Findings) -> Row:
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
            except BadCellError as bad:
                findings.add(str(bad), partial(explain, str(bad), column, value), column.name, index)
            else:
                if categories is not None and value not in categories:
                    warnings.add("unseen-category", partial(unseen, column, value), column.name, index)
            out.append(value)
        return out

    def _fill(self, record: dict[str, object], index: int, findings: Findings) -> Row:
        row = []
        for name in self.names:
            if name not in record and name not in self._defaults:
                self._missing(name, index, findings, record)
            row.append(record.get(name))
        return row

    def _missing(self, name: str, index: int | None, findings: Findings, given: Iterable[str]) -> None:
        findings.add("missing-field", partial(self._absent, name, given), name, index)

    def _absent(self, name: str, given: Iterable[str]) -> str:
        """With the stranger among what was given that may be meant by it."""
        near = _near(name, islice((one for one in given if one not in self._known), MAX_LISTED))
        hint = f' Did you mean it by "{short(near)}"?' if near is not None else ""
        return f'Field "{name}" is missing.{hint}'

    def _unknown(self, names: Iterable[object], index: int | None, findings: Findings) -> None:
        for name in names:
            if name not in self._known:
                findings.add("unknown-field", partial(self._stranger, name), short(name), index)

    def _stranger(self, name: object) -> str:
        if name == self.schema.label:
            hint = " It is the label, the very thing that is predicted: leave it out."
        else:
            close = _near(str(name), self.names)
            hint = f' Did you mean "{close}"?' if close is not None else ""
        return f'Field "{short(name)}" is not in the schema.{hint}'


def _near(name: str, others: Iterable[str]) -> str | None:
    """The one of the others that is most like a name, in whatever case."""
    folded = {other.casefold()[:100]: other for other in others}
    close = difflib.get_close_matches(name.casefold()[:100], folded, 1)
    return folded[close[0]] if close else None


def _not_an_object(index: int) -> str:
    return f"Row {index} is not a JSON object of field and value."


def _width(index: int, values: object, width: int) -> str:
    if not isinstance(values, list):
        return f"Row {index} is not a list of values."
    return f"Row {index} has {len(values)} values; {width} columns are named."


def _twice(name: str) -> str:
    return f'Column "{short(name)}" is named twice.'


def _empty(column: Column) -> str:
    return f'Field "{column.name}" must not be empty.'
