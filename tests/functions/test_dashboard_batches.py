"""What a dataset's page says of the files of rows that were given to be scored."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.batches import Batch, Layout, Output, Source, Status
from shared.domain.problems import Fault
from shared.services.run.listed_batches import ListedBatches
from tests.functions.test_dashboard import with_a_live_model
from tests.support.guest import Guest
from tests.support.intake_front import Front

FAULT = Fault("missing-column", "The column age is missing.", "Add it and drop the file again.")


@pytest.fixture
def house() -> Front:
    """A live model."""
    return with_a_live_model()


def given(house: Front, name: str, status: Status, at: float, **more: Any) -> None:
    """A batch, as the app has written it down."""
    batch = Batch(
        name, "people", "people", status, Source("incoming", f"{name}.score.csv", "e", 100),
        Output("dropml-scored", f"people/{name}.csv"), Layout(["age"], ","), "h", at, at, 50, **more,
    )  # fmt: skip
    house.world.store.write(f"batches/people/{name}.json", batch)
    ListedBatches(house.world.docs).put("people", name, at)


def test_a_batch_that_failed_says_why_and_what_to_do(house: Front, guest: Guest) -> None:
    given(house, "monday", "completed", 1.0, rows=1200, rows_failed=1)
    given(house, "tuesday", "failed", 2.0, error=FAULT)
    given(house, "wednesday", "waiting", 3.0, waits_until=90_000.0)
    text = guest.page("/datasets/people").text
    assert "incoming/monday.score.csv completed 1 200 1 dropml-scored/people/monday.csv" in text
    assert (
        "incoming/tuesday.score.csv failed 0 0 The column age is missing. What to do: Add it and drop" in text
    )
    assert "It waits for a first model. until 1970-01-02 01:00:00 UTC" in text
    assert text.index("wednesday") < text.index("tuesday") < text.index("monday")
    assert "dropml batches --dataset people" in text


def test_a_batch_under_way_is_followed_with_its_share(house: Front, guest: Guest) -> None:
    given(house, "monday", "running", 1.0, rows=600)
    page = guest.get("/datasets/people")
    assert "data-live" in page.get_body().decode()
    assert "running 50 % 600" in guest.page("/datasets/people").text


def test_without_batches_the_page_says_nothing_of_them(house: Front, guest: Guest) -> None:
    house.world.docs.put("batches/people/odd.json", {"id": 7})
    ListedBatches(house.world.docs).put("people", "odd", 1.0)
    assert "Files of rows that were given" not in guest.page("/datasets/people").text
