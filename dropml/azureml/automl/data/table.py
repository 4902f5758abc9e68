"""The engine's own table: numbers as float64 (NaN = missing), everything else as codes into levels."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

NUMERIC = ("long", "double", "boolean", "datetime")
TRUE_WORDS, FALSE_WORDS = ("true",), ("false",)


@dataclass
class Column:
    """One column. `type` is its MLflow type.

    Numeric types keep `values`: float64, NaN = missing; booleans 0/1, datetimes seconds since 1970 (UTC).
    Strings keep `codes` (int32, -1 = missing) into `levels`.
    """

    name: str
    type: str
    values: np.ndarray | None = None
    codes: np.ndarray | None = None
    levels: list[str] | None = None

    def __len__(self) -> int:
        return len(self.coded[0] if self.values is None else self.values)

    @property
    def missing(self) -> np.ndarray:
        return np.asarray(self.coded[0] < 0 if self.values is None else np.isnan(self.values))

    @property
    def numbers(self) -> np.ndarray:
        """The values of a numeric column. Raises TypeError for strings."""
        if self.values is None:
            raise TypeError(f"column {self.name!r} holds text, no numbers")
        return self.values

    @property
    def coded(self) -> tuple[np.ndarray, list[str]]:
        """Codes and levels of a column of strings. Raises TypeError for numbers."""
        if self.codes is None or self.levels is None:
            raise TypeError(f"column {self.name!r} holds numbers, no text")
        return self.codes, self.levels

    def take(self, rows: np.ndarray) -> Column:
        if self.values is not None:
            return Column(self.name, self.type, values=self.values[rows])
        codes, levels = self.coded
        return Column(self.name, self.type, codes=codes[rows], levels=levels)

    def texts(self) -> list[str | None]:
        """The column as strings, None = missing."""
        if self.values is not None:
            return [None if np.isnan(v) else number_text(v) for v in self.values]
        codes, levels = self.coded
        return [None if c < 0 else levels[c] for c in codes]

    def python_values(self) -> list[Any]:
        """The column as JSON values of its MLflow type."""
        if self.values is None:
            return self.texts()
        kinds: dict[str, Callable[[float], Any]] = {
            "long": int,
            "double": float,
            "boolean": bool,
            "datetime": iso_text,
        }
        kind = kinds[self.type]
        return [None if np.isnan(v) else kind(v) for v in self.values]


class Table:
    """Columns of equal length, in order."""

    def __init__(self, columns: Iterable[Column]) -> None:
        self.columns = {c.name: c for c in columns}

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    @property
    def names(self) -> list[str]:
        return list(self.columns)

    def __getitem__(self, name: str) -> Column:
        return self.columns[name]

    def pop(self, name: str) -> Column:
        return self.columns.pop(name)

    def take(self, rows: np.ndarray) -> Table:
        return Table(c.take(rows) for c in self.columns.values())


def number_text(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def iso_text(seconds: float) -> str:
    return str(np.datetime64(round(seconds * 1e6), "us").astype("datetime64[us]").item().isoformat())


def from_frame(frame: Any, types: dict[str, str]) -> Table:
    """A pandas DataFrame with the given MLflow types, as a Table (used by the reference pipeline).

    Values that cannot be read as their type become missing.
    """
    import pandas as pd

    columns = []
    for name, kind in types.items():
        series = frame[name]
        if kind in ("long", "double"):
            values = pd.to_numeric(series, errors="coerce").to_numpy(dtype="float64", na_value=np.nan)
            columns.append(Column(name, kind, values=values))
        elif kind == "boolean":
            values = np.array([_boolean(v) for v in series.tolist()], dtype="float64")
            columns.append(Column(name, kind, values=values))
        elif kind == "datetime":
            stamps = pd.to_datetime(series, errors="coerce", utc=True)
            values = (
                stamps.dt.tz_localize(None).to_numpy(dtype="datetime64[us]").astype("int64").astype("float64")
            )
            values[pd.isna(stamps).to_numpy()] = np.nan
            columns.append(Column(name, kind, values=values / 1e6))
        else:
            codes, levels = pd.factorize(series.astype(object).map(_text), use_na_sentinel=True)
            columns.append(Column(name, kind, codes=codes.astype("int32"), levels=[str(v) for v in levels]))
    return Table(columns)


def _text(value: Any) -> str | None:
    if value is None or value == "" or (isinstance(value, float) and np.isnan(value)):
        return None
    return str(value)


def _boolean(value: Any) -> float:
    if isinstance(value, str):
        word = value.strip().lower()
        return 1.0 if word in TRUE_WORDS else 0.0 if word in FALSE_WORDS else np.nan
    if value is None or value != value:
        return np.nan
    return float(bool(value))
