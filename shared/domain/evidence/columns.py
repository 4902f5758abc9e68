"""A column of numbers as short text: packed, deflated, in base64. The order of bytes is little, whatever the machine's."""

from __future__ import annotations

import base64
import sys
import zlib
from array import array
from collections.abc import Sequence

#: What a letter stands for: whole numbers of 1, 2 and 4 bytes, and floats of 8.
WHOLE = (("B", 1 << 8), ("H", 1 << 16), ("I", 1 << 32))


def packed(values: Sequence[float]) -> str:
    """Of floats as they are, exactly."""
    return _text(array("d", values))


def packed_whole(values: Sequence[int]) -> str:
    """Of numbers from 0 on, in as few bytes as they take."""
    most = max(values, default=0)
    return _text(array(next(code for code, end in WHOLE if most < end), values))


def unpacked(text: str) -> list[float]:
    """Raises ValueError for what is no column of ours."""
    return list(map(float, _array(text)))


def unpacked_whole(text: str) -> list[int]:
    """Raises ValueError for what is no column of ours."""
    return list(map(int, _array(text)))


def ranks(values: Sequence[float]) -> list[int]:
    """The place of each among the distinct values: what a curve needs of scores, exactly, in fewer bytes."""
    place = {value: at for at, value in enumerate(sorted(set(values)))}
    return [place[value] for value in values]


def _text(column: array[float] | array[int]) -> str:
    if sys.byteorder == "big":
        column.byteswap()
    return f"{column.typecode}:{base64.b64encode(zlib.compress(column.tobytes(), 6)).decode()}"


def _array(text: str) -> array[float]:
    code, _, data = text.partition(":")
    if code not in ("B", "H", "I", "d"):
        raise ValueError(f"{code[:10]!r} is no kind of column")
    column: array[float] = array(code)
    try:
        column.frombytes(zlib.decompress(base64.b64decode(data, validate=True)))
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if sys.byteorder == "big":
        column.byteswap()
    return column
