"""The header of a table: what its names may be."""

from __future__ import annotations

from collections import Counter

from shared.domain.errors import InvalidTable

MAX_COLUMNS = 5_000
MAX_NAME = 256


def check_header(names: list[str], line: int) -> None:
    """Raise InvalidTable for unnamed, repeated, over-long or too many columns."""
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
        hint = (
            " A first column without a name is often an index: with pandas, write to_csv(..., index=False)."
            if unnamed[0] == 1
            else " A last column without a name often comes from a delimiter at the end of each line."
            if unnamed == [len(names)]
            else ""
        )
        raise InvalidTable(
            f"{len(unnamed)} of {len(names)} columns have no name: column {places}.",
            remedy="Name every column in the header, or remove it." + hint,
            code="unnamed-columns",
            line=line,
            column=unnamed[0],
        )
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InvalidTable(
            f"Column names occur more than once: {', '.join(map(repr, repeated[:20]))}.",
            remedy="Give every column a name of its own.",
            code="duplicate-columns",
            line=line,
            column=repeated[0],
        )
    for i, name in enumerate(names, 1):
        if len(name) > MAX_NAME:
            raise InvalidTable(
                f"The name of column {i} has {len(name):,} characters ({name[:40]!r}...); at most {MAX_NAME} are taken.",
                remedy="The first line must be a header of column names; shorten the name.",
                code="column-name-too-long",
                line=line,
                column=i,
            )
