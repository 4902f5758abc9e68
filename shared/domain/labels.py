"""Labels as text, in one spelling, wherever a file's labels meet a model's answers."""

from __future__ import annotations

import re
from math import isfinite

_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


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


def label_text(value: object) -> str:
    """An answered label as a file shows it: text stays as it is, 1.0 is "1"."""
    return value if isinstance(value, str) else canonical_label(value)
