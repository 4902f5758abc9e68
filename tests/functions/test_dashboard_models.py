"""What the dashboard says of a model: the rows on which it differs from the live one, and its card."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.documents import to_json
from shared.domain.evidence import Diff, Flip, Segment
from shared.services.run import loop
from shared.services.run.comparing import diff_path
from shared.ui.views.card import card
from tests.support.guest import BASE, Guest, Seen
from tests.support.intake_front import Front

RUN = "people-1-a1"
FLIP = Flip(17, "yes", "yes", "no", 0.71, 0.55)
SEGMENT = Segment("job", "admin", 40, 9, 0.7, 0.9, worse=True)
DIFF = Diff(
    RUN, "people-0-a1", 1.0, 2000, "new", "y", 340, 225, 115,
    shown=tuple(replace(FLIP, row=row) for row in range(1, 201)),
    segments=(SEGMENT, *(replace(SEGMENT, value=f"v{n}", worse=False) for n in range(99))),
)  # fmt: skip


@pytest.fixture
def house() -> Front:
    """A live model."""
    house = Front()
    house.put("people.csv")
    house.drop("people.csv")
    for _ in range(60):
        loop.tick(house.world.context)
        house.world.clock.now += 60
    return house


def gate_page(house: Front, guest: Guest, diff: Diff) -> Seen:
    house.world.docs.put(diff_path(RUN), to_json(diff))
    return guest.page(f"/runs/{RUN}/gate")


def test_the_gate_shows_the_rows_that_flip_by_segment(house: Front, guest: Guest) -> None:
    page = gate_page(house, guest, DIFF)
    assert "differently on 340 of 2 000 rows: 225 right answers are lost, 115 are won" in page.text
    assert "job admin 40 9 90.0 % 70.0 % worse" in page.text
    assert "17 yes yes no 71.0 % 55.0 %" in page.text
    assert page.text.index("By segment") < page.text.index("90 more segments")
    assert "190 more rows of 330" in page.text
    assert f"dropml diff {RUN}" in page.text
    assert len(guest.get(f"/runs/{RUN}/gate").get_body()) < 150_000


def test_of_numbers_it_shows_errors_and_no_certainty(house: Front, guest: Guest) -> None:
    moved = Flip(3, "10.5", "11", "12.25")
    errors = replace(SEGMENT, challenger=1.75, champion=0.5)
    found = replace(DIFF, measure="mean_absolute_error", shown=(moved,), segments=(errors,))
    page = gate_page(house, guest, found)
    assert "further from the truth on 225, nearer on 115" in page.text
    assert "job admin 40 9 0.5 1.75 worse" in page.text
    assert "3 10.5 11 12.25 " in page.text
    assert "Champion's certainty" not in page.text


def test_nothing_of_a_row_becomes_a_part_of_the_page(house: Front, guest: Guest) -> None:
    evil = "<script>alert(1)</script>"
    found = replace(
        DIFF, label=evil, shown=(replace(FLIP, truth=evil, values={"a": evil}),), segments=(replace(SEGMENT, value=evil),)
    )  # fmt: skip
    page = gate_page(house, guest, found)
    assert evil in page.text
    assert [attrs for tag, attrs in page.tags if tag == "script" and "src" not in attrs] == []


@pytest.mark.parametrize("kept", [None, replace(DIFF, champion_run=None, shown=())])
def test_without_a_champion_nothing_flips(house: Front, guest: Guest, kept: Diff | None) -> None:
    house.world.docs.delete(diff_path(RUN))
    page = gate_page(house, guest, kept) if kept else guest.page(f"/runs/{RUN}/gate")
    assert "Rows that" not in page.text
    assert "It passed" in page.text


def test_a_card_says_what_for_from_what_how_judged_and_what_to_mind(house: Front, guest: Guest) -> None:
    page = guest.page(f"/runs/{RUN}/model")
    card_text = page.text.partition("Model card")[2].partition("Download")[0]
    for part in (
        "y of one row of people",
        "incoming/people.csv",
        "people:1",
        "rows, which no trial saw",
        "Gate",
    ):
        assert part in card_text, part
    assert f"{BASE}/runs/{RUN}" in page.links()


def test_a_card_hides_no_weakness(house: Front) -> None:
    run = house.world.run(RUN)
    assert run.snapshot is not None
    weak = replace(
        run.snapshot, warnings=("Column c is empty.",), bad_rows=7, class_counts={"train": {"yes": 3, "no": 97}}
    )  # fmt: skip
    limits = " ".join(card(replace(run, snapshot=weak, waived=("schema",))).limits)
    for part in (
        "Column c is empty.",
        "7 rows of the file",
        "yes is rare: 3.0 %",
        "waived rules for it: schema",
    ):
        assert part in limits, part
    assert "no is rare" not in limits


def test_a_card_of_many_columns_names_some(house: Front) -> None:
    run = house.world.run(RUN)
    assert run.snapshot is not None
    column = run.snapshot.schema.columns[0]
    many = tuple(replace(column, name=f"c{n}") for n in range(500))
    wide = replace(run.snapshot, schema=replace(run.snapshot.schema, columns=many))
    assert dict(card(replace(run, snapshot=wide)).purpose)["Asks for"].endswith("c11 and 488 more")


def test_a_run_without_parts_has_a_card_all_the_same(house: Front) -> None:
    bare = replace(house.world.run(RUN), snapshot=None, best=None, gate=None, placement=None, approval=None)
    assert dict(card(bare).judged) == {"Gate": "it has not been judged yet"}
