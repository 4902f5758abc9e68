"""NCRONTAB: what the real host's schedule library accepts, and when it fires (checked by brute force)."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropml.common.ncrontab import NCronTab, ScheduleError

START = datetime(2024, 2, 28, 23, 58, 30)


def brute_force(schedule: NCronTab, after: datetime, limit: timedelta) -> datetime | None:
    """Try every second: slow and obviously right."""
    moment = after.replace(microsecond=0)
    while moment < after + limit:
        moment += timedelta(seconds=1)
        if (
            moment.second in schedule.seconds
            and moment.minute in schedule.minutes
            and moment.hour in schedule.hours
            and moment.day in schedule.days
            and moment.month in schedule.months
            and moment.isoweekday() % 7 in schedule.weekdays
        ):
            return moment
    return None


def item(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high).map(str)
    body = st.one_of(st.just("*"), number, st.tuples(number, number).map("-".join))
    step = st.one_of(st.just(""), st.integers(1, 20).map("/{}".format))
    return st.tuples(body, step).map("".join)


def expression(low: int, high: int) -> st.SearchStrategy[str]:
    return st.lists(item(low, high), min_size=1, max_size=3).map(",".join)


TIMES = st.tuples(expression(0, 59), expression(0, 59), expression(0, 23))
MOMENTS = st.datetimes(datetime(2023, 1, 1), datetime(2030, 1, 1))


@settings(max_examples=60, deadline=None)
@given(times=TIMES, after=MOMENTS)
def test_next_time_of_day_is_the_brute_force_one(times: tuple[str, str, str], after: datetime) -> None:
    schedule = NCronTab.parse(" ".join((*times, "*", "*", "*")))
    assert schedule.next_local(after) == brute_force(schedule, after, timedelta(hours=25))


@settings(max_examples=150, deadline=None)
@given(
    days=expression(1, 31),
    months=expression(1, 12),
    weekdays=expression(0, 6),
    after=MOMENTS,
)
def test_next_day_is_the_brute_force_one(days: str, months: str, weekdays: str, after: datetime) -> None:
    text = f"0 0 0 {days} {months} {weekdays}"
    longest = max(monthrange(2024, month)[1] for month in NCronTab.parse(f"0 0 0 * {months} *").months)
    if NCronTab.parse(f"0 0 0 {days} * *").days[0] > longest:  # 30 February
        with pytest.raises(ScheduleError, match="never comes"):
            NCronTab.parse(text)
        return
    schedule = NCronTab.parse(text)
    found = schedule.next_local(after)
    day = after.date()
    while True:
        day += timedelta(days=1)
        if (
            day.day in schedule.days
            and day.month in schedule.months
            and day.isoweekday() % 7 in schedule.weekdays
        ):
            break
    assert found == datetime(day.year, day.month, day.day)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 */5 * * * *", "2024-02-29 00:00:00"),
        ("*/5 * * * *", "2024-02-29 00:00:00"),  # five fields: second 0
        ("* * * * * *", "2024-02-28 23:58:31"),
        ("0 30 9 * * Mon-Fri", "2024-02-29 09:30:00"),
        ("0 30 9 * Jan SUNDAY", "2025-01-05 09:30:00"),
        ("0 0 0 29 2 *", "2024-02-29 00:00:00"),
        ("0 0 0 13 * 5", "2024-09-13 00:00:00"),  # day AND day of week: Friday the 13th
        ("0 0 0 29 2 1", "2044-02-29 00:00:00"),
        ("59-50/3 58 23 * * *", "2024-02-28 23:58:50"),  # a range given backwards is turned round
        ("31/20 58 * * * *", "2024-02-28 23:58:31"),
        ("0 0 0 1 1 *", "2025-01-01 00:00:00"),
    ],
)
def test_examples(text: str, expected: str) -> None:
    assert str(NCronTab.parse(text).next_local(START)) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "0 fields"),
        ("* * * *", "4 fields"),
        ("60 * * * * *", "second '60': 60 is not within 0 to 59"),
        ("0 0 0 0 * *", "day '0'"),
        ("0 0 0 ? * *", "day '?'"),
        ("0 0 0 L * *", "day 'L'"),
        ("0 0 0 * * 7", "day of week '7'"),
        ("0 0 0 * * 1#2", "day of week"),
        ("0 0 0 * Foo *", "'Foo' is not a name"),
        ("0 0/x * * * *", "'x' is not a number"),
        ("0 1,,2 * * * *", "'' is not a number"),
        ("0 0 0 30 2 *", "never comes"),
        ("00:05:00", "1 fields"),
    ],
)
def test_wrong_expressions_name_the_field(text: str, says: str) -> None:
    with pytest.raises(ScheduleError, match=says.replace("?", r"\?")):
        NCronTab.parse(text)


def test_local_times_in_spring_and_autumn() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    daily = NCronTab.parse("0 30 2 * * *")
    # 02:30 doesn't exist on 31 March 2024: it runs at the moment the clocks make it 03:30.
    spring = daily.next(datetime(2024, 3, 30, 12, tzinfo=UTC), berlin)
    assert spring.astimezone(UTC) == datetime(2024, 3, 31, 1, 30, tzinfo=UTC)
    # 02:30 comes twice on 27 October 2024: it runs once.
    first = daily.next(datetime(2024, 10, 26, 12, tzinfo=UTC), berlin)
    assert first.astimezone(UTC) == datetime(2024, 10, 27, 0, 30, tzinfo=UTC)


@given(after=st.datetimes(datetime(2024, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC)))
def test_occurrences_are_always_ahead(after: datetime) -> None:
    schedule = NCronTab.parse("0 */7 * * * *")
    found = schedule.next(after, ZoneInfo("Europe/Berlin"))
    # On the night that clocks go back the repeated hour is not run twice: the widest gap is that hour and a step.
    assert timedelta(0) < found - after <= timedelta(minutes=67)
