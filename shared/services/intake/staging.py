"""Staging: a dropped file, read once, becomes training data, holdout and a schema; or a precise refusal.

Weights need the class counts, and how a column writes its numbers needs all of them: both are known only at the end. So that
the dropped file is still read only once and nothing touches a local disk, training rows are first written with a mark in
place of their weight and with their numbers as they stand; a second pass, of few rows from memory and else from blob to blob,
mends both, where there is need.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from shared.domain.config import DatasetConfig
from shared.domain.contract import policy_of
from shared.domain.documents import to_json
from shared.domain.errors import InvalidTable
from shared.domain.run.dataset import Holdout
from shared.domain.schema import Earlier, Schema
from shared.domain.table import mltable
from shared.domain.table.bad_rows import HEADER, BadRows
from shared.domain.table.blocks import Block, csv_lines
from shared.domain.table.column_warnings import Cause
from shared.domain.table.dialect import Dialect
from shared.domain.table.header import alike
from shared.domain.table.headerless import check_first_line
from shared.domain.table.holdout import HoldoutRule, Splitter
from shared.domain.table.label_column import MIN_ROWS, find_label
from shared.domain.table.packed import Engine
from shared.domain.table.profile.parts import TOLD
from shared.domain.table.reader import Table
from shared.domain.table.selected import Selected
from shared.domain.table.table_stats import TableStats
from shared.domain.table.text import TextReader
from shared.domain.words import counted, was
from shared.services.intake.staged_rows import Area, Spool, StagedRows, Writer, in_plain_numbers

__all__ = ["BAD_ROWS", "HOLDOUT", "MLTABLE", "PROFILE", "TRAIN", "Area", "Staged", "stage"]

TRAIN = "train/data.csv"
MLTABLE = "train/MLTable"
HOLDOUT = "holdout/data.csv"
PROFILE = "profile.json"
BAD_ROWS = "work/rows.csv"
_MARKED = "work/train.csv"


@dataclass(frozen=True)
class Staged:
    """What staging found out. Counts are rows; `class_counts` is empty for regression."""

    content_hash: str
    size: int
    rows: int
    train_rows: int
    holdout_rows: int
    dialect: Dialect
    schema: Schema
    label_type: str
    class_counts: dict[str, dict[str, int]]
    weight_column: str | None
    weights: dict[str, float]
    warnings: list[str]
    paths: tuple[str, ...]
    #: True where the file is so small that holding rows out would leave too few to train on.
    holdout_waived: bool = False
    #: Rows of the file, and those of them put aside (in BAD_ROWS): `rows` and these are all of them.
    input_rows: int = 0
    bad_rows: int = 0
    #: By column, why it is of its type, where that is worth knowing.
    causes: Mapping[str, Cause] = field(default_factory=dict)


def rule_of(holdout: Holdout) -> HoldoutRule:
    """The rule that every file of the dataset is split by, however it comes."""
    return HoldoutRule(holdout.salt, holdout.threshold, holdout.version)


def stage(
    source: Iterable[bytes],
    area: Area,
    config: DatasetConfig,
    holdout: HoldoutRule | None,
    dataset: str,
    before: Earlier | None = None,
    engine: Engine | None = None,
) -> Staged:
    """Stage `source` into `area`; columns stay of the types that they had `before`, where all values fit them
    and the configuration asks for no other ones.

    `engine` reads clean rows; the outcome is the same without.

    Raises InvalidTable, whose `content_hash` is the sha256 of the whole file.
    """
    text = TextReader(source, config.encoding, engine.newlines if engine else None)
    try:
        return _Staging(text, area, config, holdout, before, engine).run()
    except InvalidTable as error:
        text.drain()
        error.content_hash = text.digest()
        error.where.setdefault("dataset", dataset)
        raise


class _Aside:
    """Writes what is put aside, to a blob that there is only where something is."""

    def __init__(self, area: Area, stack: ExitStack, bad: BadRows) -> None:
        self._area, self._stack, self._bad = area, stack, bad
        self._out: Writer | None = None

    def write(self) -> None:
        lines = self._bad.take()
        if not lines:
            return
        if self._out is None:
            self._out = self._stack.enter_context(self._area.writer(BAD_ROWS))
            lines = csv_lines([HEADER])[0] + "\n" + lines
        self._out.write(lines.encode())


@dataclass
class _Buffer:
    """Rows held back until it is sure that enough are left to train on."""

    blocks: list[tuple[Block, Sequence[int]]] = field(default_factory=list)
    training: int = 0


class _Staging:
    def __init__(
        self,
        text: TextReader,
        area: Area,
        config: DatasetConfig,
        holdout: HoldoutRule | None,
        before: Earlier | None,
        engine: Engine | None,
    ) -> None:
        self.before = before
        self.text, self.area, self.config = text, area, config
        self.bad = BadRows(config.max_bad_rows)
        self.source = Table(text, self.bad, engine)
        self.table = Selected(self.source, config)
        header = self.table.header
        known = before.schema.named if before and before.schema.label == config.label else ()
        guess = f" {text.guess}" if text.guess and not "".join(header).isascii() else ""
        self.at = find_label(header, config.label, self.table.header_line, self.source.title + guess, known)
        _refuse_weight_column(header, self.table.header_line)
        self.table.check_features(config.label)
        self.stats = TableStats(header, self.at, config.task, config.numbers)
        self.weighted = config.task == "classification" and config.imbalance == "weight"
        self.rows = StagedRows(header, self.at, weighted=self.weighted)
        self.marked = Spool(area, _MARKED)
        self.split = Splitter(holdout, header, engine) if holdout else None
        self.waived = False

    def run(self) -> Staged:
        warnings = alike(self.table.header, self.table.header_line)
        warnings += self._write_rows() + self.text.warnings() + self.stats.warnings()
        warnings += [units.warning for units in self.source.units]
        warnings += self.source.formulas.warnings()
        if self.source.blank:
            warnings.append(
                f"{counted(self.source.blank, 'row')} without any value {was(self.source.blank)} passed over."
            )
        if self.waived:
            warnings.append(
                "So few rows that none are held out: the gate will have no evidence to compare models on."
            )
        weights = mltable.weights(self.stats.label.train) if self.weighted else {}
        self._finish_rows(weights)
        if self.config.task == "classification" and self.stats.label.column.type != "integer":
            self.stats.label.column.type = "string"  # so that endpoints answer the very text of the file
        with self.area.writer(MLTABLE) as out:
            out.write(mltable.render(self.stats.columns, self.stats.label.label, self.weighted).encode())
        warnings += self._write_profile()
        return self._staged(warnings, weights)

    def _write_profile(self) -> list[str]:
        """Returns what of it is worth a warning."""
        profile = self.stats.profile()
        with self.area.writer(PROFILE) as out:
            out.write(json.dumps(to_json(profile), ensure_ascii=False, allow_nan=False).encode())
        return [finding.sentence for finding in profile.findings if finding.code in TOLD]

    def _finish_rows(self, weights: dict[str, float]) -> None:
        """The second pass, where one is needed: weights in place of marks, numbers as programs write them."""
        notations = self.stats.notations()
        if self.weighted or notations:
            train = self.marked.reader() if self.weighted else self.area.reader(TRAIN)
            filled = self.rows.fill(train, weights) if self.weighted else train
            self._rewrite(TRAIN, in_plain_numbers(filled, notations) if notations else filled)
        if notations:
            self._rewrite(HOLDOUT, in_plain_numbers(self.area.reader(HOLDOUT), notations))
        self.marked.delete()

    def _rewrite(self, name: str, pieces: Iterable[bytes]) -> None:
        """A blob read while it is written is read as it was: what is written appears at the end."""
        with self.area.writer(name) as out:
            for piece in pieces:
                out.write(piece)

    def _write_rows(self) -> list[str]:
        buffer: _Buffer | None = _Buffer()
        with ExitStack() as stack:
            train = stack.enter_context(self.marked.writer() if self.weighted else self.area.writer(TRAIN))
            held = stack.enter_context(self.area.writer(HOLDOUT))
            self.rows.write_headers(train, held)
            aside = _Aside(self.area, stack, self.bad)
            for found in self.table.blocks():
                block = self.stats.learn(found, self.bad)
                aside.write()
                mask = self._held(block)
                self.stats.label.update(block, self.at, mask)
                if buffer is None:
                    self.rows.write(block, mask, train, held)
                    continue
                buffer.blocks.append((block, mask))
                buffer.training += len(mask) - sum(mask)
                if buffer.training >= MIN_ROWS:
                    for kept, kept_mask in buffer.blocks:
                        self.rows.write(kept, kept_mask, train, held)
                    buffer = None
            if buffer is not None:
                self._waive(buffer, train, held)
            aside.write()
            # Before the writers commit: a refused file leaves nothing staged.
            self.bad.check(MIN_ROWS)
            self.bad.refuse_all()
            self.stats.settle(self.table.dialect.delimiter)
            if self.before:
                self.stats.hold(self.before, anew=policy_of(self.config) == "free")
            warnings = self.stats.label.verdict() + self.bad.warnings()
            warnings += check_first_line(
                self.stats.columns, self.at, self.table.header_line, self.source.dialect.delimiter
            )
            self._check_sum()
            return warnings

    def _check_sum(self) -> None:
        """Every row of the file is taken or put aside; raises InvalidTable where one is neither."""
        taken, aside, read = self.stats.label.rows, self.bad.aside, self.bad.read
        if taken + aside != read:
            raise InvalidTable(
                f"{taken:,} rows taken and {aside:,} put aside are not the {read:,} of the file.",
                code="rows-lost",
                remedy="Report this: it is a fault of the product.",
            )

    def _waive(self, buffer: _Buffer, train: Writer, held: Writer) -> None:
        """A file of 50-odd rows: all of them train, or too few would be left to."""
        self.waived = self.stats.label.held > 0
        self.stats.label.waive_holdout()
        for block, mask in buffer.blocks:
            self.rows.write(block, [False] * len(mask), train, held)

    def _held(self, block: Block) -> Sequence[int]:
        return self.split.held(block) if self.split else [False] * len(block)

    def _staged(self, warnings: list[str], weights: dict[str, float]) -> Staged:
        label = self.stats.label
        counts = {"train": dict(sorted(label.train.items())), "holdout": dict(sorted(label.holdout.items()))}
        return Staged(
            content_hash=self.text.digest(),
            size=self.text.size,
            rows=label.rows,
            train_rows=label.rows - label.held,
            holdout_rows=label.held,
            dialect=self.table.dialect,
            schema=replace(self.stats.schema(), passed=self.table.passed, id=self.config.id),
            label_type=label.column.type or "string",
            class_counts=counts if self.config.task == "classification" else {},
            weight_column=mltable.WEIGHT_COLUMN if self.weighted else None,
            weights=weights,
            warnings=warnings,
            paths=(TRAIN, MLTABLE, HOLDOUT, PROFILE, *([BAD_ROWS] if self.bad.aside else [])),
            holdout_waived=self.waived,
            input_rows=self.bad.read,
            bad_rows=self.bad.aside,
            causes=self.stats.causes(),
        )


def _refuse_weight_column(header: list[str], line: int) -> None:
    if mltable.WEIGHT_COLUMN in header:
        raise InvalidTable(
            f"The column name {mltable.WEIGHT_COLUMN!r} is reserved.",
            remedy="Remove or rename that column.",
            code="reserved-column",
            line=line,
            column=mltable.WEIGHT_COLUMN,
        )
