"""What a whole table holds, learnt block by block: its columns, its label, its missing values, two example rows."""

from __future__ import annotations

from shared.domain.config import Task
from shared.domain.schema import Schema
from shared.domain.table.bad_rows import BadRows
from shared.domain.table.blocks import Block
from shared.domain.table.column_types import MISSING, MISSING_LABEL, ColumnStats
from shared.domain.table.label_column import LabelStats
from shared.domain.table.profile.parts import Profile
from shared.domain.table.profile.profiler import Profiler
from shared.domain.table.values import convert

#: Example rows that the schema keeps.
EXAMPLES = 2


class TableStats:
    """Watches a table; `at` is the label's place in the header."""

    def __init__(self, header: list[str], at: int, task: Task) -> None:
        self._header, self._at = header, at
        self.label = LabelStats(header[at], task)
        self.columns = [self.label.column if i == at else ColumnStats(name) for i, name in enumerate(header)]
        self._profiler = Profiler(len(header))
        self._missing_label = MISSING_LABEL if task == "classification" else MISSING
        self._missing: dict[str, dict[str, int]] = {}
        self._examples: list[tuple[str, ...]] = []

    def learn(self, block: Block, bad: BadRows | None = None) -> Block:
        """Blank out missing values, leave out rows without a label, and take in what the columns hold."""
        distinct = [set(column) for column in block.columns]
        for i, values in enumerate(distinct):
            spelt = values & (self._missing_label if i == self._at else MISSING)
            if spelt:
                self._blank(block, i, spelt)
                distinct[i] = (values - spelt) | {""}
        full = len(block)
        block = self.label.drop_unlabelled(block, self._at, bad)
        if len(block) < full:
            distinct = [set(column) for column in block.columns]
        self._profiler.update(block, distinct)
        for i, values in enumerate(distinct):
            if i != self._at:
                self.columns[i].update(values)
        if not self._examples:
            rows = list(zip(*block.columns, strict=True))
            complete = [row for row in rows if "" not in row]
            self._examples = (complete + rows)[:EXAMPLES]
        return block

    def _blank(self, block: Block, i: int, spelt: set[str]) -> None:
        column = block.columns[i]
        counts = self._missing.setdefault(self._header[i], {})
        for spelling in spelt:
            counts[spelling] = counts.get(spelling, 0) + column.count(spelling)
        block.replace(i, ["" if value in spelt else value for value in column])

    def warnings(self) -> list[str]:
        """What is worth knowing about the columns, one sentence each."""
        found = []
        for name, counts in self._missing.items():
            spelt = ", ".join(f"{spelling!r} ({count:,})" for spelling, count in sorted(counts.items()))
            found.append(f"Column {name!r}: read as missing: {spelt}.")
        features = [column for i, column in enumerate(self.columns) if i != self._at]
        return found + [sentence for column in features if (sentence := _warning(column))]

    def hold(self, before: Schema) -> None:
        """Keep the types of the version before where this table's values fit them."""
        earlier = {column.name: column for column in before.columns}
        for i, column in enumerate(self.columns):
            if i != self._at and column.name in earlier:
                column.hold(earlier[column.name])

    def profile(self) -> Profile:
        """Of all rows that were taken."""
        return self._profiler.profile(self.columns, self._at, self.label.task, self.label.total)

    def schema(self) -> Schema:
        """The features as seen, the label's classes (none in a regression) and the example rows."""
        features = tuple(column.column() for i, column in enumerate(self.columns) if i != self._at)
        types = {column.name: column.type for column in features}
        example = tuple(
            {
                name: convert(value, types[name])
                for name, value in zip(self._header, row, strict=True)
                if name in types
            }
            for row in self._examples
        )
        return Schema(
            self.label.label, features, tuple(sorted(self.label.total)), example, whole_as_float=True
        )


def _warning(column: ColumnStats) -> str | None:
    if column.constant:
        return None  # the profile tells of it
    if column.type == "string" and (told := column.notations.sentence(column.name)):
        return told
    if column.spoiler is not None:
        return f"Column {column.name!r} is text: it holds {column.spoiler[:60]!r} among numbers."
    return None
