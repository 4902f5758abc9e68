"""Words in quotation marks that CSV does not know: the marks become part of each value, and don't hold a delimiter together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from shared.domain.table.trimming import SIGN, in_formula

#: By the mark that opens, those that close.
_PAIRS = {
    "'": "'",
    "`": "`'´",
    "´": "´",
    "‘": "’‘",
    "’": "’",
    "‚": "‘’",
    "‛": "’",
    "“": "”“",
    "”": "”",
    "„": "“”",
    "«": "»",
    "»": "«",
    "‹": "›",
    "›": "‹",
    "「": "」",
    "『": "』",
    "＂": "＂",
    "＇": "＇",
    "\\": "",
}
#: Pieces of a value that are put together again.
_CUTS = 8
KNOWN = 'CSV knows the straight double quotation mark (") alone'


def bare(value: str) -> str | None:
    r"""What stands between foreign quotation marks around a whole value, \"x\" included; None where there are none."""
    if len(value) >= 4 and value.startswith('\\"') and value.endswith('\\"'):
        return value[2:-2]
    return value[1:-1] if len(value) >= 2 and value[-1] in _PAIRS.get(value[0], "") else None


class ForeignQuotes:
    """Watches a column of text for as long as all its values stand in such marks."""

    def __init__(self) -> None:
        self.alive = True
        #: The least value of the first block that had one, and the line where it stands first.
        self.example, self._line = "", 0

    def update(self, values: Iterable[str]) -> None:
        if self.alive:
            values = [value for value in values if value]
            self.alive = all(bare(value) is not None for value in values)
            self.example = self.example or min(values, default="")

    @property
    def sought(self) -> bool:
        """Whether it is still to be told where the example stands."""
        return self.alive and bool(self.example) and not self._line

    def place(self, cells: Sequence[str], starts: Sequence[int]) -> None:
        """Where the example stands, if among these cells of a block."""
        if self.sought and self.example in cells:
            self._line = starts[cells.index(self.example)]

    def told(self) -> str:
        """What the values are, and what to do; nothing where they are plain."""
        if not self.alive or not self.example:
            return ""
        where = f" (line {self._line:,})" if self._line else ""
        return (
            f"holds its values in quotation marks that CSV does not know, such as {self.example[:60]!r}{where}: the marks are "
            f"part of each value. {KNOWN}: write {_well(self.example)}."
        )


def _well(value: str) -> str:
    text = bare(value) or ""
    doubled = text.replace('"', '""')
    return (
        f'"{doubled[:60]}"' + ("" if set(text) & set('",;\t|\n') else f" or {text[:60]}")
        if text
        else "an empty cell"
    )


def cut_value(row: Sequence[str], delimiter: str) -> str:
    """A hint where a value in foreign marks, or a text formula, seems to have been cut at a delimiter inside; else nothing."""
    for at, cell in enumerate(row):
        if cell.startswith(SIGN) and in_formula(cell) is None:
            pieces = (delimiter.join(row[at : end + 1]) for end in range(at + 1, min(len(row), at + _CUTS)))
            if whole := next((one for one in pieces if in_formula(one) is not None), ""):
                text = in_formula(whole) or ""
                return f' {whole[:60]!r} was cut at its delimiter: write "{text[:60]}", without the formula.'
        if cell[:1] not in _PAIRS or cell[:1] == "\\" or bare(cell) is not None:
            continue
        for end in range(at + 1, min(len(row), at + _CUTS)):
            whole = f"{cell}{delimiter}{delimiter.join(row[at + 1 : end + 1])}"
            if row[end][:1] in _PAIRS:
                break
            if bare(whole) is not None:
                return f" {whole[:60]!r} was cut at its delimiter: {KNOWN}, so write {_well(whole)}."
    return ""


def in_header(names: Collection[str], name: str) -> str:
    """A hint where the header has a name in foreign marks alone; nothing where it doesn't."""
    found = next((one for one in names if bare(one) == name), None)
    return (
        f" The header says {found}, marks and all: {KNOWN}, so write {_well(found)} there." if found else ""
    )
