"""NCRONTAB expressions, as the NCrontab library reads them for timer triggers.

Six fields `{second} {minute} {hour} {day} {month} {day of week}`, or five (second 0). A field is a comma list of
`*`, `a`, `a-b`, each with an optional `/step`; `a/step` runs from a to the field's end, and `b-a` means `a-b`.
Months and days of the week may be named by any prefix of the English name. Day and day of week must both match
(cron on Unix takes either). There is no `?`, `L`, `W` or `#`, and Sunday is 0 only.
"""

from __future__ import annotations

import calendar
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

# 29 February on a given day of the week comes back after at most 40 years (across a century without a leap day).
HORIZON_YEARS = 41
_MONTHS = ("january february march april may june july august september october november december").split()
_DAYS = "sunday monday tuesday wednesday thursday friday saturday".split()
_FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("second", 0, 59, []),
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 6, _DAYS),
)


class ScheduleError(ValueError):
    """The expression isn't NCRONTAB, or names a date that never comes."""


@dataclass(frozen=True)
class NCronTab:
    """A parsed expression: for each field its allowed values, ascending."""

    expression: str
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]  # 0 is Sunday

    @classmethod
    def parse(cls, expression: str) -> NCronTab:
        """Parse five or six fields. Raises ScheduleError naming the field that is wrong."""
        parts = expression.split()
        if len(parts) == 5:
            parts = ["0", *parts]
        if len(parts) != 6:
            raise ScheduleError(
                f"{expression!r} is no NCRONTAB schedule: it has {len(parts)} fields, not 6"
                " ({second} {minute} {hour} {day} {month} {day of week})."
            )
        values = [_field(part, *spec, expression) for part, spec in zip(parts, _FIELDS, strict=True)]
        schedule = cls(expression, *values)
        schedule.next_local(datetime(2000, 1, 1))  # raises if no such date exists
        return schedule

    def next_local(self, after: datetime) -> datetime:
        """The first occurrence later than `after`, both naive local times."""
        start = after.replace(microsecond=0) + timedelta(seconds=1)
        day = start.date()
        if self._matches(day):
            time = self._first_time(start.hour, start.minute, start.second)
            if time is not None:
                return datetime(day.year, day.month, day.day, *time)
        day = self._next_day(day)
        return datetime(day.year, day.month, day.day, self.hours[0], self.minutes[0], self.seconds[0])

    def next(self, after: datetime, zone: tzinfo = UTC) -> datetime:
        """The first occurrence later than the aware `after`, read on the clocks of `zone`."""
        local = after.astimezone(zone).replace(tzinfo=None)
        while True:
            local = self.next_local(local)
            # When clocks go back, a local time is met twice; take the first that is still ahead.
            for fold in (0, 1):
                candidate = local.replace(tzinfo=zone, fold=fold)
                if candidate.astimezone(UTC) > after.astimezone(UTC):
                    return candidate

    def _matches(self, day: date) -> bool:
        return day.month in self.months and day.day in self.days and (day.weekday() + 1) % 7 in self.weekdays

    def _next_day(self, after: date) -> date:
        year, month, first = after.year, after.month, after.day + 1
        while year <= after.year + HORIZON_YEARS:
            if month in self.months:
                length = calendar.monthrange(year, month)[1]
                for number in self.days[bisect_left(self.days, first) :]:
                    if number <= length and self._matches(date(year, month, number)):
                        return date(year, month, number)
            year, month, first = (year + 1, 1, 1) if month == 12 else (year, month + 1, 1)
        raise ScheduleError(f"{self.expression!r} names a day that never comes.")

    def _first_time(self, hour: int, minute: int, second: int) -> tuple[int, int, int] | None:
        """The first allowed time of day at or after the one given."""
        later_second = _at_or_after(self.seconds, second)
        if hour in self.hours and minute in self.minutes and later_second is not None:
            return hour, minute, later_second
        later_minute = _at_or_after(self.minutes, minute + 1)
        if hour in self.hours and later_minute is not None:
            return hour, later_minute, self.seconds[0]
        later_hour = _at_or_after(self.hours, hour + 1)
        return None if later_hour is None else (later_hour, self.minutes[0], self.seconds[0])


def _at_or_after(values: tuple[int, ...], value: int) -> int | None:
    index = bisect_left(values, value)
    return values[index] if index < len(values) else None


def _field(text: str, name: str, low: int, high: int, names: list[str], expression: str) -> tuple[int, ...]:
    allowed: set[int] = set()
    try:
        for item in text.split(","):
            allowed.update(_item(item, low, high, names))
    except ValueError as error:
        raise ScheduleError(f"{expression!r} is no NCRONTAB schedule: {name} {text!r}: {error}") from None
    return tuple(sorted(allowed))


def _item(text: str, low: int, high: int, names: list[str]) -> range:
    body, slash, step_text = text.partition("/")
    step = max(1, _number(step_text)) if slash else 1
    if body == "*":
        return range(low, high + 1, step)
    first_text, dash, last_text = body.partition("-")
    first = _value(first_text, low, high, names)
    last = high if slash and not dash else first
    if dash:
        last = _value(last_text, low, high, names)
    first, last = min(first, last), max(first, last)
    return range(first, last + 1, step)


def _value(text: str, low: int, high: int, names: list[str]) -> int:
    if text.isalpha() and text.isascii():
        for index, name in enumerate(names):
            if name.startswith(text.lower()):
                return low + index
        raise ValueError(f"{text!r} is not a name; use {', '.join(names) if names else f'{low} to {high}'}")
    value = _number(text)
    if not low <= value <= high:
        raise ValueError(f"{value} is not within {low} to {high}")
    return value


def _number(text: str) -> int:
    if not (text.isdigit() and text.isascii()):
        raise ValueError(f"{text!r} is not a number")
    return int(text)
