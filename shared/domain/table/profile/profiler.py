"""The profile of a table that streams by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared.domain.config import Task
from shared.domain.table.blocks import Block
from shared.domain.table.column_types import ColumnStats
from shared.domain.table.profile.figures import profiled, shown
from shared.domain.table.profile.findings import findings
from shared.domain.table.profile.parts import ClassShare, ColumnProfile, Profile
from shared.domain.table.profile.sketches import Sketches


class Profiler:
    """Watches a table of `width` columns."""

    def __init__(self, width: int) -> None:
        self._sketches = Sketches(width)

    def update(self, block: Block, distinct: Sequence[set[str] | None]) -> None:
        """Take in rows; `distinct` are the values of each column in them, None where an engine holds them."""
        self._sketches.update(block, distinct)

    def lists(self, column: int) -> bool:
        """Whether it still counts the column's values one by one."""
        return self._sketches.distinct[column].count is not None

    def profile(
        self, columns: Sequence[ColumnStats], label: int, task: Task, classes: Mapping[str, int]
    ) -> Profile:
        """Of all rows so far. `classes` are the label's, with their rows; a regression has none."""
        sample = self._sketches.rows
        read = [_plain(column, cells) for column, cells in zip(columns, sample.columns(), strict=True)]
        found = [profiled(self._whole(at, column), read[at]) for at, column in enumerate(columns)]
        return Profile(
            label=columns[label].name,
            rows=sample.seen,
            sampled=len(sample),
            columns=tuple(found),
            balance=tuple(
                ClassShare(shown(value), rows, round(rows / sample.seen, 6))
                for value, rows in sorted(classes.items(), key=lambda item: (-item[1], item[0]))
            ),
            findings=findings(found, label, read, task),
        )

    def _whole(self, at: int, column: ColumnStats) -> ColumnProfile:
        rows, gaps, distinct = (
            self._sketches.rows.seen,
            self._sketches.gaps[at],
            self._sketches.distinct[at].count,
        )
        known = column.column()
        return ColumnProfile(
            name=column.name,
            type=known.type,
            rows=rows,
            gaps=gaps,
            distinct=distinct or 0,
            distinct_exact=distinct is not None,
            minimum=known.minimum,
            maximum=known.maximum,
        )


def _plain(column: ColumnStats, cells: Sequence[str]) -> Sequence[str]:
    """The cells with numbers as programs write them."""
    return cells if column.notation is None else list(map(column.notation.plain, cells))
