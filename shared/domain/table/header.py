"""The header of a table: what its names may be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from shared.domain.errors import InvalidTable
from shared.domain.table.blocks import csv_lines

MAX_COLUMNS = 5_000
MAX_NAME = 256


_NUMBER = re.compile(r"[-+]?[0-9]+(?:[.,][0-9]+)?(?:[eE][-+]?[0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}")


def like_data(names: Sequence[str]) -> str:
    """What a header looks like whose names are numbers or dates; nothing where none is."""
    found = [name for name in names if _NUMBER.fullmatch(name)]
    if not found:
        return ""
    shown = ", ".join(map(repr, found[:3]))
    return f" The first line looks like data (it holds {shown}): put a line with the columns' names above it."


def check_header(names: list[str], line: int, delimiter: str = ",") -> None:
    """Raise InvalidTable for unnamed, repeated, over-long or too many columns; `delimiter` stands between them in the file."""
    if len(names) > MAX_COLUMNS:
        raise InvalidTable(
            f"The header names {len(names):,} columns; at most {MAX_COLUMNS:,} are taken.",
            remedy="Drop a table with fewer columns.",
            code="too-many-columns",
            line=line,
        )
    unnamed = [i for i, name in enumerate(names, 1) if not name]
    if unnamed:
        places = ", ".join(map(str, unnamed[:20]))
        hint, well = _unnamed_cause(names, unnamed)
        raise InvalidTable(
            f"{len(unnamed)} of {len(names)} columns {'has' if len(unnamed) == 1 else 'have'} no name: "
            f"column{'' if len(unnamed) == 1 else 's'} {places}.",
            remedy="Name every column in the header, or remove it." + hint + like_data(names),
            code="unnamed-columns",
            line=line,
            column=unnamed[0],
        ).showing(*csv_lines([names, well], delimiter))
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InvalidTable(
            f"Column names occur more than once: {', '.join(_placed(name, names) for name in repeated[:20])}.",
            remedy="Give every column a name of its own." + like_data(names),
            code="duplicate-columns",
            line=line,
            column=repeated[0],
        ).showing(*csv_lines([names, _apart(names)], delimiter))
    for i, name in enumerate(names, 1):
        if len(name) > MAX_NAME:
            raise InvalidTable(
                f"The name of column {i} has {len(name):,} characters ({name[:40]!r}...); at most {MAX_NAME} are taken.",
                remedy="The first line must be a header of column names; shorten the name.",
                code="column-name-too-long",
                line=line,
                column=i,
            )


def _unnamed_cause(names: Sequence[str], unnamed: Sequence[int]) -> tuple[str, list[str]]:
    """Why columns have no name, where that shows, and the header as it is to be then."""
    first, last = unnamed[0] == 1, unnamed == list(range(len(names) - len(unnamed) + 1, len(names) + 1))
    named, numbered = list(filter(None, names)), [name or f"column_{i}" for i, name in enumerate(names, 1)]
    if unnamed == [1, len(names)]:
        return (
            " A delimiter at both ends of each line makes a column without a name there: leave them out.",
            named,
        )
    if first and not names[0]:
        return (
            " A first column without a name is often an index: with pandas, write to_csv(..., index=False); in R, "
            "write.csv(x, 'NAME.csv', row.names = FALSE). Or give it a name of its own, and say `id:` or `drop:` with it."
        ), numbered
    if last and len(unnamed) == 1:
        return " A last column without a name often comes from a delimiter at the end of each line.", named
    if last and len(unnamed) * 2 <= len(names):
        how = "are often empty ones that a spreadsheet wrote: delete them there"
        return f" Columns without a name at the end {how}.", named
    if unnamed == list(range(2, len(names), 2)):
        how = "the delimiter seems to stand twice between values; write it once"
        return f" Every second one has none: {how}.", named
    return "", numbered


def alike(names: Sequence[str], line: int) -> list[str]:
    """A warning for each group of names that differ in case alone: they are columns of their own."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.casefold(), []).append(name)
    return [
        f"The columns {', '.join(map(repr, same[:10]))} (line {line}) differ in case alone, and are trained on as columns "
        "of their own. If they are one, keep one of them."
        for same in groups.values()
        if len(same) > 1
    ]


def _apart(names: Sequence[str]) -> list[str]:
    """The names, each that was there already with its number."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(f"{name}_{seen[name]}" if seen[name] > 1 else name)
    return found


def _placed(name: str, names: Sequence[str]) -> str:
    places = [str(i) for i, other in enumerate(names, 1) if other == name]
    return f"{name!r} (columns {', '.join(places[:10])}{', ...' if len(places) > 10 else ''})"
