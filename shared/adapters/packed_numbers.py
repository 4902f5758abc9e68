"""Columns of plain decimal numbers in words of eight characters: recognised and read by arithmetic on whole words.

Exact: at most 15 digits are read, as a whole number that a float holds, divided by a power of ten that a float holds, too;
such a quotient is the very float that Python reads (Clinger 1990). Everything else is left to the exact way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shared.domain.table.packed import Numbers

if TYPE_CHECKING:
    import numpy.typing as npt

    Words = npt.NDArray[np.uint64]
    Places = npt.NDArray[np.int64]

MAX_DIGITS = 15
_ZERO, _NINE, _MINUS, _POINT = 48, 57, 45, 46


def _all(byte: int) -> np.uint64:
    return np.uint64(int.from_bytes(bytes([byte]) * 8, "big"))


_SEVEN, _ZEROS, _POINTS, _SIX, _HIGH, _LOW = map(_all, (0x7F, _ZERO, _POINT, 0x06, 0xF0, 0x0F))
_KEEP = np.array([(~0 << 8 * (8 - kept)) & ((1 << 64) - 1) for kept in range(9)], np.uint64)
_TENS = np.array([10**power for power in range(18)], np.uint64)


def numbers_of(
    words: list[Words], data: npt.NDArray[np.uint8], starts: Places, ends: Places
) -> Numbers | None:
    """Of one or two words a value, none of them empty; None where a value is not plainly a number."""
    minus = data[starts] == _MINUS
    first = starts + minus
    lead, second = data[first], data[first + 1]
    if (lead - np.uint8(_ZERO) > 9).any() or ((lead == _ZERO) & (second - np.uint8(_ZERO) <= 9)).any():
        return None
    value, decimals = np.zeros(len(starts), np.uint64), np.full(len(starts), -1, np.int64)
    points = np.zeros(len(starts), np.uint8)
    for index, word in enumerate(words):
        kept = _KEEP[np.clip(ends - first - 8 * index, 0, 8)]
        found = _points(word)
        inside = kept & ~((found >> np.uint64(7)) * np.uint64(0xFF))
        digits = (word ^ _ZEROS) & inside
        if int(np.bitwise_or.reduce((digits | (digits + _SIX)) & _HIGH)):
            return None
        value += _eight_digits(digits) * _TENS[8 * index]
        here = np.bitwise_count(found)
        if here.any():
            place = np.bitwise_count((found & (~found + np.uint64(1))) - np.uint64(1)) >> 3
            decimals = np.where(here > 0, 7 + 8 * index - place.astype(np.int64), decimals)
            points += here
    longest = int((ends - first - points).max())
    if longest > MAX_DIGITS or int(points.max()) > 1 or (data[ends - 1] == _POINT).any():
        return None
    whole = not points.any()
    if whole and (minus & (lead == _ZERO)).any():  # -0 would come back as 0
        return None
    read = value.astype(np.float64) if whole else _with_decimals(value, decimals)
    read = np.where(minus, -read, read) if minus.any() else read
    return Numbers(whole, float(read.min()), float(read.max()))


def _points(word: Words) -> Words:
    """0x80 in each byte that is a point."""
    other = word ^ _POINTS
    return ~(((other & _SEVEN) + _SEVEN) | other | _SEVEN)


def _eight_digits(digits: Words) -> Words:
    """Eight bytes 0 to 9, the first in the lowest byte, as a number."""
    found = (digits * np.uint64(2561)) >> np.uint64(8)
    found = ((found & np.uint64(0x00FF00FF00FF00FF)) * np.uint64(6553601)) >> np.uint64(16)
    return ((found & np.uint64(0x0000FFFF0000FFFF)) * np.uint64(42949672960001)) >> np.uint64(32)


def _with_decimals(value: Words, decimals: Places) -> npt.NDArray[np.float64]:
    """`value` has a zero in the place of the point, which stands before so many decimals; -1: there is none."""
    few, many = int(decimals.min()), int(decimals.max())
    scale = _TENS[few] if few == many else _TENS[np.maximum(decimals, 0)]
    above = _TENS[few + 1] if few == many else _TENS[decimals + 1]
    before = value // above
    # Without a point: all of it stands before, over one.
    return (before * scale + (value - before * above)).astype(np.float64) / scale
