"""A dataset's own schedule: the words and NCRONTAB, told alike by the app and by what runs its timers on one machine."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropml.common.ncrontab import NCronTab
from shared.domain.schedule import WORDS, Schedule, ScheduleError


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("said", "after", "then"),
    [
        ("daily", "2026-01-05T03:00:00", "2026-01-06T03:00:00"),
        ("Weekly", "2026-01-01T00:00:00", "2026-01-05T03:00:00"),
        ("monthly", "2026-12-01T03:00:00", "2027-01-01T03:00:00"),
        ("hourly", "2026-01-01T00:00:00.5", "2026-01-01T01:00:00"),
        ("0 30 9 * * Mon-Fri", "2026-01-02T09:30:00", "2026-01-05T09:30:00"),
        ("*/15 * * * *", "2026-01-01T00:50:00", "2026-01-01T01:00:00"),
        ("0 0 0 29 feb *", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
    ],
)
def test_comes_round(said: str, after: str, then: str) -> None:
    assert Schedule.parse(said).after(at(after)) == at(then)


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("sometimes", "six fields"),
        ("0 61 * * * *", "'61' is no minute"),
        ("0 0 25 * * *", "hour"),
        ("0 0 0 * * 7", "day of the week from 0 to 6"),
        ("0 0 0 * nonsense *", "month"),
        ("0 0 0 31 2 *", "never comes"),
        ("0 0 0 ? * *", "day"),
        ("0 */0 * * * *", "minute"),
    ],
)
def test_what_is_none_is_told(said: str, word: str) -> None:
    with pytest.raises(ScheduleError, match=word.replace("(", r"\(")):
        Schedule.parse(said)


FIELD = st.sampled_from(["*", "*/7", "3", "1-4", "2,5", "1-6/2", "4/2"])
EXPRESSIONS = st.tuples(FIELD, FIELD, FIELD, FIELD, FIELD, FIELD).map(" ".join) | st.sampled_from(
    sorted(WORDS.values())
)


@given(EXPRESSIONS, st.floats(0, 4e9))
def test_no_other_time_than_the_timers_of_the_host_would_come(said: str, after: float) -> None:
    expected = NCronTab.parse(said).next(datetime.fromtimestamp(after // 1, UTC)).timestamp()
    found = Schedule.parse(said).after(after)
    assert found == expected
    assert found > after


@given(st.text(max_size=30))
def test_any_text_is_a_schedule_or_told(text: str) -> None:
    try:
        found = Schedule.parse(text).after(1e9)
    except ScheduleError:
        return
    assert found > 1e9
