"""Columns of plain decimal numbers in words of eight characters: recognised and read by arithmetic on whole words.

Exact: at most 15 digits are read, as a whole number that a float holds, divided by a power of ten that a float holds, too;
such a quotient is the very float that Python reads (Clinger 1990). Everything else is left to the exact way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shared.domain.table.packed import Numbers

if TYPE_CHECKING:
    import numpy.typing as npt

    Words = npt.NDArray[np.uint64]
    Places = npt.NDArray[np.int64]
    Bytes = npt.NDArray[np.uint8]
    Truths = npt.NDArray[np.bool_]

MAX_DIGITS = 15
_ZERO, _NINE, _MINUS, _POINT = 48, 57, 45, 46
#: Characters of a word, and the most decimals whose point stands in a value's last word with a digit before it.
_WORD, _DECIMALS = 8, 6


def _all(byte: int) -> np.uint64:
    return np.uint64(int.from_bytes(bytes([byte]) * 8, "big"))


_SEVEN, _ZEROS, _POINTS, _SIX, _HIGH, _LOW = map(_all, (0x7F, _ZERO, _POINT, 0x06, 0xF0, 0x0F))
_KEEP = np.array([(~0 << 8 * (8 - kept)) & ((1 << 64) - 1) for kept in range(9)], np.uint64)
_TENS = np.array([10**power for power in range(18)], np.uint64)
_BYTE, _TOP = np.uint64(8), np.uint64(56)


@dataclass(frozen=True)
class _Values:
    """The values of a column, none of them empty, without their minus: `first` and `size` are of the digits and the point."""

    words: list[Words]
    first: Places
    size: Places
    #: Those below zero; None where there are none.
    minus: Truths | None
    #: Those whose first digit is a zero.
    zero: Truths


def numbers_of(words: list[Words], data: Bytes, starts: Places, lengths: Places) -> Numbers | None:
    """Of one or two words a value, none of them empty; None where a value is not plainly a number."""
    values = _unsigned(words, data, starts, lengths)
    if values is None:
        return None
    decimals = _decimals(values, data)
    if decimals is None:
        return None
    plain = _without_point(values, decimals) if decimals >= 0 else None
    return (_alike(plain, decimals) if plain else None) or _unlike(values, data)


def _unsigned(words: list[Words], data: Bytes, starts: Places, lengths: Places) -> _Values | None:
    """None where a value does not begin as a number does."""
    lead = data.take(starts)
    minus = None
    if int(lead.min()) < _ZERO:
        minus = lead == _MINUS
        starts, lengths = starts + minus, lengths - minus
        lead = data.take(starts)
    if int(lead.min()) < _ZERO or int(lead.max()) > _NINE:
        return None
    zero = lead == _ZERO
    if zero.any() and (zero & (data.take(starts + 1) - np.uint8(_ZERO) <= 9)).any():
        return None
    return _Values(words, starts, lengths, minus, zero)


def _decimals(values: _Values, data: Bytes) -> int | None:
    """How many digits the first value has after its point, 0 where it has none, -1 where they are many; None: it is no number."""
    first = int(values.first[0])
    text = data[first : first + int(values.size[0])].tobytes()
    whole, point, rest = text.partition(b".")
    if not whole.isdigit() or (point and not rest.isdigit()):
        return None
    return len(rest) if len(rest) <= _DECIMALS else -1


def _without_point(values: _Values, decimals: int) -> _Values | None:
    """The values with their point taken out, where it stands before as many decimals in all."""
    if not decimals:
        return values
    last = values.words[0]
    at = np.uint64(8 * (_WORD - 1 - decimals))
    if (((last >> at) & np.uint64(0xFF)) != _POINT).any():
        return None
    before = (np.uint64(1) << at) - np.uint64(1)
    after = ~(before << _BYTE | np.uint64(0xFF))
    words = [(last & after) | ((last & before) << _BYTE)]
    if len(values.words) > 1:
        words[0] |= values.words[1] >> _TOP
        words.append(values.words[1] << _BYTE)
    return _Values(words, values.first, values.size - 1, values.minus, values.zero)


def _alike(values: _Values, decimals: int) -> Numbers | None:
    """Digits alone, in all values so many of them decimals; None where there is anything else."""
    whole = decimals == 0
    if int(values.size.max()) > MAX_DIGITS or (whole and _minus_zero(values)):
        return None
    found = np.zeros(len(values.size), np.uint64)
    for index, word in enumerate(values.words):
        digits = (word ^ _ZEROS) & _KEEP.take(values.size - _WORD * index, mode="clip")
        if int(np.bitwise_or.reduce((digits | (digits + _SIX)) & _HIGH)):
            return None
        found += _eight_digits(digits) * _TENS[_WORD * index]
    signed = found.view(np.int64)
    if values.minus is not None:
        signed = np.where(values.minus, -signed, signed)
    # Both are floats without loss, so that the quotients are in the same order.
    low, high = int(signed.min()), int(signed.max())
    return Numbers(whole, low / 10**decimals, high / 10**decimals)


def _minus_zero(values: _Values) -> bool:
    """Whether there may be one: it would come back as 0."""
    return values.minus is not None and bool((values.minus & values.zero).any())


def _unlike(values: _Values, data: Bytes) -> Numbers | None:
    """Digits, with a point in some values or at several places; None where there is anything else."""
    value, decimals = np.zeros(len(values.size), np.uint64), np.full(len(values.size), -1, np.int64)
    points = np.zeros(len(values.size), np.uint8)
    for index, word in enumerate(values.words):
        kept = _KEEP.take(values.size - _WORD * index, mode="clip")
        found = _points(word)
        inside = kept & ~((found >> np.uint64(7)) * np.uint64(0xFF))
        digits = (word ^ _ZEROS) & inside
        if int(np.bitwise_or.reduce((digits | (digits + _SIX)) & _HIGH)):
            return None
        value += _eight_digits(digits) * _TENS[_WORD * index]
        here = np.bitwise_count(found)
        if here.any():
            place = np.bitwise_count((found & (~found + np.uint64(1))) - np.uint64(1)) >> 3
            decimals = np.where(here > 0, 7 + _WORD * index - place.astype(np.int64), decimals)
            points += here
    ends = values.first + values.size
    if (
        int((values.size - points).max()) > MAX_DIGITS
        or int(points.max()) > 1
        or (data.take(ends - 1) == _POINT).any()
    ):
        return None
    whole = not points.any()
    if whole and _minus_zero(values):
        return None
    read = value.astype(np.float64) if whole else _with_decimals(value, decimals)
    read = read if values.minus is None else np.where(values.minus, -read, read)
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
