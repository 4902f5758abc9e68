"""The gate's rows come from all of the holdout, whatever its order, with every class among them."""

from __future__ import annotations

import hashlib
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.gate import Draw, draw
from shared.domain.gate.sample import row_hash


def table(**classes: int) -> list[tuple[str, str]]:
    """A file sorted by label."""
    return [(f"{label}{i}", label) for label, count in classes.items() for i in range(count)]


def test_all_rows_are_drawn_where_they_fit() -> None:
    rows = table(a=60, b=40)
    assert sorted(draw(rows, 1, 100)) == sorted(rows)
    assert sorted(draw(rows, 1, 5000)) == sorted(rows)
    assert sorted(draw(rows, None, 100)) == sorted(rows)
    assert draw([], 1, 100) == []
    assert len(draw(rows, 1, 99)) == len(set(draw(rows, 1, 99))) == 99


def test_a_file_sorted_by_label_gives_every_class_its_share() -> None:
    drawn = Counter(label for _, label in draw(table(no=9000, yes=1000), 1, 2000))
    assert drawn.total() == 2000
    assert 1720 < drawn["no"] < 1880


def test_the_draw_doesn_t_hang_on_the_first_rows() -> None:
    drawn = draw(table(x=10_000), 1, 1000)
    places = [int(name[1:]) for name, _ in drawn]
    assert 4600 < sum(places) / 1000 < 5400
    assert 60 < sum(place < 1000 for place in places) < 140


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_order_of_the_rows_changes_nothing(order: int) -> None:
    rows = table(no=3000, yes=300, maybe=20)
    shuffled = random.Random(order).sample(rows, len(rows))
    assert draw(shuffled, 1, 500) == draw(rows, 1, 500)


def test_a_rare_class_keeps_its_thirty_rows() -> None:
    drawn = Counter(label for _, label in draw(table(common=50_000, rare=40, single=1), 1, 1000))
    assert drawn == {"common": 969, "rare": 30, "single": 1}


def test_many_classes_share_the_places_evenly() -> None:
    rows = table(**{f"c{i}x": 100 for i in range(50)})
    drawn = Counter(label for _, label in draw(rows, 1, 100))
    assert set(drawn.values()) == {2}
    assert len(drawn) == 50
    assert len(draw(rows, 1, 49)) == 49


def test_without_classes_the_draw_is_by_hash_alone() -> None:
    rows = table(common=5000, rare=5)
    drawn = draw(rows, None, 100)
    assert len(drawn) == 100
    assert drawn == draw(rows[::-1], None, 100)
    assert not any(label == "rare" for _, label in drawn)


def test_the_draw_is_of_the_smallest_salted_hashes() -> None:
    rows = table(x=500)
    hashes = {row: hashlib.sha256(f"gate\x1f{row[0]}\x1f{row[1]}".encode()).digest() for row in rows}
    assert draw(rows, None, 50) == sorted(rows, key=lambda row: hashes[row])[:50]


def test_a_hash_has_sixty_four_bits() -> None:
    """Rows that are remembered are told by such hashes; one of more bits would lie beyond them all."""
    digest = hashlib.sha256(b"gate\x1fanna\x1fyes").hexdigest()
    assert f"{row_hash(('anna', 'yes')):016x}" == digest[:16]


def test_equal_rows_are_rows_of_their_own() -> None:
    assert draw([("x", "a")] * 7, 1, 5) == [("x", "a")] * 5


def test_of_equal_rows_the_first_are_drawn() -> None:
    drawn = Draw(1, 5)
    for place in (6, 2, 0, 5, 1, 4, 3):
        drawn.add(place, ("x", "a"))
    assert drawn.chosen() == [(place, ("x", "a")) for place in range(5)]


def test_places_that_are_left_go_to_the_smallest_hashes() -> None:
    rows = table(common=500, rare=40)
    rare, common = (
        sorted((row for row in rows if row[1] == label), key=row_hash) for label in ("rare", "common")
    )
    rest = sorted((*rare[30:], *common[30:]), key=row_hash)
    assert set(draw(rows, 1, 100)) == {*rare[:30], *common[:30], *rest[:40]}


def test_columns_are_told_apart() -> None:
    """`ab, c` and `a, bc` are two rows with two hashes: one of them may be drawn without the other."""
    many = [row for i in range(50) for row in ((f"{i}b", "c"), (str(i), "bc"))]
    drawn = draw(many, None, 50)
    assert any(((f"{i}b", "c") in drawn) != ((str(i), "bc") in drawn) for i in range(50))


@given(st.lists(st.tuples(st.text(max_size=3), st.sampled_from("abcd")), max_size=200), st.integers(1, 120))
def test_what_is_drawn_is_in_the_file_and_no_more_than_asked(rows: list[tuple[str, str]], limit: int) -> None:
    drawn = draw(rows, 1, limit)
    assert len(drawn) == min(limit, len(rows))
    assert not Counter(drawn) - Counter(rows)
    if len({label for _, label in rows}) <= limit:
        assert {label for _, label in drawn} == {label for _, label in rows}
