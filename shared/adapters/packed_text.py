"""Text cut into values by arrays of numpy, where it is clean: what is not is left to the exact way.

Clean: ASCII, as many values in every row, no row without any, no blanks around a value; quotation marks around whole values
without a delimiter, a line end or a mark inside, which are taken away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shared.domain.table.row_errors import MAX_VALUE
from shared.domain.table.trimming import BLANKS

if TYPE_CHECKING:
    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]
    Truths = npt.NDArray[np.bool_]
    Places = npt.NDArray[np.int64]

#: Bytes of the longest value that is held as words.
LONGEST = 64
NEWLINE, _COMMA, _QUOTE = 10, 44, 34


def cut(text: str, width: int, delimiter: str, fewest: int) -> tuple[Bytes, Places] | None:
    """The text between LONGEST bytes before it and one after, with commas; and the places after each value, a line a column.

    None where it is not clean, or has fewer rows.
    """
    if not text.isascii() or (delimiter != "," and "," in text):
        return None
    data = np.frombuffer(bytes(LONGEST) + text.encode("ascii") + b"\0", np.uint8)
    # Before the first value there is an end as well.
    is_end = (data == ord(delimiter)) | (data == NEWLINE)
    is_end[LONGEST - 1] = True
    if any(blank in text and _beside(data == ord(blank), is_end) for blank in BLANKS.replace(delimiter, "")):
        return None
    if '"' in text:
        quotes = data == _QUOTE
        if not _around_values(quotes, is_end):
            return None
        data, is_end = data[~quotes], is_end[~quotes]
        if any(
            blank in text and _beside(data == ord(blank), is_end) for blank in BLANKS.replace(delimiter, "")
        ):
            return None
    places = np.flatnonzero(is_end)[1:]
    rows = len(places) // width
    if rows < fewest or rows * width != len(places):
        return None
    ends = np.ascontiguousarray(places.reshape(rows, width).T)
    # As many line ends as rows, and one at the end of each: all others are delimiters.
    if np.count_nonzero(data == NEWLINE) != rows or (data[ends[-1]] != NEWLINE).any():
        return None
    lengths = np.diff(ends[-1], prepend=LONGEST - 1) - 1
    if int(lengths.min()) < width or int(lengths.max()) > MAX_VALUE:
        return None
    if delimiter != ",":
        data = np.where(data == ord(delimiter), np.uint8(_COMMA), data)
    return data, ends


def _beside(blanks: Truths, ends: Truths) -> bool:
    """Whether a blank stands before or after an end."""
    return bool((blanks[1:] & ends[:-1]).any() or (blanks[:-1] & ends[1:]).any())


def _around_values(quotes: Truths, ends: Truths) -> bool:
    """Whether each second mark stands behind an end and the others before one, both around the same value."""
    places = np.flatnonzero(quotes)
    opening, closing = places[::2], places[1::2]
    if len(opening) != len(closing) or not (ends[opening - 1].all() and ends[closing + 1].all()):
        return False
    values = np.cumsum(ends)
    return bool((values[opening] == values[closing]).all())
