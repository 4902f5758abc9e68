"""Reads the delimited files of an MLTable folder into a table, chunk by chunk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dropml.azureml.automl.data.mltable import Source, read_source
from dropml.azureml.automl.data.table import Column, Table
from dropml.azureml.automl.spec import UserError
from scorer.dates import parse_date

# What stands for "no value" where a number, a boolean or a date is due. In text only the empty string does.
MISSING_WORDS = ["", "NA", "N/A", "n/a", "na", "NaN", "nan", "NULL", "null", "None", "none", "?", "-"]
_CHUNK = 100_000
_SNIFF = 20_000


def read_table(folder: Path, text_columns: set[str] | None = None) -> Table:
    """All rows of the MLTable in `folder`. `text_columns` are read as text whatever their type says."""
    source = read_source(folder)
    for name in text_columns or ():
        source.types[name] = "string"
    try:
        return _Reader(source).read()
    except UnicodeDecodeError as error:
        raise UserError(
            f"The data is not {source.encoding}: byte {error.start} cannot be decoded."
        ) from error


class _NotNumericError(Exception):
    """A column thought to be numeric holds text further down."""

    def __init__(self, column: str) -> None:
        self.column = column


class _Reader:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.types: dict[str, str] = {}

    def read(self) -> Table:
        names = self._header()
        wanted = [
            n
            for n in names
            if (self.source.keep is None or n in self.source.keep) and n not in self.source.drop
        ]
        self.types = {n: self.source.types.get(n) or "" for n in wanted}
        undeclared = [n for n, t in self.types.items() if not t]
        if undeclared:
            self.types.update(self._infer(names, undeclared))
        while True:
            try:
                return self._read_all(names, wanted)
            except _NotNumericError as found:
                self.types[found.column] = "string"

    def _frames(self, names: list[str], columns: list[str], dtypes: dict[str, Any], **options: Any) -> Any:
        import pandas as pd

        na = {n: [""] if n in dtypes else MISSING_WORDS for n in columns}
        # Only where columns are picked: with `usecols`, pandas says nothing of lines that are too long.
        picked = {"usecols": columns} if len(columns) < len(names) else {}
        layout = {"header": 0} if self.source.header else {"header": None, "names": names}
        for file in self.source.files:
            try:
                yield from pd.read_csv(
                    file,
                    sep=self.source.delimiter,
                    encoding=self.source.encoding,
                    dtype=dtypes,
                    na_values=na,
                    keep_default_na=False,
                    chunksize=_CHUNK,
                    low_memory=False,
                    **layout,
                    **picked,
                    **options,
                )
            except pd.errors.EmptyDataError as error:
                raise UserError(f"The data file {file.name} is empty.") from error
            except pd.errors.ParserError as error:
                raise UserError(f"The data file {file.name} is not a table: {error}.") from error

    def _header(self) -> list[str]:
        import pandas as pd

        file = self.source.files[0]
        try:
            frame = pd.read_csv(
                file,
                sep=self.source.delimiter,
                encoding=self.source.encoding,
                header=None,
                nrows=1,
                dtype=str,
                keep_default_na=False,  # a column may be called NA, None, null
            )
        except pd.errors.EmptyDataError as error:
            raise UserError(f"The data file {file.name} is empty.") from error
        if not self.source.header:
            return [f"Column{i + 1}" for i in range(frame.shape[1])]
        names = [str(v) for v in frame.iloc[0].tolist()]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise UserError(f"The header names a column twice: {', '.join(twice)}.")
        return names

    def _infer(self, names: list[str], columns: list[str]) -> dict[str, str]:
        """Types of the columns whose type the MLTable leaves open, from the first rows."""
        frame = next(iter(self._frames(names, columns, dict.fromkeys(columns, str), nrows=_SNIFF)))
        return {name: _infer_type(frame[name].dropna().unique().tolist()) for name in columns}

    def _read_all(self, names: list[str], wanted: list[str]) -> Table:
        numeric = {n for n in wanted if self.types[n] in ("long", "double")}
        dtypes = {n: str for n in wanted if n not in numeric}
        parts: dict[str, list[np.ndarray]] = {n: [] for n in wanted}
        levels: dict[str, dict[str, int]] = {n: {} for n in wanted}
        rows = 0
        for frame in self._frames(names, wanted, dtypes):
            for name in wanted:
                if name in numeric:
                    parts[name].append(self._numbers(frame[name]))
                else:
                    parts[name].append(_codes(frame[name], levels[name]))
            rows += len(frame)
            if self.source.take is not None and rows >= self.source.take + self.source.skip:
                break
        if not rows:
            raise UserError("The data has a header but no rows.")
        window = slice(
            self.source.skip, None if self.source.take is None else self.source.skip + self.source.take
        )
        return Table(self._column(n, np.concatenate(parts.pop(n))[window], levels[n]) for n in wanted)

    def _numbers(self, series: Any) -> np.ndarray:
        import pandas as pd

        if series.dtype.kind in "iufb":
            return np.asarray(series.to_numpy(dtype="float64"))
        if series.name not in self.source.types:
            raise _NotNumericError(str(series.name))
        # Declared a number: what is none becomes missing, as the service's conversion errors do.
        return np.asarray(pd.to_numeric(series, errors="coerce").to_numpy(dtype="float64", na_value=np.nan))

    def _column(self, name: str, values: np.ndarray, levels: dict[str, int]) -> Column:
        kind = self.types[name]
        if kind in ("long", "double"):
            whole = bool(
                np.all(values == np.floor(values))
            )  # NaN is not equal to itself: missing makes it double
            return Column(name, "long" if whole and kind == "long" else "double", values=values)
        if kind == "string":
            return Column(name, kind, codes=values, levels=list(levels))
        table = np.array([self._level_value(name, kind, text) for text in levels] + [np.nan])
        return Column(name, kind, values=table[values])

    def _level_value(self, name: str, kind: str, text: str) -> float:
        if text in MISSING_WORDS:
            return np.nan
        if kind == "datetime":
            return parse_date(text, self.source.formats.get(name) or [])
        true, false = self.source.booleans.get(name, (["true"], ["false"]))
        word = text.strip().lower()
        return 1.0 if word in true else 0.0 if word in false else np.nan


def _codes(texts: Any, levels: dict[str, int]) -> np.ndarray:
    """A chunk's texts as codes into the levels of the whole column, which grow by what is new."""
    import pandas as pd

    codes, found = pd.factorize(texts)
    mapping = np.array([levels.setdefault(str(v), len(levels)) for v in found] + [-1], dtype="int32")
    return np.asarray(mapping[codes])


def _infer_type(values: list[str]) -> str:
    """Type of a column from its distinct texts: long, double, boolean, datetime or string."""
    values = [v for v in values if v not in MISSING_WORDS]
    if not values:
        return "double"
    if all(v.lower() in ("true", "false") for v in values):
        return "boolean"
    try:
        numbers = [float(v) for v in values]
    except ValueError:
        sample = values[:1000]
        dates = sum(not np.isnan(parse_date(v, [])) for v in sample)
        return "datetime" if dates == len(sample) else "string"
    return (
        "long"
        if all(n.is_integer() and "." not in v for n, v in zip(numbers, values, strict=True))
        else "double"
    )
