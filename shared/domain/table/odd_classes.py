"""Classes that may be none of their own: those that look alike, and one that only the first row has."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

from shared.domain.labels import canonical_label
from shared.domain.table.foreign_quotes import bare

#: Letters of other scripts that nobody tells from Latin ones, as keyboards of two scripts mix them; dashes and apostrophes
#: that word processors put in place of those of the keyboard.
_LOOKALIKES = str.maketrans(
    "АВЕКМНОРСТУХЅІЈаеорсухѕіјΑΒΕΖΗΙΚΜΝΟΡΤΥΧο" + "‐‑‒–—−﹣－" + "’‘ʼ´`＇",
    "ABEKMHOPCTYXSIJaeopcyxsijABEZHIKMNOPTYXo" + "-" * 8 + "'" * 6,
)
#: Signs that nobody sees, and those that choose between a sign's black and its coloured form.
_UNSEEN = dict.fromkeys([*range(9), *range(14, 28), 127, 0xFE0E, 0xFE0F])
#: What stands between two words: `in-person` beside `in_person` and `in person`.
_BETWEEN = re.compile(r"(?<=[^\W\d_])[-_ ]+(?=[^\W\d_])")


def alike(label: str, names: Iterable[str]) -> list[str]:
    """A warning of classes that differ in case, in how a number is written, in signs at their ends or between their words, or in
    letters that look the same, alone.
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(_look(name), []).append(name)
    same = [" and ".join(map(_shown, group[:5])) for group in groups.values() if len(group) > 1]
    more = f" and {len(same) - 5} more such groups" if len(same) > 5 else ""
    told = (
        f"The label {label!r} has values that differ in case or notation alone, each a class of its own: "
        f"{'; '.join(same[:5])}{more}. If they mean the same, write them alike."
    )
    return [told] if same else []


def _look(name: str) -> str:
    inside = name[1:-1] if len(name) > 2 and name[0] == name[-1] == '"' else bare(name)
    word = " ".join((inside or name).translate(_UNSEEN).split())
    word = word.rstrip(".,;:") or word  # "yes." beside "yes"
    plain = unicodedata.normalize("NFKC", word.translate(_LOOKALIKES)).translate(_LOOKALIKES)
    return canonical_label(_BETWEEN.sub(" ", plain)).casefold()


def _shown(name: str) -> str:
    """A class, with the names of signs that only look like Latin letters: on the page both are the same."""
    strange = next(
        (
            sign
            for sign in name
            if sign != sign.translate(_LOOKALIKES) or sign in "\ufe0e\ufe0f" or _wide(sign)
        ),
        "",
    )
    return repr(name) + (f" (with {unicodedata.name(strange, 'another sign')})" if strange else "")


def _wide(sign: str) -> bool:
    return not sign.isascii() and unicodedata.normalize("NFKC", sign).isascii()


def second_header(label: str, first: tuple[str, int] | None, counts: Mapping[str, int]) -> list[str]:
    """A warning of a class that stands in the first row alone; `first` is that row's class, and its line."""
    name, line = first or ("", 0)
    if counts.get(name) != 1 or len(counts) < 3:
        return []
    told = (
        f"The label {label!r} is {name[:60]!r} on line {line:,} alone, the first row. If that row is a second header or a note, "
        "remove it; else it is a class of its own."
    )
    return [told]
