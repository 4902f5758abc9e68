"""A row of units or notes below the header: words where every other row has numbers or dates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shared.domain.table.blocks import Block
from shared.domain.table.column_types import MISSING, ColumnStats

#: Rows looked at first: in most files they tell that there is none. With fewer nobody can tell.
_LOOK = 4
#: Words and columns that are named.
_NAMED = 5
#: What a single word must look like; beside another one any word will do.
_UNIT = re.compile(
    r"[(\[{<].{1,30}[)\]}>]|[%‰°€$£¥#]|(?:k|m|c|d|µ|μ|n|h|M|G|T)?(?:g|m|l|L|s|A|V|W|J|N|Hz|Pa|bar|mol|Wh|eV|B)[²³23]?"
    r"|[A-Za-zµμ°]{1,4}[²³23]?(?:/[A-Za-zµμ0-9]{1,5}[²³23]?){1,2}|t|lbs?|oz|in|ft|yd|mi|ha|°[CF]|[CFK]|min|hr?s?|h|d"
    r"|EUR|USD|GBP|CHF|JPY|CNY|SEK|NOK|DKK|PLN|mph|rpm|dB|ppm|ppb|pct"
    r"|(?i:years?|yrs?|months?|weeks?|days?|hours?|minutes?|seconds?|percent|count|units?|pieces|pcs|euros?|dollars?|metres?|meters?"
    r"|kilograms?|grams?|pounds?|degrees?)"
)
#: Words for "no value", and errors of spreadsheets: a row of these is one without values.
_NO_VALUE = re.compile(
    r"(?i:n\.? ?/?a\.?|nil|unknown|missing|none|null|nan|inf|error|not available|tbd|true|false|yes|no)|#.+|\W+"
)


@dataclass(frozen=True)
class UnitsRow:
    """`words` are by the names of their columns."""

    line: int
    words: dict[str, str]

    @property
    def reason(self) -> str:
        """What the row looks like, a sentence."""
        some = list(self.words.items())[:_NAMED]
        words, columns = (
            ", ".join(repr(word[:30]) for _, word in some),
            ", ".join(repr(name[:60]) for name, _ in some),
        )
        more = f" and {len(self.words) - _NAMED} more" if len(self.words) > _NAMED else ""
        return (
            f"Line {self.line} looks like a row of units or notes below the header: it has words ({words}) where the other rows "
            f"have numbers (in {columns}{more})."
        )

    @property
    def warning(self) -> str:
        """The same with what to do."""
        name, word = next(iter(self.words.items()))
        better = f"{name}_{re.sub(r'[^A-Za-z0-9%]+', '', word)}"[:60].rstrip("_")
        return f"{self.reason} It was put aside. Remove it from the file; a unit may stand in the column's name ({better})."


def units_row(block: Block, header: Sequence[str]) -> UnitsRow | None:
    """The first row of a table's first block, where it is one."""
    if len(block) < _LOOK:
        return None
    first, *others = block.rows(range(_LOOK))
    if list(first) == list(header):
        return None
    found = {}
    for at, cell in enumerate(first):
        if not _regular(row[at] for row in others):
            continue
        if _regular([cell]):
            return None
        if _word(cell):
            found[at] = cell
    words = {header[at]: cell for at, cell in found.items() if _regular(block.columns[at][1:])}
    enough = len(words) > 1 or any(map(_is_unit, words.values()))
    return UnitsRow(block.starts[0], words) if enough else None


def _is_unit(word: str) -> bool:
    return bool(_UNIT.fullmatch(word)) and not (len(word) == 1 and word.isalpha())


def _word(cell: str) -> bool:
    return bool(cell) and cell not in MISSING and (_is_unit(cell) or not _NO_VALUE.fullmatch(cell))


def _regular(cells: Iterable[str]) -> bool:
    """Whether these are numbers, in whatever notation, or dates, and some."""
    column = ColumnStats("")
    column.update(set(cells) - MISSING)
    return column.type in ("integer", "number", "datetime") or (
        column.type == "string" and bool(column.readings.alive)
    )
