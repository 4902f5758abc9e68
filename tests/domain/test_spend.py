"""Caps of a day: never exceeded, whatever comes in whatever order; what is over gives back what it did not take."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.run.cost import Compute, estimate, missing
from shared.domain.spend import Caps, Spend

NOON = datetime(2030, 5, 6, 12, tzinfo=UTC).timestamp()
DAY = 86400.0
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "end", "never begun", "a day"]),
        st.sampled_from(["bank", "wine", "shop"]),
        st.floats(1, 90),
    ),
    max_size=60,
)


@given(DEEDS, st.integers(1, 4), st.integers(1, 6), st.integers(1, 3), st.floats(30, 200))
def test_no_limit_is_ever_exceeded(
    deeds: list[tuple[str, str, float]], own: int, app: int, places: int, minutes: float
) -> None:
    at, spend, keys = NOON, Spend().on(NOON), 0
    taken: dict[str, list[str]] = {}
    for deed, slug, most in deeds:
        if deed == "begin":
            if spend.refusal(slug, most, Caps(app, minutes), Caps(own), places) is None:
                keys += 1
                spend = spend.admitted(f"{slug}-{keys}", slug, most)
                taken.setdefault(spend.day, []).append(slug)
        elif deed == "a day":
            at += DAY
            spend = spend.on(at)
        elif spend.open:
            key = min(spend.open)
            was = spend.open[key]
            took = None if deed == "never begun" else was.minutes / 2
            spend = spend.over({key: took})
            if took is None and was.day == spend.day:
                taken[spend.day].remove(was.slug)
        assert len(spend.open) <= places
        assert sum(spend.minutes.values()) <= minutes + 1e-6
        assert sum(spend.runs.values()) <= app
        assert all(count <= own for count in spend.runs.values())
        assert sum(spend.runs.values()) == len(taken.get(spend.day, []))
        assert all(value >= 0 for value in spend.minutes.values())


def test_a_new_day_has_spent_nothing_and_knows_what_is_under_way() -> None:
    spend = Spend().on(NOON).admitted("bank-1-a1", "bank", 60)
    tomorrow = spend.on(NOON + DAY)
    assert (tomorrow.runs, tomorrow.minutes, list(tomorrow.open)) == ({}, {}, ["bank-1-a1"])
    assert tomorrow.over({"bank-1-a1": 10}).minutes == {}


def test_a_clock_that_is_put_back_starts_no_day_anew() -> None:
    spend = Spend().on(NOON).admitted("bank-1-a1", "bank", 60)
    assert spend.on(NOON - DAY) == spend
    assert spend.on(NOON - 3 * DAY).runs == {}, "a mistake of days isn't waited out"


def test_as_many_begin_as_there_is_exactly_room_for() -> None:
    """Three times 20.1 minutes are 60.3, and a hair more to a computer."""
    spend, cap = Spend().on(NOON), Caps(minutes=60.3)
    for key in "abc":
        assert spend.refusal("bank", 20.1, cap, Caps(), 0) is None
        spend = spend.admitted(key, "bank", 20.1)
    assert spend.refusal("bank", 0.1, cap, Caps(), 0) is not None


def test_a_training_that_can_never_fit_is_told_so() -> None:
    refusal = Spend().on(NOON).refusal("bank", 60, Caps(), Caps(minutes=30), 0)
    assert refusal is not None
    assert (refusal.code, refusal.tomorrow) == ("cap-reached", True)
    assert "never fit" in refusal.message
    assert "lower timeout_minutes" in refusal.remedy


SMALL = Compute("cpu", vm_size="Standard_DS3_v2", vcpus=4, nodes=2, quota=8, family="standardDSv2Family")


def test_what_a_training_may_use_is_told_by_its_size_and_with_money_where_prices_are_known() -> None:
    told = estimate(SMALL, 90, 4)
    assert (told.nodes, told.vcpu_hours, told.price, told.at_most) == (2, 12.0, "medium", None)
    assert (
        told.sentence
        == "at most 2 x Standard_DS3_v2 (4 vCPUs) for 90 minutes on cpu: 12 vCPU hours (medium)."
    )
    priced = estimate(Compute("cpu", vm_size="S", vcpus=4, hourly=0.5, currency="USD"), 120, 1)
    assert (priced.at_most, priced.currency) == (1.0, "USD")
    assert estimate(Compute(""), 60, 2).price == "unknown"


@pytest.mark.parametrize(
    ("compute", "code"),
    [
        (SMALL, None),
        (Compute(""), None),
        (Compute("cpu", exists=False), "compute-missing"),
        (Compute("cpu", state="Failed"), "compute-missing"),
        (Compute("cpu", vm_size="S", vcpus=4, quota=0, family="f"), "quota-missing"),
        (Compute("cpu", vm_size="S", vcpus=4, quota=None), None),
    ],
)
def test_what_keeps_it_from_beginning(compute: Compute, code: str | None) -> None:
    found = missing(compute)
    assert (found.code if found else None) == code
