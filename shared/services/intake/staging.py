"""Staging: a dropped file, read once, becomes training data, holdout and a schema; or a precise refusal.

Weights need the class counts, which are known only at the end. So that the dropped file is still read only once and
nothing touches a local disk, training rows are first written with a mark in place of their weight; the marks are then
filled in a second pass from blob to blob, at the speed of copying.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, field
from itertools import compress
from typing import Any, Protocol

from shared.domain.config import DatasetConfig
from shared.domain.errors import InvalidTable
from shared.domain.schema import Schema
from shared.domain.table import mltable
from shared.domain.table.blocks import Block, csv_lines
from shared.domain.table.column_types import MISSING, MISSING_LABEL, ColumnStats, convert
from shared.domain.table.holdout import HoldoutRule
from shared.domain.table.labels import MIN_ROWS, LabelStats, find_label
from shared.domain.table.reader import Table
from shared.domain.table.text import TextReader

TRAIN = "train/data.csv"
MLTABLE = "train/MLTable"
HOLDOUT = "holdout/data.csv"
_MARKED = "work/train.csv"


class Writer(Protocol):
    def write(self, data: bytes) -> object: ...


class Area(Protocol):
    """Where one upload is staged (a folder of the data container). Names are relative to it."""

    def writer(self, name: str) -> AbstractContextManager[Writer]:
        """Replaces the blob on a clean exit; leaves it as it was on an exception."""

    def reader(self, name: str) -> Iterable[bytes]: ...
    def delete(self, name: str) -> None: ...


@dataclass(frozen=True)
class Staged:
    """What staging found out. Counts are rows; `class_counts` is empty for regression."""

    content_hash: str
    size: int
    rows: int
    train_rows: int
    holdout_rows: int
    dialect: dict[str, Any]
    schema: Schema
    label_type: str
    class_counts: dict[str, dict[str, int]]
    weight_column: str | None
    weights: dict[str, float]
    warnings: list[str]
    paths: tuple[str, ...]
    #: True where the file is so small that holding rows out would leave too few to train on.
    holdout_waived: bool = False

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def stage(
    source: Iterable[bytes], area: Area, config: DatasetConfig, holdout: HoldoutRule | None, dataset: str
) -> Staged:
    """Stage `source` into `area`. Raises InvalidTable, whose `content_hash` is the sha256 of the whole file."""
    text = TextReader(source)
    try:
        return _Staging(text, area, config, holdout).run()
    except InvalidTable as error:
        text.drain()
        error.content_hash = text.digest()
        error.where.setdefault("dataset", dataset)
        raise


@dataclass
class _Buffer:
    """Rows held back until it is sure that enough are left to train on."""

    blocks: list[tuple[Block, list[bool]]] = field(default_factory=list)
    training: int = 0


class _Staging:
    def __init__(
        self, text: TextReader, area: Area, config: DatasetConfig, holdout: HoldoutRule | None
    ) -> None:
        self.text, self.area, self.config, self.holdout = text, area, config, holdout
        self.table = Table(text)
        self.header = self.table.header
        self.at = find_label(self.header, config.label, self.table.header_line)
        if mltable.WEIGHT_COLUMN in self.header:
            raise InvalidTable(
                f"The column name {mltable.WEIGHT_COLUMN!r} is reserved.",
                remedy="Remove or rename that column.",
                code="reserved-column",
                line=self.table.header_line,
                column=mltable.WEIGHT_COLUMN,
            )
        self.label = LabelStats(config.label, config.task)
        self.columns = [
            self.label.column if i == self.at else ColumnStats(name) for i, name in enumerate(self.header)
        ]
        self.weighted = config.task == "classification" and config.imbalance == "weight"
        self.marks: dict[str, str] = {}
        self.missing: dict[str, dict[str, int]] = {}
        self.examples: list[tuple[str, ...]] = []
        self.waived = False

    def run(self) -> Staged:
        warnings = self._write_rows() + self._warnings()
        weights = mltable.weights(self.label.train) if self.weighted else {}
        if self.weighted:
            self._fill_weights(weights)
        if self.config.task == "classification" and self.label.column.type != "integer":
            self.label.column.type = "string"  # so that endpoints answer the very text of the file
        with self.area.writer(MLTABLE) as out:
            out.write(mltable.render(self.columns, self.weighted).encode())
        return self._staged(warnings, weights)

    def _write_rows(self) -> list[str]:
        buffer: _Buffer | None = _Buffer()
        with ExitStack() as stack:
            train = stack.enter_context(self.area.writer(_MARKED if self.weighted else TRAIN))
            held = stack.enter_context(self.area.writer(HOLDOUT))
            header = csv_lines([self.header])[0]
            _write_lines(train, [f"{header},{mltable.WEIGHT_COLUMN}" if self.weighted else header])
            _write_lines(held, [header])
            for block in self.table.blocks():
                block = self._learn(block)
                mask = self._held(block)
                self.label.update(block, self.at, mask)
                if buffer is None:
                    self._write(block, mask, train, held)
                    continue
                buffer.blocks.append((block, mask))
                buffer.training += len(mask) - sum(mask)
                if buffer.training >= MIN_ROWS:
                    for kept, kept_mask in buffer.blocks:
                        self._write(kept, kept_mask, train, held)
                    buffer = None
            if buffer is not None:
                self._waive(buffer, train, held)
            # Before the writers commit: a refused file leaves nothing staged.
            return self.label.verdict()

    def _waive(self, buffer: _Buffer, train: Writer, held: Writer) -> None:
        """A file of 50-odd rows: all of them train, or too few would be left to."""
        self.waived = self.label.held > 0
        self.label.waive_holdout()
        for block, mask in buffer.blocks:
            self._write(block, [False] * len(mask), train, held)

    def _held(self, block: Block) -> list[bool]:
        if self.holdout is None:
            return [False] * len(block)
        return self.holdout.held(self.header, block.columns)

    def _learn(self, block: Block) -> Block:
        """Blank out missing values, leave out rows without a label, and take in what the columns hold."""
        distinct = [set(column) for column in block.columns]
        for i, values in enumerate(distinct):
            spelt = values & (
                MISSING_LABEL if i == self.at and self.config.task == "classification" else MISSING
            )
            if spelt:
                self._blank(block, i, spelt)
                distinct[i] = (values - spelt) | {""}
        full = len(block)
        block = self.label.drop_unlabelled(block, self.at)
        if len(block) < full:
            distinct = [set(column) for column in block.columns]
        for i, values in enumerate(distinct):
            if i != self.at:
                self.columns[i].update(values)
        if not self.examples:
            rows = list(zip(*block.columns, strict=True))
            complete = [row for row in rows if "" not in row]
            self.examples = (complete + rows)[:2]
        return block

    def _blank(self, block: Block, i: int, spelt: set[str]) -> None:
        column = block.columns[i]
        counts = self.missing.setdefault(self.header[i], {})
        for spelling in spelt:
            counts[spelling] = counts.get(spelling, 0) + column.count(spelling)
        block.replace(i, ["" if value in spelt else value for value in column])

    def _write(self, block: Block, mask: Sequence[bool], train: Writer, held: Writer) -> None:
        lines = block.lines()
        if any(mask):
            _write_lines(held, list(compress(lines, mask)))
            keep = [not held_out for held_out in mask]
            lines, labels = list(compress(lines, keep)), list(compress(block.columns[self.at], keep))
        else:
            labels = block.columns[self.at]
        if self.weighted:
            for name in set(labels) - self.marks.keys():
                self.marks[name] = mltable.mark(len(self.marks))
            marks = self.marks
            lines = [line + marks[name] for line, name in zip(lines, labels, strict=True)]
        _write_lines(train, lines)

    def _fill_weights(self, weights: dict[str, float]) -> None:
        values = [weights[name] for name in self.marks]
        with self.area.writer(TRAIN) as out:
            for chunk in mltable.fill_marks(self.area.reader(_MARKED), values):
                out.write(chunk)
        self.area.delete(_MARKED)

    def _warnings(self) -> list[str]:
        found = []
        for name, counts in self.missing.items():
            spelt = ", ".join(f"{spelling!r} ({count:,})" for spelling, count in sorted(counts.items()))
            found.append(f"Column {name!r}: read as missing: {spelt}.")
        for column in self.columns:
            if column.name == self.config.label:
                continue
            if column.type is None:
                found.append(f"Column {column.name!r} is empty.")
            elif column.constant:
                found.append(f"Column {column.name!r} has the same value in every row.")
            elif column.spoiler is not None:
                found.append(
                    f"Column {column.name!r} is text: it holds {column.spoiler[:60]!r} among numbers."
                )
            elif column.decimal_comma:
                found.append(
                    f"Column {column.name!r} is text: its numbers have a decimal comma; write a point."
                )
        if self.waived:
            found.append(
                "So few rows that none are held out: the gate will have no evidence to compare models on."
            )
        return found

    def _staged(self, warnings: list[str], weights: dict[str, float]) -> Staged:
        label = self.label
        features = [column.column() for i, column in enumerate(self.columns) if i != self.at]
        types = {column.name: column.type for column in features}
        example = tuple(
            {
                name: convert(value, types[name])
                for name, value in zip(self.header, row, strict=True)
                if name in types
            }
            for row in self.examples
        )
        schema = Schema(label.label, tuple(features), tuple(sorted(label.total)), example)
        counts = {"train": dict(sorted(label.train.items())), "holdout": dict(sorted(label.holdout.items()))}
        return Staged(
            content_hash=self.text.digest(),
            size=self.text.size,
            rows=label.rows,
            train_rows=label.rows - label.held,
            holdout_rows=label.held,
            dialect=self.table.dialect.to_dict(),
            schema=schema,
            label_type=label.column.type or "string",
            class_counts=counts if self.config.task == "classification" else {},
            weight_column=mltable.WEIGHT_COLUMN if self.weighted else None,
            weights=weights,
            warnings=warnings,
            paths=(TRAIN, MLTABLE, HOLDOUT),
            holdout_waived=self.waived,
        )


def _write_lines(out: Writer, lines: list[str]) -> None:
    if lines:
        out.write(("\n".join(lines) + "\n").encode())
