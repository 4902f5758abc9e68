"""Numbers and dates in forms that are never read, only told of: what is odd about each, and how to write it."""

from __future__ import annotations

import re

from shared.domain.table.number_notation import MONEY

_NUMBER = r"[0-9]+(?:[.,][0-9]+|[ '’][0-9]{3}(?![0-9]))*"
_UNIT = (
    r"(?:‰|°[CF]?|(?:k|m|[µμ])g|lbs?|(?:k|c|m|d)m[²³]?|m[²³]|m[lL]|kWh?|(?:m|k)[VAW]|(?:k|M|G)?Hz|(?:k|h)?Pa|m?bar|ppm|min|ms|"
    r"km/h|m/s|mph|(?:k|M|G)B|[kKM]|hrs?|yrs?|years?|days?|hours?| (?:[gmlLVAWhs]|oz|in|ft))"
)
_MONEY = (
    r"(?:(?:R|A|C|US|HK|NZ|S|MX)\$|[₹₽₩₺₫₪฿₴₦]|kr\.?|zł|Kč|Ft|lei|Rs\.?|SEK|NOK|DKK|PLN|CZK|HUF|CAD|AUD|NZD|INR|CNY|BRL|"
    r"MXN|TRY|ZAR|RUB|KRW|SGD|HKD|S?Fr\.?|[Ee]uros?)"
)
_ANY_MONEY = rf"(?:{MONEY}|{_MONEY})"
_MONTH = (
    r"(?i:jan|feb|f[eé]v|m[aä]r|a[pv]r|ma[iy]|jui?[nl]|aug|ao[uû]t|sep|o[ck]t|nov|d[eéi][cz])[a-zéûä]{0,7}\.?"
)
_CLOCK = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?: ?[AaPp]\.?[Mm]\.?)?"
_ZONE = r"(?:Z|(?:GMT|UTC)[-+][0-9]{1,2}(?::?[0-9]{2})?|[A-Z]{3,4}|[A-Z][a-z]+/[A-Za-z_]+|[-+][0-9]{2}(?::?[0-9]{2})?)"
_TIME = rf"(?:(?:, ?|[T :]){_CLOCK}(?: ?{_ZONE})?)"
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
DATES = "dates whose day and month could be taken for each other"
OTHER_DATES = "dates in another form than 2024-01-31"
MINUS, BEHIND = "a minus that is none of the keyboard's", "a minus behind the number"
BRACKETS, SIGN_GAP = "brackets around numbers below zero", "gaps behind the sign"
OTHER_MONEY, UNITS = "signs of currencies that are not read", "units behind numbers"
DASH = "a dash in place of cents"
_ISO = "write 2024-01-31, with a time 2024-01-31T10:05:00"

ODD = (
    (re.compile(rf"[−–—﹣－]{_NUMBER}"), MINUS, "write -5 for −5"),
    (re.compile(rf"{_NUMBER} ?[-−]"), BEHIND, "write -5 for 5-"),
    (re.compile(rf"\({_NUMBER}\)"), BRACKETS, "write -5 for (5)"),
    (
        re.compile(r"[-+]?[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}(?:\.[0-9]+)?"),
        "commas before every second digit",
        "write 110100 for 1,10,100",
    ),
    (
        re.compile(r"[-+]?[0-9]+,[0-9]+[eE][-+]?[0-9]+"),
        "a decimal comma before an exponent",
        "write 1.5e3 for 1,5E+03",
    ),
    (
        re.compile(r"[-+]?(?=.*[^\x00-\x7f])[\d.,٫٬]+"),
        "digits of another script",
        "write 12 for ١٢",
    ),
    (
        re.compile(r"[-+]?[0-9]{1,3}(?:[_‘´`ʼ][0-9]{3})+(?:[.,][0-9]+)?"),
        "signs between thousands that are not known",
        "write 1507 for 1´507",
    ),
    (
        re.compile(rf"[<>≤≥~≈] ?=? ?-?{_NUMBER}"),
        "signs of comparison before numbers",
        "write the number alone, or leave the cell empty",
    ),
    (
        re.compile(rf"[-+]?(?:{_MONEY} ?-?{_NUMBER}|{_NUMBER} ?{_MONEY})"),
        OTHER_MONEY,
        "write 5 for 5 kr",
    ),
    (
        re.compile(rf"[-+]?(?:{_ANY_MONEY} ?)?{_NUMBER}[.,][-–—]{{1,2}}(?: ?{_ANY_MONEY})?"),
        DASH,
        "write 12 for 12.-",
    ),
    (re.compile(rf"[-+] +{_NUMBER}"), SIGN_GAP, "write -5 for - 5"),
    (
        re.compile(r"[-+]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)[dD][-+]?[0-9]+"),
        "exponents with a D",
        "write 1.5e02 for 1.5D+02",
    ),
    (
        re.compile(rf"[-+]?{_NUMBER} ?{_UNIT}"),
        UNITS,
        "write 20.5 for 20.5 °C, and the unit into the column's name",
    ),
    (
        re.compile(rf"[0-9]{{1,2}}([/.-])[0-9]{{1,2}}\1(?:[0-9]{{4}}|[0-9]{{2}}){_TIME}"),
        DATES,
        "write 2024-01-31T10:05:00 for 31/01/2024 10:05",
    ),
    (re.compile(rf"[0-9]{{4}}-(?:[0-9]-[0-9]{{1,2}}|[0-9]{{2}}-[0-9]){_TIME}?"), OTHER_DATES, _ISO),
    (re.compile(rf"[0-9]{{4}}([/.])[0-9]{{1,2}}\1[0-9]{{1,2}}{_TIME}?"), OTHER_DATES, _ISO),
    (
        re.compile(rf"[0-9]{{1,2}}[ ./-]?{_MONTH},?[ ./-]?(?:[0-9]{{4}}|[0-9]{{2}}){_TIME}?"),
        OTHER_DATES,
        _ISO,
    ),
    (re.compile(rf"{_MONTH} [0-9]{{1,2}},? [0-9]{{4}}{_TIME}?"), OTHER_DATES, _ISO),
    (re.compile(r"[0-9]{8}T[0-9]{4,6}Z?"), OTHER_DATES, _ISO),
    (
        re.compile(
            rf"{_DAY}[T ][0-9:]+(?:,[0-9]+{_ZONE}?|(?:\.[0-9]+)?(?: ?[A-Z]{{3,4}}| [A-Z][a-z]+/[A-Za-z_]+| Z"
            r"|[-+][0-9]{2}(?:[0-9]{2})?| [-+][0-9]{2}:?[0-9]{2}))"
        ),
        OTHER_DATES,
        _ISO,
    ),
)
#: Forms that put something around a number.
_AROUND = frozenset({MINUS, BEHIND, BRACKETS, SIGN_GAP, OTHER_MONEY, UNITS, DASH})


def number_in(what: str, value: str) -> str:
    """The number that such a form has something around, with its sign; nothing in other forms."""
    found = re.search(_NUMBER, value) if what in _AROUND else None
    if found is None:
        return ""
    below_zero = what in (MINUS, BEHIND, BRACKETS) or "-" in value[: found.start()]
    return f"-{found[0]}" if below_zero else found[0]
