"""Writes the rows of a table to training data and holdout, and the weights once the classes are counted."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import compress, islice
from typing import Protocol

from shared.domain.table import mltable
from shared.domain.table.blocks import Block, csv_lines, staged_lines
from shared.domain.table.number_notation import Notation

#: Rows rewritten at a time; each may have 1 MiB.
ROWS = 100
#: Bytes that a spool holds in memory: the rows of most files, which then need not go to storage and back.
SPOOLED = 8 << 20


class Writer(Protocol):
    """Takes the bytes of one blob."""

    def write(self, data: bytes) -> object: ...


class Area(Protocol):
    """Where one upload is staged (a folder of the data container). Names are relative to it."""

    def writer(self, name: str) -> AbstractContextManager[Writer]:
        """Replaces the blob on a clean exit; leaves it as it was on an exception."""

    def reader(self, name: str) -> Iterable[bytes]: ...
    def delete(self, name: str) -> None: ...


class Spool:
    """Rows that are read once more, then never: held in memory while they are few, else in a blob of the area."""

    def __init__(self, area: Area, name: str) -> None:
        self._area, self._name = area, name
        self._held: list[bytes] = []
        self._size = 0
        self._out: Writer | None = None
        self._stack = ExitStack()

    @contextmanager
    def writer(self) -> Iterator[Spool]:
        with self._stack:
            yield self

    def write(self, data: bytes) -> None:
        if self._out is not None:
            self._out.write(data)
            return
        self._held.append(data)
        self._size += len(data)
        if self._size > SPOOLED:
            self._out = self._stack.enter_context(self._area.writer(self._name))
            held, self._held = self._held, []
            for piece in held:
                self._out.write(piece)

    def reader(self) -> Iterable[bytes]:
        """All that was written, once the writer is through."""
        return self._held if self._out is None else self._area.reader(self._name)

    def delete(self) -> None:
        self._held = []
        if self._out is not None:
            self._area.delete(self._name)


class StagedRows:
    """`weighted` training rows end in a mark of their class, in place of the weight that isn't known yet."""

    def __init__(self, header: list[str], label: int, *, weighted: bool) -> None:
        self._label, self._weighted = label, weighted
        self._header = csv_lines([header])[0]
        self._marks: dict[str, str] = {}

    def write_headers(self, train: Writer, held: Writer) -> None:
        weight = f",{mltable.WEIGHT_COLUMN}" if self._weighted else ""
        _write_lines(train, [f"{self._header}{weight}"])
        _write_lines(held, [self._header])

    def write(self, block: Block, mask: Sequence[int], train: Writer, held: Writer) -> None:
        """Rows whose mask is true are held out, the others train."""
        mark = self._mark if self._weighted else None
        sides = block.packed.sides(mask, self._label, mark) if block.packed else None
        if sides is None:
            self._write_lines(block, mask, train, held)
            return
        for out, rows in zip((train, held), sides, strict=True):
            if rows:
                out.write(rows)

    def _mark(self, label: str) -> str:
        return self._marks.setdefault(label, mltable.mark(len(self._marks)))

    def _write_lines(self, block: Block, mask: Sequence[int], train: Writer, held: Writer) -> None:
        lines, labels = block.lines(), block.texts(self._label)
        if any(mask):
            _write_lines(held, list(compress(lines, mask)))
            keep = [not held_out for held_out in mask]
            lines, labels = list(compress(lines, keep)), list(compress(labels, keep))
        if self._weighted:
            marks = {name: self._mark(name) for name in set(labels)}
            lines = [line + marks[name] for line, name in zip(lines, labels, strict=True)]
        _write_lines(train, lines)

    def fill(self, marked: Iterable[bytes], weights: Mapping[str, float]) -> Iterator[bytes]:
        """What was marked, with each class's weight in place of its mark."""
        return mltable.fill_marks(marked, [weights[name] for name in self._marks])


def in_plain_numbers(chunks: Iterable[bytes], notations: Mapping[int, Notation]) -> Iterator[bytes]:
    """Staged text whose columns at these places hold numbers in these notations, with the numbers as programs write them."""
    rows = csv.reader(staged_lines(chunks))
    yield f"{csv_lines([next(rows)])[0]}\n".encode()
    while some := list(islice(rows, ROWS)):
        for at, notation in notations.items():
            plain = {value: notation.plain(value) for value in {row[at] for row in some}}
            for row in some:
                row[at] = plain[row[at]]
        yield "".join(f"{line}\n" for line in csv_lines(some)).encode()


def _write_lines(out: Writer, lines: list[str]) -> None:
    if lines:
        out.write(("\n".join(lines) + "\n").encode())
