"""A table without the columns that its configuration keeps out of training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from shared.domain.config import DatasetConfig
from shared.domain.errors import InvalidTable
from shared.domain.names import likest
from shared.domain.table.blocks import Block
from shared.domain.table.reader import Table
from shared.domain.yaml_words import COMMENT, cut, in_yaml

#: Absent columns that a message names.
NAMED = 10


class Selected:
    """What staging reads of a table. Raises InvalidTable for a column to be left out that isn't there."""

    def __init__(self, table: Table, config: DatasetConfig) -> None:
        self._table = table
        self.dialect, self.header_line = table.dialect, table.header_line
        #: Columns that rows may bring along and no model sees, in the order of the file.
        self.passed = _passed(table.header, config, table.header_line)
        self._kept = [i for i, name in enumerate(table.header) if name not in self.passed]
        self.header = [table.header[i] for i in self._kept]

    def check_features(self, label: str) -> None:
        """Raises InvalidTable where nothing is left beside the label."""
        if self.header == [label]:
            raise InvalidTable(
                f"`drop` and `id` keep every column but the label {label!r} out of training: none is left to learn from.",
                remedy="Take a column out of `drop` or `id` in the configuration.",
                code="no-features",
                line=self.header_line,
            )

    def blocks(self) -> Iterator[Block]:
        for block in self._table.blocks():
            if not self.passed:
                yield block
            else:
                yield Block([block.columns[i] for i in self._kept], block.starts, block.plain)


def _passed(header: Sequence[str], config: DatasetConfig, line: int) -> tuple[str, ...]:
    named = {"drop": config.drop, "id": (config.id,) if config.id else ()}
    absent = {name: key for key, names in named.items() for name in names if name not in header}
    if absent:
        raise _absent(absent, header, line)
    out = {*config.drop, config.id}
    return tuple(name for name in header if name in out)


def _absent(names: Mapping[str, str], header: Sequence[str], line: int) -> InvalidTable:
    """The refusal for columns that are not there, each with the key that keeps it out of training."""
    behind = {name: found for name in islice(names, NAMED) if (found := cut(name, header))}
    near = {name: found for name in islice(names, NAMED) if (found := likest(name, header, 0.7))} | behind
    lists = {name: found for name, key in names.items() if key == "drop" and (found := _listed(name, header))}
    told = " ".join(
        f"The column {name!r}, which `{key}` keeps out of training, is not in the file."
        + (
            f" A list stands in brackets: {lists[name]}."
            if name in lists
            else _guess(near.get(name), name in behind)
        )
        for name, key in list(names.items())[:NAMED]
    )
    more = f" Nor are {len(names) - NAMED} more." if len(names) > NAMED else ""
    keys = list(dict.fromkeys(names.values()))
    error = InvalidTable(
        f"{told}{more}",
        remedy=f"Correct {' and '.join(f'`{key}`' for key in keys)} in the configuration, and the file is taken anew by itself; "
        "or add what is missing to the file and drop it again.",
        code="column-missing",
        line=line,
        column=next(iter(names)),
        keys=keys,
    )
    if lists:
        return error.showing(f"drop: {next(iter(lists))}", next(iter(lists.values())))
    bad, good = next(iter(near.items()), ("", ""))
    return error.showing(bad, in_yaml(good)) if near else error


def _guess(near: str | None, cut_off: bool) -> str:
    return f" Did you mean {near!r}?{COMMENT if cut_off else ''}" if near else ""


def _listed(name: str, header: Sequence[str]) -> str:
    """The entry that was meant, where a name is those of several columns with commas between."""
    parts = [part.strip() for part in name.split(",")]
    if len(parts) < 2 or not any(part in header for part in parts):
        return ""
    meant = [part if part in header else likest(part, header, 0.7) or part for part in parts if part]
    return f"drop: [{', '.join(in_yaml(part, listed=True) for part in meant)}]"
