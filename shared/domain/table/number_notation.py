"""Numbers as people write them: decimal commas, signs between thousands, percent and currency signs.

One reading for files to learn from and for rows to score. A notation is known by the way it writes 1234.56.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

PERCENT, CURRENCY, COMMA, POINT = "percent", "currency", "decimal-comma", "decimal-point"
#: What a configuration may say of numbers.
SAYINGS = (PERCENT, CURRENCY, COMMA, POINT)
MONEY = r"(?:[$€£¥]|USD|EUR|GBP|CHF|JPY)"
#: What the signs of currencies stand for, as far as a file tells.
CURRENCIES = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "CHF": "CHF"}
_SIGNS = {"": "", PERCENT: " %", CURRENCY: " ¤"}
#: With the sign between thousands; what repeats is settled by the first of those that read all values alike.
_FORMS = (("", "."), ("", ","), (",", "."), (".", ","), (" ", ","), (" ", "."), ("'", "."), ("'", ","))
_GROUPS = str.maketrans("", "", " '’")
_WRAPPING = str.maketrans("", "", "%()$€£¥ABCDEFGHIJKLMNOPQRSTUVWXYZ")
#: One sign between three digits: a decimal to some, a thousand to others.
_DOUBTFUL = re.compile(r"[-+]?[1-9][0-9]{0,2}[.,][0-9]{3}")


def currency_of(amount: str) -> str:
    """The currency of an amount with the sign of one."""
    found = re.search(MONEY, amount)
    sign = found[0] if found else ""
    return CURRENCIES.get(sign, sign)


@dataclass(frozen=True)
class Notation:
    """`thousands` is the sign between groups of three digits, or none; `sign` is PERCENT, CURRENCY or nothing."""

    thousands: str
    decimal: str
    sign: str = ""

    @property
    def name(self) -> str:
        return f"1{self.thousands}234{self.decimal}56{_SIGNS[self.sign]}"

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        gap = "['’]" if self.thousands == "'" else re.escape(self.thousands)
        whole = rf"0|[1-9][0-9]{{0,2}}(?:{gap}[0-9]{{3}})*" if self.thousands else "0|[1-9][0-9]*"
        point = re.escape(self.decimal)
        number = rf"(?:(?:{whole})(?:{point}[0-9]+)?|{point}[0-9]+)"
        if self.sign == PERCENT:
            return re.compile(rf"[-+]?{number} ?%")
        if self.sign == CURRENCY:
            sides = rf"{MONEY} ?{number}|{number} ?{MONEY}"
            return re.compile(rf"[-+]?(?:{sides})|{MONEY} ?[-+]{number}|\((?:{sides})\)")
        return re.compile(rf"[-+]?{number}")

    def fits(self, values: Collection[str]) -> bool:
        """Whether all values are numbers in this notation."""
        return all(map(self._pattern.fullmatch, values))

    def plain(self, value: str) -> str:
        """A number in this notation as programs write it: 45% is 45, ($5) is -5; the empty cell stays one."""
        text = value.translate(_GROUPS)
        if self.sign:
            text = text.translate(_WRAPPING)
            if value.startswith("("):
                text = f"-{text}"
        if self.decimal == ",":
            return text.replace(".", "").replace(",", ".")
        return text.replace(",", "")

    def read(self, cell: str) -> str:
        """A cell to score, as programs write it. Raises ValueError where it may be one number or another."""
        if self._pattern.fullmatch(cell):
            return self.plain(cell)
        if _DOUBTFUL.fullmatch(cell):
            raise ValueError(cell)
        return cell


#: By name. Plain numbers are none.
NOTATIONS = {
    notation.name: notation
    for notation in (Notation(*form, sign) for sign in _SIGNS for form in _FORMS if sign or form != ("", "."))
}
