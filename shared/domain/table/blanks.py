"""Lines whose values stand apart by blanks alone: no CSV, and soon made one."""

from __future__ import annotations

import re

#: Lines looked at, and the fewest that tell something.
_LOOK, _FEWEST = 50, 3
_GAP = re.compile(r"[ \t]{2,}")
_WORD = re.compile(r'"[^"\n]*"|[^\s"]+')
_TO_CSV = ".to_csv('NAME.csv', index=False)"


def blanks_between(window: str, *, complete: bool) -> str:
    """A hint at what the file seems to be and how to make a CSV of it; nothing where blanks don't part its values."""
    lines = [line.rstrip() for line in window.split("\n")[: None if complete else -1] if line.strip()][:_LOOK]
    if len(lines) < _FEWEST:
        return ""
    words = [len(_WORD.findall(line)) for line in lines]
    same = len(set(words[1:])) == 1
    if same and words[1] == words[0] + 1 and words[0] > 1:
        return (
            " It looks like what R's write.table writes, with blanks between the values and no name above the rows': in R, "
            "write.csv(x, 'NAME.csv', row.names = FALSE) writes a CSV."
        )
    if _aligned(lines):
        return (
            " Its lines look like columns of fixed width: in Python, pandas.read_fwf('FILE')"
            f"{_TO_CSV} makes a CSV of them; in a spreadsheet, open it with fixed widths and save it as CSV."
        )
    if same and words[0] == words[1] > 1:
        return (
            " Its values seem to stand apart by blanks, which may be part of a value in CSV: in Python, "
            f"pandas.read_csv('FILE', sep=r'\\s+'){_TO_CSV} makes a CSV of it."
        )
    return ""


def _aligned(lines: list[str]) -> bool:
    """Whether gaps of several blanks cut all lines alike, or the same places are blank in all of them."""
    pieces = {len(_GAP.split(line.strip())) for line in lines}
    if len(pieces) == 1 and pieces.pop() > 1:
        return True
    if not any(_GAP.search(line.strip()) for line in lines):
        return False
    width = max(map(len, lines))
    filled = [any(line[at : at + 1].strip() for line in lines) for at in range(min(width, 1000))]
    begun = "".join("x" if one else " " for one in filled).split()
    return len(begun) > 1 and max(map(len, begun)) < width // 2 + 1
