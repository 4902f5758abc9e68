"""One numeric encoding that every model shares.

A category becomes one number that orders the categories by their target rate (`scores`). A date becomes its parts, a
text its length and the naive Bayes scores of its words, a missing number stays NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dropml.azureml.automl.data import purpose as purposes
from dropml.azureml.automl.data.table import Column, Table, number_text
from dropml.azureml.automl.fit.scores import Scores
from dropml.azureml.automl.fit.text import TextModel
from scorer.dates import parse_date

CROSS_FIT_LEVELS = 30  # above it training rows get the rate of the other folds: their own label would leak
FOLDS = 5
DATE_PARTS = ("epoch", "year", "month", "day", "weekday", "yearday", "hour", "minute")


@dataclass
class Encoder:
    """Fitted steps, one for each used column; `steps` is plain data that the compiled form reads too."""

    types: dict[str, str]
    purposes: dict[str, str]
    supervised: bool = True
    imputers: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    steps: list[dict[str, Any]] = field(default_factory=list)

    @property
    def feature_names(self) -> list[tuple[str, str]]:
        """(column, engineered feature) of each feature, in order."""
        return [(s["column"], f) for s in self.steps for f in s["features"]]

    def fit_transform(self, table: Table, scores: Scores) -> np.ndarray:
        """Learn the steps from training rows and encode those: float64 (rows, features)."""
        self.steps, blocks = [], []
        for name, role in self.purposes.items():
            if role == purposes.IGNORE:
                continue
            step, block = self._fit_column(table[name], role, scores)
            self.steps.append(step)
            blocks.append(block)
        return np.ascontiguousarray(np.column_stack(blocks))

    def transform(self, table: Table) -> np.ndarray:
        return np.ascontiguousarray(
            np.column_stack([_apply(step, table[step["column"]]) for step in self.steps])
        )

    def _fit_column(self, column: Column, role: str, scores: Scores) -> tuple[dict[str, Any], np.ndarray]:
        step: dict[str, Any] = {"column": column.name, "type": column.type, "kind": role}
        if role == purposes.NUMERIC:
            step.update(features=["value"], fill=self._fill(column))
            return step, _apply(step, column)
        if role == purposes.DATETIME:
            step["features"] = list(DATE_PARTS)
            block = _apply(step, column)
            # Only the first part (the moment itself) and the parts that vary tell anything.
            varying = [i for i in range(block.shape[1]) if i == 0 or len(np.unique(block[:, i])) > 1]
            step["features"] = [DATE_PARTS[i] for i in varying]
            return step, block[:, varying]
        if role == purposes.TEXT:
            model, block = TextModel.fit(
                column, scores.indicators, scores.regression, self._folds(len(column))
            )
            step.update(features=model.feature_names, vocabulary=model.vocabulary)
            return step, block
        if role == purposes.MIXED:
            step["features"] = ["value", "category"]
            category = self._fit_category(step, _without_numbers(column), scores)
            return step, np.column_stack([_numbers(column), category])
        step["features"] = ["category"]
        return step, self._fit_category(step, column, scores)

    def _fit_category(self, step: dict[str, Any], column: Column, scores: Scores) -> np.ndarray:
        codes, levels = _levels(column)
        n_levels = len(levels) + 1
        codes = np.where(codes < 0, n_levels - 1, codes)
        if not self.supervised:
            values, unseen = _alphabetical(levels), -1.0
        else:
            values, unseen = scores.level_scores(codes, n_levels)
        seen = np.bincount(codes, minlength=n_levels) > 0
        step["map"] = {levels[i]: float(values[i]) for i in range(n_levels - 1) if seen[i]}
        step["missing"] = float(values[-1]) if seen[-1] else unseen
        step["unseen"] = unseen
        if not self.supervised or seen.sum() <= CROSS_FIT_LEVELS:
            return np.asarray(values[codes])
        return self._cross_fit(codes, n_levels, scores)

    def _cross_fit(self, codes: np.ndarray, n_levels: int, scores: Scores) -> np.ndarray:
        encoded = np.empty(len(codes))
        folds = self._folds(len(codes))
        for k in range(FOLDS):
            inside = folds == k
            values, _ = scores.take(~inside).level_scores(codes[~inside], n_levels)
            encoded[inside] = values[codes[inside]]
        return encoded

    def _folds(self, n: int) -> np.ndarray:
        return np.random.default_rng(self.seed).permutation(n) % FOLDS

    def _fill(self, column: Column) -> float | None:
        """The imputer the job asks for, for this column; NaN is left to the models otherwise."""
        wanted = self.imputers.get(column.name)
        if wanted is None or column.values is None:
            return None
        present = column.values[~np.isnan(column.values)]
        if wanted["strategy"] == "constant":
            return float(wanted.get("fill_value") or 0.0)
        if not len(present):
            return 0.0
        if wanted["strategy"] == "most_frequent":
            values, counts = np.unique(present, return_counts=True)
            return float(values[np.argmax(counts)])
        return float(np.median(present) if wanted["strategy"] == "median" else np.mean(present))


def _apply(step: dict[str, Any], column: Column) -> np.ndarray:
    kind = step["kind"]
    if kind == purposes.NUMERIC:
        values = _numbers(column)
        return values if step.get("fill") is None else np.where(np.isnan(values), step["fill"], values)
    if kind == purposes.DATETIME:
        return _date_parts(_moments(column), step["features"])
    if kind == purposes.TEXT:
        return TextModel(step["vocabulary"], len(step["features"]) - 2).transform(column)
    if kind == purposes.MIXED:
        return np.column_stack([_numbers(column), _map(step, _without_numbers(column))])
    return _map(step, column)


def _map(step: dict[str, Any], column: Column) -> np.ndarray:
    codes, levels = _levels(column)
    table = np.array([step["map"].get(level, step["unseen"]) for level in levels] + [step["missing"]])
    return np.asarray(table[codes])


def _levels(column: Column) -> tuple[np.ndarray, list[str]]:
    """Codes (-1 = missing) and the text of each level, for text and for number columns."""
    if column.values is None:
        return column.coded
    present = ~column.missing
    unique, inverse = np.unique(column.values[present], return_inverse=True)
    codes = np.full(len(column), -1, dtype="int32")
    codes[present] = inverse
    return codes, [number_text(v) for v in unique]


def _alphabetical(levels: list[str]) -> np.ndarray:
    order = {level: float(i) for i, level in enumerate(sorted(levels))}
    return np.array([order[level] for level in levels] + [-1.0])


def _numbers(column: Column) -> np.ndarray:
    return _values(column, _number)


def _values(column: Column, read: Callable[[str], float]) -> np.ndarray:
    """The column's numbers; those that `read` finds in the texts of a column of strings."""
    if column.values is not None:
        return column.values
    codes, levels = column.coded
    return np.asarray(np.array([read(level) for level in levels] + [np.nan])[codes])


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return float("nan")
    return value if np.isfinite(value) else float("nan")


def _without_numbers(column: Column) -> Column:
    """The words of a mixed column: all its numbers share one category."""
    codes, texts = column.coded
    levels = ["#number" if not np.isnan(_number(text)) else text for text in texts]
    index = {level: i for i, level in enumerate(dict.fromkeys(levels))}
    mapping = np.array([index[level] for level in levels] + [-1], dtype="int32")
    return Column(column.name, column.type, codes=mapping[codes], levels=list(index))


def _moments(column: Column) -> np.ndarray:
    return _values(column, lambda text: parse_date(text, []))


def _date_parts(seconds: np.ndarray, parts: list[str]) -> np.ndarray:
    """Calendar parts of UTC seconds, NaN where there is no date."""
    missing = np.isnan(seconds)
    whole = np.where(missing, 0.0, np.floor(seconds)).astype("int64")
    stamp = whole.astype("datetime64[s]")
    day, month, year = stamp.astype("M8[D]"), stamp.astype("M8[M]"), stamp.astype("M8[Y]")
    values = {
        "epoch": seconds,
        "year": year.astype("int64") + 1970,
        "month": month.astype("int64") % 12 + 1,
        "day": (day - month.astype("M8[D]")).astype("int64") + 1,
        "weekday": (day.astype("int64") + 3) % 7,
        "yearday": (day - year.astype("M8[D]")).astype("int64") + 1,
        "hour": whole // 3600 % 24,
        "minute": whole // 60 % 60,
    }
    block = np.column_stack([values[p].astype("float64") for p in parts])
    block[missing] = np.nan
    return block
