"""Names that somebody gives to a file."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.attack.drawn import drawn
from tests.attack.files import Drop, Verdict
from tests.support.live_stack import small_table

#: With fewer than 50 rows a file is refused whatever it is called, and nothing is trained.
FEW = small_table(rows=30)
READABLE = [
    "with space", "umlaut-Ä", "emoji-\U0001f4a3", "plus+and%percent", "per%2Fcent", "hash#mark", "ask?mark", "quote\"'`",
    "<script>alert(1)</script>", "{name}", "$(id)", "; drop table", "back\\slash", "trailing.", "two..dots",
    "a/b/c", "deep/" * 40 + "x", "long-" + "x" * 900, "CON", "UPPER", "=1+1", "\u202eright-to-left", "zero\u200bwidth",
    "e\u0301-combined", "-dash", "_", "0", "null", "true", "..", "a//b", "tab\tinside", "line\nbreak", "del\x7f",
]  # fmt: skip
#: Storage can't tell of them by listing, or read them by the name listed: they may be passed over, and may stop nobody else.
UNLISTABLE = [
    "..\\..\\up",
    "nul\x00",
    "escape\x1b[31m",
    "noncharacter\ufffe",
    "unit\x1fseparator",
    "bell\x07",
]


def listed_names() -> list[Drop]:
    return [Drop(f"{name}.csv", FEW) for name in READABLE]


def unlistable_names() -> list[Drop]:
    return [Drop(f"{name}.csv", FEW, Verdict.PASSED_OVER) for name in UNLISTABLE]


def generated_names(count: int, number: int) -> list[Drop]:
    odd = st.characters(exclude_categories=("Cs", "Cc", "Cn"))
    names = st.text(odd, min_size=1, max_size=60).filter(_by_itself)
    return [
        Drop(f"{name}-{number}.csv", FEW, Verdict.PASSED_OVER if hidden(name) else Verdict.QUARANTINED)
        for name in sorted(set(drawn(names, count, number)))
    ]


def hidden(name: str) -> bool:
    """What systems and programs hide, or lay beside an open file."""
    return name.replace("\\", "/").rpartition("/")[2].startswith((".", "~$"))


def _by_itself(text: str) -> bool:
    """A name without parts that a URL does away with."""
    return all(part.strip(". ") for part in text.replace("\\", "/").split("/"))
