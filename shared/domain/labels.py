"""Labels as text, in one spelling, wherever a file's labels meet a model's answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from math import isfinite

_WHOLE = re.compile(r"[+-]?[0-9]+")
#: Nothing is tried twice: a label of a hundred thousand digits must not hold the process for minutes.
_NUMBER = re.compile(r"[+-]?([0-9]++(?:\.[0-9]*+)?|\.[0-9]++)([eE][+-]?[0-9]++)?")


def canonical_label(value: object) -> str:
    """One spelling for labels that differ in type only: a file's `True` or `1.0` is an answer's `true` or 1."""
    text = str(value)
    if text.lower() in ("true", "false"):
        return text.lower()
    if _WHOLE.fullmatch(text):
        return text.removeprefix("+") if len(text) > 4000 else str(int(text))  # int() takes 4,300 digits
    if _NUMBER.fullmatch(text) is None:
        return text
    number = float(text)
    if not isfinite(number):
        return text
    return str(int(number)) if number.is_integer() else str(number)


@lru_cache(maxsize=64)
def speller(classes: tuple[str, ...]) -> Callable[[object], str]:
    """Gives an answer the words of its class: those very words, else the one class that differs from it in type only.

    So `1.1` and `1.10` stay two classes, and a model that answers 1 or true has said `1.0` or `True`.
    """
    by_type = Counter(map(canonical_label, classes))
    spelt = {canonical_label(name): name for name in classes if by_type[canonical_label(name)] == 1}
    known = frozenset(classes)

    def spell(value: object) -> str:
        text = label_text(value)
        return text if text in known else spelt.get(canonical_label(text), text)

    return spell


def label_text(value: object) -> str:
    """An answered label as a file shows it: text stays as it is, 1.0 is "1"."""
    if isinstance(value, str):
        return value
    if type(value) is float:  # mostly a regression's, one a row
        return str(int(value)) if value.is_integer() else str(value)
    return canonical_label(value)


def cell_text(value: object) -> str:
    """The same in a table, where nothing is an empty cell."""
    return "" if value is None else label_text(value)
