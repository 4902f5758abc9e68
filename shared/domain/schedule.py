"""When a dataset's own schedule comes round: NCRONTAB in UTC, or a word for a common one.

Six fields, second to day of the week (Sunday is 0), or five without the second; each a list of `*`, `a`, `a-b`, with `/step`:
https://github.com/atifaziz/NCrontab/wiki/Crontab-Expression
"""

from __future__ import annotations

import calendar
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

#: At three in the morning, UTC; weekly on Mondays, monthly on the first.
WORDS = {"hourly": "0 0 * * * *", "daily": "0 0 3 * * *", "weekly": "0 0 3 * * 1", "monthly": "0 0 3 1 * *"}
_MONTHS = tuple(name.lower() for name in calendar.month_name[1:])
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 6, _DAYS),
)
#: The 29th of February on a certain day of the week comes back within so many years, a century's end included.
_YEARS = 41


class ScheduleError(ValueError):
    """No schedule, or one that never comes round."""


@dataclass(frozen=True)
class Schedule:
    """`said` is how it was written; `fields` are what each field allows, ascending."""

    said: str
    fields: tuple[tuple[int, ...], ...]

    @staticmethod
    def parse(text: str) -> Schedule:
        """Raises ScheduleError, which names the field that is wrong."""
        said = " ".join(text.split())
        parts = WORDS.get(said.casefold(), said).split()
        parts = ["0", *parts] if len(parts) == 5 else parts
        if len(parts) != len(_FIELDS):
            raise ScheduleError("it has six fields: second minute hour day month day-of-week")
        found = Schedule(
            said.casefold() if said.casefold() in WORDS else said,
            tuple(_allowed(part, *spec) for part, spec in zip(parts, _FIELDS, strict=True)),
        )
        found.after(0.0)
        return found

    def after(self, at: float) -> float:
        """Unix seconds of the first time later than `at`. Raises ScheduleError where there is none."""
        start = datetime.fromtimestamp(int(at // 1), UTC) + timedelta(seconds=1)
        day = start.date()
        time = self._time(start.hour, start.minute, start.second) if self._has(day) else None
        if time is None:
            day, time = self._day(day), (self.fields[2][0], self.fields[1][0], self.fields[0][0])
        return datetime(day.year, day.month, day.day, *time, tzinfo=UTC).timestamp()

    def _has(self, day: date) -> bool:
        _, _, _, days, months, weekdays = self.fields
        return day.month in months and day.day in days and (day.weekday() + 1) % 7 in weekdays

    def _day(self, after: date) -> date:
        """The first day later than `after`."""
        year, month, first = after.year, after.month, after.day + 1
        for _ in range(12 * _YEARS):
            if month in self.fields[4]:
                last = calendar.monthrange(year, month)[1]
                for number in self.fields[3]:
                    if first <= number <= last and self._has(date(year, month, number)):
                        return date(year, month, number)
            year, month, first = (year + 1, 1, 1) if month == 12 else (year, month + 1, 1)
        raise ScheduleError("it names a day that never comes")

    def _time(self, hour: int, minute: int, second: int) -> tuple[int, int, int] | None:
        """The first time of a day at or after the one given."""
        seconds, minutes, hours = self.fields[:3]
        later = _from(seconds, second)
        if hour in hours and minute in minutes and later is not None:
            return hour, minute, later
        later = _from(minutes, minute + 1)
        if hour in hours and later is not None:
            return hour, later, seconds[0]
        later = _from(hours, hour + 1)
        return None if later is None else (later, minutes[0], seconds[0])


def _from(values: tuple[int, ...], least: int) -> int | None:
    at = bisect_left(values, least)
    return values[at] if at < len(values) else None


def _allowed(text: str, name: str, low: int, high: int, words: tuple[str, ...]) -> tuple[int, ...]:
    found: set[int] = set()
    for item in text.split(","):
        body, slash, step = item.partition("/")
        first, dash, last = ("*", "", "") if body == "*" else body.partition("-")
        try:
            start = low if first == "*" else _value(first, low, high, words)
            end = high if first == "*" or (slash and not dash) else start
            end = _value(last, low, high, words) if dash else end
            found.update(range(min(start, end), max(start, end) + 1, _value(step, 1, 99, ()) if slash else 1))
        except ValueError:
            raise ScheduleError(f"{text[:40]!r} is no {name} from {low} to {high}") from None
    return tuple(sorted(found))


def _value(text: str, low: int, high: int, words: tuple[str, ...]) -> int:
    """A number, or the beginning of a name. Raises ValueError."""
    if words and text.isalpha():
        found = [low + at for at, word in enumerate(words) if word.startswith(text.casefold())]
        return found[0] if found else _value("", low, high, ())
    number = int(text) if text.isascii() and text.isdigit() else low - 1
    if not low <= number <= high:
        raise ValueError(text)
    return number
