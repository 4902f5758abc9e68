"""Rows of units, notes or questions below the header: words where every other row has numbers or dates."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from shared.domain.table.blocks import Block
from shared.domain.table.column_types import MISSING, ColumnStats

#: Rows looked at first: in most files they tell that there is none. With fewer nobody can tell.
_LOOK = 4
#: The most such rows: survey tools write the questions, and then their ids.
_MOST = 3
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


def units_rows(block: Block, header: Sequence[str]) -> list[UnitsRow]:
    """The first rows of a table's first block that are such, all in a row."""
    for count in range(_MOST, 0, -1):
        if len(block) < count + _LOOK - 1:
            continue
        rows = block.rows(range(count + _LOOK - 1))
        found = [_words(row, rows[count:], header, block, count) for row in rows[:count]]
        # What is said again in the next row, or by rows further down, is a value.
        said = [told for words in found for told in words.items()]
        if all(found) and (
            count == 1
            or (len(set(said)) == len(said) and not any(_shared(row, block) for row in rows[:count]))
        ):
            return [UnitsRow(block.starts[at], words) for at, words in enumerate(found)]
    return []


def _words(
    row: Sequence[str], others: Sequence[Sequence[str]], header: Sequence[str], block: Block, count: int
) -> dict[str, str]:
    """By their columns the words of a row where those below `count` rows have numbers; none where it is a row like the others."""
    if list(row) == list(header):
        return {}
    found = {}
    for at, cell in enumerate(row):
        if not _regular(other[at] for other in others):
            continue
        if _regular([cell]):
            return {}
        if _word(cell):
            found[at] = cell
    found = {at: cell for at, cell in found.items() if _regular(block.columns[at][count:])}
    enough = len(found) > 1 or any(map(_is_unit, found.values())) or (found and _strange(row, found, block))
    return {header[at]: cell for at, cell in found.items()} if enough else {}


def _shared(row: Sequence[str], block: Block) -> bool:
    """Whether another row of the block has one of its values, too."""
    return any(cell and block.columns[at].count(cell) > 1 for at, cell in enumerate(row))


def _strange(row: Sequence[str], words: Collection[int], block: Block) -> bool:
    """Whether all its other values, too, are none of the block's, though what stands in their columns repeats."""
    others = [at for at, cell in enumerate(row) if cell and at not in words]
    columns = {at: block.columns[at] for at in others}
    return bool(others) and all(
        columns[at].count(row[at]) == 1 and len(set(columns[at])) * 2 <= len(block) for at in others
    )


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
