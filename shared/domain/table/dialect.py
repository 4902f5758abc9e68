"""Which delimiter a file uses: comma, semicolon, tab or pipe, judged on its first lines; where none cuts, colon or caret."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass

from shared.domain.errors import InvalidTable
from shared.domain.table.blanks import blanks_between
from shared.domain.table.escapes import closed, whole_rows

DELIMITERS = (",", ";", "\t", "|")
#: Taken where none of those stands in the header and every line has as many values: times and names hold them, too.
RARE = (":", "^")
NAMES = "comma, semicolon, tab, pipe, colon and caret"
#: Characters looked at.
WINDOW = 1 << 16
#: Rows that colon and caret are judged on: the same for whoever reads, however much of the file is at hand.
SAMPLE = 20
#: Rows looked at.
WINDOW_ROWS = 500


@dataclass(frozen=True)
class Dialect:
    """How the original file was written. The staged copy is always UTF-8, comma, newline, RFC 4180."""

    delimiter: str
    bom: bool = False


#: Signs that programs write between values, though they are no delimiters here.
_ODD = re.compile(r"[\x01-\x08\x1c-\x1f~#!§¦¬þ¶/\\]|\u2016")
#: A comma that stands neither between digits nor before a blank.
_BARE_COMMA = re.compile(r"(?<![0-9]),(?! )|,(?![0-9 ])")
_SEP = re.compile(r'"?sep=(.)"?[,;\t| ]*\n', re.IGNORECASE)
_BLANK_ROWS = re.compile(r"(?:[,;|:^\t ]*+\n)++")
_MARKED = re.compile(r"^[\t ]*+[,;|:^]", re.MULTILINE)


def blank_rows_end(text: str) -> int:
    """Where the text's first lines of blanks and delimiters alone end; millions of them may stand there."""
    match = _BLANK_ROWS.match(text)
    return match.end() if match else 0


def past_blank_rows(text: str) -> tuple[str, int, int]:
    """The text behind its first lines of blanks and delimiters alone, how many lines those are, and how many hold a delimiter."""
    end = blank_rows_end(text)
    return text[end:], text.count("\n", 0, end), sum(1 for _ in _MARKED.finditer(text, 0, end))


def said(first: str, line: int) -> tuple[str, str] | None:
    """The delimiter that a line `sep=;` names, as spreadsheets write it before the header, and the text behind it.

    Raises InvalidTable where it names none that is taken.
    """
    match = _SEP.match(first)
    if match is None:
        return None
    if match[1] not in DELIMITERS + RARE:
        raise InvalidTable(
            f"Line {line} names {match[1]!r} as the delimiter; {NAMES} are taken.",
            remedy="Write the file with one of them.",
            code="no-table",
            line=line,
        )
    return match[1], first[match.end() :]


def only_before_a_header(text: str) -> bool:
    """Whether these whole lines are no more than may stand above a header: blank ones and a line `sep=;`."""
    rest = text[blank_rows_end(text) :]
    match = _SEP.match(rest)
    behind = rest[match.end() :] if match else rest
    return blank_rows_end(behind) == len(behind)


def _rows(window: str, delimiter: str, complete: bool) -> list[list[str]]:
    rows: list[list[str]] = []
    reader = csv.reader(
        io.StringIO(window, newline="\n"), delimiter=delimiter, skipinitialspace=True, strict=False
    )
    try:
        for row in reader:
            if row:
                rows.append(row)
            if len(rows) > WINDOW_ROWS:
                return rows
    except csv.Error:  # a value past the field limit: the rows before it are evidence enough
        return rows
    # The window may end inside a row.
    return rows if complete or len(rows) < 2 else rows[:-1]


def best(first: str, *, complete: bool = True) -> str:
    """The delimiter that cuts the most rows into as many values as the header has; among equals, into the most.

    Nothing where none gives two columns. `first` is the beginning of the file, whole lines; `complete`: it is all of it.
    """
    window, complete = first[:WINDOW], complete and len(first) <= WINDOW
    most: tuple[float, int, bool] | None = None
    found = ""
    for delimiter in DELIMITERS:
        header, *rows = _rows(window, delimiter, complete) or [[]]
        if len(header) < 2:
            continue
        share = sum(len(row) == len(header) for row in rows) / len(rows) if rows else 1.0
        cuts = delimiter != "," or not rows or _commas_cut(window)
        if most is None or (share, len(header), cuts) > most:
            most, found = (share, len(header), cuts), delimiter
    return found or rare(window, complete=complete)


def _commas_cut(window: str) -> bool:
    """Whether a comma below the header is none of a number's and none of a sentence's."""
    return _BARE_COMMA.search(window, window.find("\n", len(window) - len(window.lstrip("\n")))) is not None


def refuse_uncut(delimiter: str, first: str, line: int, said_at: int = 0) -> None:
    """Raises InvalidTable where the delimiter gives no two columns; `said_at` is the line `sep=` that names it, if one does.

    `first` is the beginning of the file, whole lines, the first of them `line`.
    """
    window, complete = first[:WINDOW], len(first) <= WINDOW
    if not delimiter:
        text = window.lstrip("\n").partition("\n")[0]
        raise InvalidTable(
            f"No delimiter among {NAMES} cuts the first line into columns: {text[:120]!r}.",
            remedy="The first line must name at least two columns, separated by one of them."
            + _cause(window, text, complete=complete),
            code="no-table",
            line=line + len(window) - len(window.lstrip("\n")),
        ).showing(text[:60], _well(text)[:60])
    if said_at and (other := misnamed(delimiter, first)):
        raise InvalidTable(
            f"Line {said_at} says sep={delimiter}, but that cuts the header into no columns; {other!r} does.",
            remedy=f"Write sep={other} there, or take line {said_at} out.",
            code="no-table",
            line=said_at,
        ).showing(f"sep={delimiter}", f"sep={other}")


def misnamed(delimiter: str, first: str) -> str:
    """What cuts the header into columns where this delimiter, which a line `sep=` names, doesn't; else nothing."""
    header = next(iter(_rows(first[:WINDOW], delimiter, complete=False)), [])
    return best(first) if len(header) < 2 else ""


def rare(window: str, *, complete: bool) -> str:
    """Colon or caret, if it cuts all rows into as many values as the header has, and the header into two at least."""
    found = {}
    for delimiter in RARE:
        rows = [row for row in _rows(window, delimiter, complete) if any(map(str.strip, row))][: SAMPLE + 1]
        # The last may be cut, though all lines are at hand.
        widths = {len(row) for row in (rows[:-1] if 2 < len(rows) <= SAMPLE else rows[:SAMPLE])}
        if len(rows) > 1 and len(widths) == 1 and (width := widths.pop()) > 1:
            found[delimiter] = width
    return max(found, key=found.__getitem__, default="")


def _well(header: str) -> str:
    """A header as it is to be, as near to this one as can be told."""
    words = header[:60].split()
    return _closed(header) or (",".join(words) if 1 < len(words) < 8 else "age,city,y")


def _closed(header: str) -> str:
    """The header with the quotation mark closed that keeps it in one piece; nothing where none does."""
    return next((well for mark in DELIMITERS if mark in header and (well := closed(header, mark))), "")


def _left_open(header: str) -> str:
    well = _closed(header)
    return (
        f" A quotation mark in it is never closed: close it ({well[:60]}), or leave it out." if well else ""
    )


def _cause(window: str, header: str, *, complete: bool) -> str:
    """Why nothing cuts the header, where the lines tell it."""
    second = window.lstrip("\n").partition("\n")[2].lstrip("\n").partition("\n")[0]
    return (
        whole_rows(header, second)
        or _left_open(header)
        or _uneven(header)
        or _unusual(window, complete=complete)
        or blanks_between(window, complete=complete)
    )


def _unusual(window: str, *, complete: bool) -> str:
    """A sign that cuts all lines alike, though it is no delimiter that is taken."""
    lines = [line for line in window.split("\n")[: None if complete else -1] if line.strip()][: SAMPLE + 1]
    for sign in dict.fromkeys(_ODD.findall(lines[0] if lines else "")):
        if len(lines) > 2 and len({line.count(sign) for line in lines}) == 1:
            return (
                f" {sign!r} seems to stand between the values"
                + (" (Hive writes so)" if sign == "\x01" else "")
                + ": write a comma "
                "in its place, and values that hold a comma in quotation marks."
            )
    return ""


def _uneven(header: str) -> str:
    there = [mark for mark in RARE if mark in header]
    return (
        f" {there[0]!r} is taken for one only where it cuts every line into as many values." if there else ""
    )
