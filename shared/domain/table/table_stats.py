"""What a whole table holds, learnt block by block: its columns, its label, its missing values, two example rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypeVar

from shared.domain.config import Task
from shared.domain.schema import Earlier, Schema
from shared.domain.table.bad_rows import BadRows
from shared.domain.table.blocks import Block
from shared.domain.table.column_types import MISSING, MISSING_LABEL, ColumnStats
from shared.domain.table.column_warnings import Cause, cause_of
from shared.domain.table.garbled import told
from shared.domain.table.label_column import LabelStats
from shared.domain.table.number_notation import Notation
from shared.domain.table.profile.parts import Profile
from shared.domain.table.profile.profiler import Profiler
from shared.domain.table.values import convert

T = TypeVar("T")
#: Example rows that the schema keeps.
EXAMPLES = 2


class TableStats:
    """Watches a table; `at` is the label's place in the header."""

    def __init__(self, header: list[str], at: int, task: Task, said: Collection[str] = ()) -> None:
        """`said` is what the configuration says of numbers."""
        self._header, self._at, self._said = header, at, said
        self.label = LabelStats(header[at], task, said)
        self.columns = [self.label.column if i == at else ColumnStats(name) for i, name in enumerate(header)]
        self._profiler = Profiler(len(header))
        self._missing_label = MISSING_LABEL if task == "classification" else MISSING
        self._missing: dict[str, dict[str, int]] = {}
        self._examples: list[tuple[str, ...]] = []
        self._by_comma = False

    def learn(self, block: Block, bad: BadRows | None = None) -> Block:
        """Blank out missing values, leave out rows without a label, and take in what the columns hold."""
        distinct = self._distinct(block)
        for i, values in enumerate(distinct):
            spelt = (values or set()) & (self._missing_label if i == self._at else MISSING)
            if spelt:
                self._blank(block, i, spelt)
                distinct[i] = ((values or set()) - spelt) | {""}
        if not block.packed:  # a value was blanked, or there is no engine
            distinct = [
                set(block.columns[i]) if values is None else values for i, values in enumerate(distinct)
            ]
        full = len(block)
        block = self.label.drop_unlabelled(block, self._at, bad)
        if len(block) < full:
            distinct = self._distinct(block)
        self._profiler.update(block, distinct)
        for i, values in enumerate(distinct):
            if i != self._at and values is not None:
                self.columns[i].update(values)
            self._count_spoiler(block, i, values)
        if not self._examples:
            rows = list(zip(*block.columns, strict=True))
            complete = [row for row in rows if "" not in row]
            self._examples = (complete + rows)[:EXAMPLES]
        return block

    def _count_spoiler(self, block: Block, i: int, values: set[str] | None) -> None:
        """Where the word that makes text of a column of numbers stands, and how often."""
        column = self.columns[i]
        if i == self._at:
            return
        column.place(block, i)
        if column.spoiler is None:
            return
        there = values is None or column.spoiler in values
        if values is None and block.packed:
            there = block.packed.holds(i, {column.spoiler})
        if there:
            cells = block.texts(i) if values is not None else block.columns[i]
            if not column.spoiler_count:
                column.spoiler_line = block.starts[cells.index(column.spoiler)]
            column.spoiler_count += cells.count(column.spoiler)

    def settle(self, delimiter: str) -> None:
        """Make numbers of the columns whose values are, in one notation; a class keeps its very words."""
        for column in self._numeric():
            column.settle(self._said)
        self._by_comma = delimiter != "," or any(found.decimal == "," for found in self.notations().values())

    def _numeric(self) -> Sequence[ColumnStats]:
        """The columns that may hold numbers: a class is none."""
        return self.columns if self.label.task == "regression" else self._features_of(self.columns)

    def notations(self) -> dict[int, Notation]:
        """By its place in the header, how each column writes its numbers where not as programs do."""
        return {i: column.notation for i, column in enumerate(self.columns) if column.notation}

    def _distinct(self, block: Block) -> list[set[str] | None]:
        """The values of each column; None where an engine has told all that is asked of them."""
        packed = block.packed
        if packed is None:
            return [set(column) for column in block.columns]
        found: list[set[str] | None] = []
        for i, column in enumerate(self.columns):
            if i != self._at and not self._profiler.lists(i) and column.learn(packed, i):
                found.append(None)
            else:
                values = packed.distinct(i)
                found.append(set(block.columns[i]) if values is None else values)
        return found

    def _blank(self, block: Block, i: int, spelt: set[str]) -> None:
        column = block.columns[i]
        counts = self._missing.setdefault(self._header[i], {})
        for spelling in spelt:
            counts[spelling] = counts.get(spelling, 0) + column.count(spelling)
        if i == self._at:
            self.label.spelt |= spelt
        block.replace(i, ["" if value in spelt else value for value in column])

    def warnings(self) -> list[str]:
        """What is worth knowing about the columns, one sentence each."""
        found = []
        for name, counts in self._missing.items():
            spelt = ", ".join(f"{spelling!r} ({count:,})" for spelling, count in sorted(counts.items()))
            found.append(f"Column {name!r}: read as missing: {spelt}.")
        found += [f"Column {name!r} {cause.sentence}" for name, cause in self.causes().items()]
        return found + told((column.name, column.garbled) for column in self.columns)

    def causes(self) -> dict[str, Cause]:
        """By column, why it is of its type, where that is worth knowing."""
        columns = self._numeric()
        by_comma = self._by_comma and not any(
            c.type == "number" and not c.notation and not c.may_be_thousands for c in columns
        )
        found = ((column.name, cause_of(column, self._said, by_comma=by_comma)) for column in columns)
        return {name: cause for name, cause in found if cause}

    def hold(self, before: Earlier, *, anew: bool) -> None:
        """Keep the types of the version before where this table's values fit them, unless they are taken `anew`."""
        earlier = {column.name: column for column in before.schema.columns}
        for i, column in enumerate(self.columns):
            if i != self._at and column.name in earlier:
                column.hold(earlier[column.name], before.run_id, anew=anew)

    def profile(self) -> Profile:
        """Of all rows that were taken."""
        return self._profiler.profile(self.columns, self._at, self.label.task, self.label.total)

    def schema(self) -> Schema:
        """The features as seen, the label's classes (none in a regression) and the example rows."""
        features = self._features_of(self.columns)
        columns = tuple(column.column() for column in features)
        example = tuple(
            {
                found.name: convert(stats.notation.plain(value) if stats.notation else value, found.type)
                for stats, found, value in zip(features, columns, self._features_of(row), strict=True)
            }
            for row in self._examples
        )
        return Schema(
            self.label.label, columns, tuple(sorted(self.label.total)), example, whole_as_float=True
        )

    def _features_of(self, row: Sequence[T]) -> Sequence[T]:
        return [*row[: self._at], *row[self._at + 1 :]]
