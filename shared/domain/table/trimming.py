"""What a cell says: without blanks around it, and without the formula that some programs write around text.

`="00123"` keeps a spreadsheet from making a number of it. Only this form is read: no other formula is ever worked out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

#: Blanks trimmed from both ends of every value.
BLANKS = " \t"
#: What a text formula begins with, in the file's own text as well.
SIGN = '="'
_TEXT_FORMULA = re.compile(r'="([^"]*)"')


def in_formula(cell: str) -> str | None:
    """The text in a text formula; None for anything else."""
    match = _TEXT_FORMULA.fullmatch(cell)
    return match[1] if match else None


def trimmed(record: Sequence[str]) -> list[str]:
    """The cells of a record as text."""
    cells = [cell.strip(BLANKS) for cell in record]
    return [_unwrapped(cell) for cell in cells] if SIGN in "\n".join(cells) else cells


def says_nothing(record: Sequence[str]) -> bool:
    """Whether the record is a blank row: mostly its first cell tells."""
    return not any(_unwrapped(cell.strip(BLANKS)) for cell in record)


def _unwrapped(cell: str) -> str:
    text = in_formula(cell)
    return cell if text is None else text.strip(BLANKS)


def may_have_blanks(text: str, delimiter: str) -> bool:
    """Whether a value may begin or end with a blank: one stands beside a delimiter, a quotation mark or a line's end."""
    if text[0] in BLANKS:
        return True
    blanks = " " if delimiter == "\t" else BLANKS
    return any(
        blank in text and any(edge + blank in text or blank + edge in text for edge in (delimiter, '"', "\n"))
        for blank in blanks
    )


class TextFormulas:
    """Reads rows as `trimmed` does, and remembers what it took out of formulas."""

    def __init__(self) -> None:
        self.count = self._line = 0
        self._example = ""

    def read(self, record: Sequence[str], line: int) -> list[str]:
        """`line` is the record's first."""
        cells = [cell.strip(BLANKS) for cell in record]
        for at, cell in enumerate(cells):
            if cell.startswith(SIGN) and (found := _unwrapped(cell)) != cell:
                if not self.count:
                    self._line, self._example = line, cell
                self.count += 1
                cells[at] = found
        return cells

    def warnings(self) -> list[str]:
        if not self.count:
            return []
        values, are = ("1 value", "was") if self.count == 1 else (f"{self.count:,} values", "were")
        told = (
            f"{values} in a spreadsheet's text formula {are} read as the text inside, the first on line {self._line:,}: "
            f"{self._example[:60]!r} is {_unwrapped(self._example)[:60]!r}."
        )
        return [told]
