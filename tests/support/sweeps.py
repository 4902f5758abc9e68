"""Sweeps over every moment at which a host may die: `make test` takes each fourth, other ones each time, `make test-slow` all."""

from __future__ import annotations

import itertools
import os
import zlib
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
WHOLE = bool(os.environ.get("WHOLE_SWEEPS"))
STRIDE = 1 if WHOLE else 4
#: The same in all processes of one run, as they must collect the same tests, and another one in the next.
FIRST = zlib.crc32(os.environ.get("PYTEST_XDIST_TESTRUNUID", "").encode()) % STRIDE


def part(of: Iterable[T]) -> list[T]:
    """Each STRIDE-th of them."""
    return list(of)[FIRST::STRIDE]


def places() -> Iterator[int]:
    """Places to die at, one after the other without end: the test says when there are no more."""
    return itertools.count(FIRST, STRIDE)


def examples(most: int) -> int:
    """How many examples of chance are tried."""
    return most if WHOLE else max(1, most // 3)
