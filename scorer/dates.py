"""Reading a date the same way while training and while scoring."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$")
#: Digits of a fraction past microseconds, as SQL Server (7) and pandas (9) write them: strptime takes six.
_BEYOND = re.compile(r"(\.\d{6})\d+")
COMMON_FORMATS = ["%m/%d/%Y", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%d.%m.%Y", "%Y/%m/%d", "%d-%b-%Y"]


def parse_date(text: str, formats: list[str]) -> float:
    """Seconds since 1970 (UTC; a time without a zone is taken as UTC), NaN where `text` is no date.

    `formats` are strptime's; without any, ISO 8601 and a few common ones are tried.
    """
    text = text.strip()
    if not formats and _ISO.match(text):
        try:
            return _seconds(datetime.fromisoformat(text))
        except ValueError:
            return math.nan
    micro = _BEYOND.sub(r"\1", text)
    for form in formats or COMMON_FORMATS:
        try:
            return _seconds(datetime.strptime(micro if "%f" in form else text, form))  # noqa: DTZ007 - the file's own clock
        except ValueError:
            continue
    return math.nan


def _seconds(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
