"""Encodes a row from the compiled form's steps, without pandas: the counterpart of dropml.azureml.automl.fit.encode."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from scorer.dates import parse_date
from scorer.words import words_of

Step = Callable[[Any], Any]  # a cell to one number, or to a list of them
_NAN = math.nan
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: The calendar, weekdays with it, comes again after so long; `datetime` itself ends right after SQL Server's last moment.
_CYCLE_YEARS, _CYCLE = 400, 146_097 * 86_400


class Features:
    """Encoder of rows whose cells stand in the order of `columns`."""

    def __init__(self, steps: list[dict[str, Any]], columns: list[str]) -> None:
        position = {name: i for i, name in enumerate(columns)}
        self._single: list[tuple[int, Step]] = []
        #: The place of the column that each feature comes from.
        self.sources = [position[s["column"]] for s in steps for _ in s["features"]]
        self._steps = [(position[s["column"]], _build(s), len(s["features"]) == 1) for s in steps]
        self._all_single = all(single for _, _, single in self._steps)
        self._plain = [(i, step) for i, step, _ in self._steps]

    def encode(self, row: list[Any]) -> list[float]:
        if self._all_single:
            return [step(row[i]) for i, step in self._plain]
        out: list[float] = []
        for i, step, single in self._steps:
            if single:
                out.append(step(row[i]))
            else:
                out.extend(step(row[i]))
        return out


def _build(step: dict[str, Any]) -> Step:
    kind, column_type = step["kind"], step["type"]
    if kind == "numeric":
        return _numeric(column_type, step.get("fill"))
    if kind == "datetime":
        return _dates(column_type, step["features"])
    if kind == "text":
        return _text(step["vocabulary"], len(step["features"]) - 2)
    if kind == "mixed":
        return _mixed(step)
    return _category(step, column_type)


def _numeric(column_type: str, fill: float | None) -> Step:
    missing = _NAN if fill is None else fill
    if column_type == "string":
        return lambda cell: missing if math.isnan(value := _number(cell)) else value

    def number(cell: Any) -> float:
        if cell is None:
            return missing
        value = float(cell)
        return missing if value != value else value

    return number


def _number(cell: Any) -> float:
    if cell is None:
        return _NAN
    try:
        value = float(cell)
    except ValueError:
        return _NAN
    return value if math.isfinite(value) else _NAN


def _number_text(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _category(step: dict[str, Any], column_type: str) -> Step:
    table, missing, unseen = step["map"], step["missing"], step["unseen"]
    if column_type == "string":
        known = {**table, None: missing, "": missing}
        return lambda cell: known.get(cell, unseen)

    def of_number(cell: Any) -> float:
        if cell is None or cell != cell:
            return float(missing)
        return float(table.get(_number_text(float(cell)), unseen))

    return of_number


def _mixed(step: dict[str, Any]) -> Step:
    table, missing, unseen = step["map"], step["missing"], step["unseen"]

    def encode(cell: Any) -> list[float]:
        if cell is None or cell == "" or cell != cell:
            return [_NAN, missing]
        value = _number(cell)
        if not math.isnan(value):
            return [value, table.get("#number", unseen)]
        return [_NAN, table.get(cell, unseen)]

    return encode


def _text(vocabulary: dict[str, list[float]], k: int) -> Step:
    def encode(cell: Any) -> list[float]:
        if cell is None or cell == "":
            return [_NAN] * (k + 2)
        words = words_of(cell)
        known = [vocabulary[w] for w in words if w in vocabulary]
        means = [sum(w[j] for w in known) / len(known) if known else 0.0 for j in range(k)]
        return [float(len(cell)), float(len(words)), *means]

    return encode


def _dates(column_type: str, parts: list[str]) -> Step:
    single = len(parts) == 1

    def encode(cell: Any) -> Any:
        seconds = (_NAN if cell is None else parse_date(cell, [])) if column_type == "string" else cell
        if seconds is None or math.isnan(seconds):
            return _NAN if single else [_NAN] * len(parts)
        cycles, within = divmod(math.floor(seconds), _CYCLE)
        moment = _EPOCH + timedelta(seconds=within)
        values = {
            "epoch": seconds,
            "year": moment.year + _CYCLE_YEARS * cycles,
            "month": moment.month,
            "day": moment.day,
            "weekday": moment.weekday(),
            "yearday": moment.timetuple().tm_yday,
            "hour": moment.hour,
            "minute": moment.minute,
        }
        return float(values[parts[0]]) if single else [float(values[p]) for p in parts]

    return encode
