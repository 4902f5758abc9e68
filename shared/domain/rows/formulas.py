"""Cells that a spreadsheet would run as formulas, made into text by an apostrophe in front.

https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from shared.domain.table.trimming import in_formula

#: What a formula begins with; the wide forms are read as the narrow ones.
_RISKY = frozenset("=+-@\t\r\n＝＋－＠")
#: Where a program that takes another delimiter, or none of the quotation marks, begins a new cell.
_CUTS = frozenset("\t\r\n,;|")
#: A sign in front of a number begins none.
_NUMBER = re.compile(r"[+-]?(\d[\d_ .,]*|\.\d+)(e[+-]?\d+)?%?|[+-]?(inf|infinity|nan)|-", re.IGNORECASE)


def neutral(cell: object) -> object:
    """A text that begins like a formula, with an apostrophe in front; anything else as it is."""
    if isinstance(cell, str) and cell[:1] in _RISKY and not _NUMBER.fullmatch(cell) and not _text_alone(cell):
        return f"'{cell}"
    return cell


def _text_alone(cell: str) -> bool:
    """Whether a formula is no more than a text, such as `="00123"`, and would not be one wherever else it is cut or read."""
    text = in_formula(cell)
    return text is not None and text[:1] not in _RISKY and _CUTS.isdisjoint(text)


def neutral_record(record: Sequence[str]) -> list[str]:
    """The same for texts; one lookup for a cell that is none."""
    return [str(neutral(cell)) if cell[:1] in _RISKY else cell for cell in record]
