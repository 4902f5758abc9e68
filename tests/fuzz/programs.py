"""The table as programs write it that know no CSV, or their own: formulas around text, other marks, units, dumps, drawn lines."""

from __future__ import annotations

import random
from collections.abc import Callable

Lines = list[str]
_MARKS = ('="{}"', '"=""{}"""', "'{}'", "“{}”", "«{}»", '\\"{}\\"', '=T("{}")', "{}%", "${}")
_UNITS = ("kg", "(years)", "EUR", "", "-", "m/s", "text", "12")
_HEADS = (
    "-- MySQL dump\nCREATE TABLE t (a int);",
    "INSERT INTO t VALUES",
    "% made by hand\n@relation t",
    "\\begin{tabular}{ll}",
    "structure(list(",
    "+----+----+",
    "# comment",
    "version https://git-lfs.github.com/spec/v1",
)


def as_written(rng: random.Random, lines: Lines, delimiter: str) -> Lines:
    """The same rows as one of these programs leaves them."""
    ways: tuple[Callable[[random.Random, Lines, str], Lines], ...] = (
        _wrapped,
        _with_units,
        _headed,
        _drawn,
        _numbered,
    )
    return rng.choice(ways)(rng, lines, delimiter)


def _wrapped(rng: random.Random, lines: Lines, delimiter: str) -> Lines:
    """One column, or all, in marks; with the header or without, and in some rows alone."""
    mark, at, share = rng.choice(_MARKS), rng.randrange(8), rng.choice((1, 1, 0.5))
    found = [
        delimiter.join(
            mark.format(cell) if at in (i, 7) and rng.random() < share else cell
            for i, cell in enumerate(cells)
        )
        for cells in (line.split(delimiter) for line in lines)
    ]
    return found if rng.random() < 0.3 else lines[:1] + found[1:]


def _with_units(rng: random.Random, lines: Lines, delimiter: str) -> Lines:
    width = lines[0].count(delimiter) + 1
    return [lines[0], delimiter.join(rng.choice(_UNITS) for _ in range(width)), *lines[1:]]


def _headed(rng: random.Random, lines: Lines, _delimiter: str) -> Lines:
    return [rng.choice(_HEADS), *lines]


def _drawn(rng: random.Random, lines: Lines, delimiter: str) -> Lines:
    """Between bars, in columns of fixed width, or apart by blanks."""
    rows = [line.split(delimiter) for line in lines]
    dashes = ["-" * rng.choice((2, 3, 9))] * len(rows[0])
    if rng.random() < 0.5:
        bars = [f"| {' | '.join(row)} |" for row in (rows[0], dashes, *rows[1:])]
        return [bar.strip("| ") for bar in bars] if rng.random() < 0.3 else bars
    width = rng.choice((0, 12))
    return [" ".join(f"{cell:<{width}}" for cell in row) for row in rows]


def _numbered(_rng: random.Random, lines: Lines, delimiter: str) -> Lines:
    return lines[:1] + [f"{i}{delimiter}{line}" for i, line in enumerate(lines[1:], 1)]
