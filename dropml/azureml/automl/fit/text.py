"""Text columns: length, number of words, and how much their words speak for each class (naive Bayes)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dropml.azureml.automl.data.table import Column
from scorer.words import words_of

MAX_WORDS = 3_000
MIN_ROWS = 3
MAX_CLASSES = 10


@dataclass
class TextModel:
    """`vocabulary`: word -> its log-likelihood ratio for each of `k` class scores."""

    vocabulary: dict[str, list[float]]
    k: int

    @property
    def feature_names(self) -> list[str]:
        return ["characters", "words", *(f"bayes{i}" for i in range(self.k))]

    @staticmethod
    def fit(
        column: Column, indicators: np.ndarray, regression: bool, folds: np.ndarray
    ) -> tuple[TextModel, np.ndarray]:
        """Learn word weights; training rows are scored with the weights of the other folds."""
        marks = _marks(indicators, regression)
        counts, words = _document_terms(column)
        model = TextModel(_weights(counts, marks, words), marks.shape[1])
        block = model.transform(column)
        for k in np.unique(folds):
            inside = np.flatnonzero(folds == k)
            outside = np.flatnonzero(folds != k)
            part = TextModel(_weights(counts[outside], marks[outside], words), marks.shape[1])
            block[inside] = part.transform(column.take(inside))
        return model, block

    def transform(self, column: Column) -> np.ndarray:
        """Columns: characters, words, then the mean weight of the known words for each class."""
        codes, levels = column.coded
        table = np.full((len(levels) + 1, 2 + self.k), np.nan)
        for i in np.unique(codes[codes >= 0]):
            table[i] = self.score(levels[i])
        return np.asarray(table[codes])

    def score(self, text: str) -> list[float]:
        words = words_of(text)
        known = [self.vocabulary[w] for w in words if w in self.vocabulary]
        means = [sum(w[j] for w in known) / len(known) if known else 0.0 for j in range(self.k)]
        return [float(len(text)), float(len(words)), *means]


def _marks(indicators: np.ndarray, regression: bool) -> np.ndarray:
    if regression:
        return np.asarray((indicators > np.median(indicators)).astype("float64"))
    if indicators.shape[1] == 2:
        return indicators[:, 1:]
    return indicators[:, np.argsort(-indicators.sum(axis=0), kind="stable")[:MAX_CLASSES]]


def _document_terms(column: Column) -> tuple[np.ndarray, list[str]]:
    """Rows x words, 1 where the word occurs (sparse), over the most frequent words."""
    from collections import Counter

    from scipy.sparse import csr_matrix

    codes, levels = column.coded
    sets = [set(words_of(level)) for level in levels]
    tally: Counter[str] = Counter()
    rows_of_level = np.bincount(codes[codes >= 0], minlength=len(levels))
    for found, n in zip(sets, rows_of_level, strict=True):
        for word in found:
            tally[word] += int(n)
    words = sorted((w for w, n in tally.items() if n >= MIN_ROWS), key=lambda w: (-tally[w], w))[:MAX_WORDS]
    index = {w: i for i, w in enumerate(words)}
    ids = [[index[w] for w in s if w in index] for s in sets] + [[]]
    pointers = np.concatenate([[0], np.cumsum([len(i) for i in ids])])
    flat = np.array([j for i in ids for j in i], dtype="int32")
    by_level = csr_matrix((np.ones(len(flat)), flat, pointers), shape=(len(ids), len(words)))
    return by_level[np.where(codes < 0, len(levels), codes)], words


def _weights(counts: np.ndarray, marks: np.ndarray, words: list[str]) -> dict[str, list[float]]:
    inside = np.asarray(counts.T @ marks) + 1.0
    outside = np.asarray(counts.T @ (1.0 - marks)) + 1.0
    ratio = np.log(inside / (marks.sum(axis=0) + 2.0)) - np.log(outside / ((1.0 - marks).sum(axis=0) + 2.0))
    return {w: [float(v) for v in ratio[i]] for i, w in enumerate(words)}
