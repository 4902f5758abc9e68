"""What the gate gets of a holdout file: rows from all of it, typed, however the bytes arrive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from shared.adapters.snapshots import Snapshots
from shared.domain.errors import NotFound
from shared.domain.gate import GateConfig, judge, judge_first
from shared.domain.schema import Column, Schema
from shared.services.run.ports import Drawn
from shared.settings import Settings

SCHEMA = Schema(
    "y",
    (
        Column("age", "integer"),
        Column("income", "number", nullable=True),
        Column("member", "boolean"),
        Column("joined", "datetime"),
        Column("note", "string"),
    ),
    ("no", "yes"),
)
SPELT = """note,y,age,member,income,joined
"a, ""b""\nc",yes,41,TRUE,1.50,2024-01-01
é,no,-3,false,,2024-01-02
"""


class Stored:
    """The data account with one blob, which arrives in pieces of `piece` bytes."""

    def __init__(self, text: str, piece: int = 1 << 16) -> None:
        self.content, self.piece = text.encode(), piece

    def stream(self, container: str, name: str) -> Iterator[bytes]:
        assert (container, name) == ("dropml-data", "people/1/holdout/data.csv")
        yield from (self.content[at : at + self.piece] for at in range(0, len(self.content), self.piece))


def drawn(text: str, schema: Schema, limit: int, piece: int = 1 << 16) -> tuple[list[list[Any]], list[str]]:
    store: Any = Stored(text, piece)
    found = Snapshots(store, Settings()).draw("people/1/holdout/data.csv", schema, limit)
    return found.rows, found.truth


@pytest.mark.parametrize("piece", [1, 2, 7, 1000])
def test_cells_have_their_column_s_type_in_the_schema_s_order(piece: int) -> None:
    rows, truth = drawn(SPELT, SCHEMA, 10, piece)
    assert dict(zip(truth, rows, strict=True)) == {
        "yes": [41, 1.5, True, "2024-01-01", 'a, "b"\nc'],
        "no": [-3, None, False, "2024-01-02", "é"],
    }


def test_a_holdout_without_rows_gives_none() -> None:
    assert drawn("note,y,age,member,income,joined\n", SCHEMA, 10) == ([], [])


def test_a_last_line_without_its_end_is_a_row() -> None:
    assert len(drawn(SPELT.rstrip("\n"), SCHEMA, 10)[0]) == 2


def sorted_by_label(each: int) -> str:
    return "x,y\n" + "".join(f"{i},{label}\n" for label in ("no", "yes") for i in range(each))


def test_a_file_sorted_by_label_doesn_t_hide_a_class() -> None:
    """The first 2,000 rows are all "no": on them a model that always says so looks perfect."""
    schema = Schema("y", (Column("x", "integer"),), ("no", "yes"))
    rows, truth = drawn(sorted_by_label(3000), schema, 2000)
    assert len(rows) == 2000
    assert Counter(truth)["yes"] > 900
    constant = ["no"] * len(truth)
    assert judge_first(truth, constant, GateConfig(), seed="r").decision == "reject"
    champion = [label if i % 5 else "no" for i, label in enumerate(truth)]
    assert judge(truth, champion, constant, GateConfig(), seed="r").decision == "reject"


def test_the_rows_stay_with_their_labels() -> None:
    schema = Schema("y", (Column("x", "integer"),), ("even", "odd"))
    text = "x,y\n" + "".join(f"{i},{'odd' if i % 2 else 'even'}\n" for i in range(500))
    rows, truth = drawn(text, schema, 100)
    assert [("odd" if x % 2 else "even") for (x,) in rows] == truth
    assert len(truth) == 100


def test_a_regression_s_holdout_is_drawn_without_classes() -> None:
    schema = Schema("y", (Column("x", "integer"),))
    text = "x,y\n" + "".join(f"{i},{i / 7}\n" for i in range(500))
    rows, truth = drawn(text, schema, 50)
    assert len(rows) == len(truth) == 50
    assert [str(x / 7) for (x,) in rows] == truth


def test_rows_put_aside_lie_in_the_quarantine_beside_the_run() -> None:
    copied: list[tuple[str, ...]] = []

    class Copies:
        def copy(self, *places: str) -> None:
            copied.append(places)

    store: Any = Copies()
    Snapshots(store, Settings()).put_aside("people/1/work/rows.csv", "people/people-1-a1")
    assert copied == [
        ("dropml-data", "people/1/work/rows.csv", "dropml-quarantine", "people/people-1-a1/rows.csv")
    ]


class TestBesidesAnEarlierHoldout:
    """A champion's file had 300 rows in one order of columns; the new one has them and 100 more in another."""

    def found(self, earlier: str | None, now: str) -> Drawn:
        class Files:
            def stream(self, container: str, name: str) -> Iterator[bytes]:
                text = {"before/data.csv": earlier, "now/data.csv": now}[name]
                if text is None:
                    raise NotFound(f"There is no {name}.")
                yield text.encode()

        store: Any = Files()
        schema = Schema("y", (Column("x", "integer"), Column("w", "string")), ("no", "yes"))
        return Snapshots(store, Settings()).draw("now/data.csv", schema, 1000, "before/data.csv")

    NOW = "x,w,y\n" + "".join(f"{i},a,{'yes' if i % 2 else 'no'}\n" for i in range(400))

    def test_only_what_came_since_is_drawn_with_its_place(self) -> None:
        before = "y,w,x\n" + "".join(f"{'no' if i % 2 else 'yes'},a,{i}\n" for i in range(300))
        drawn = self.found(before, self.NOW)
        assert sorted(row[0] or 0 for row in drawn.rows) == list(range(300, 400))
        assert drawn.known == 300
        assert [place - 1 for place in drawn.places] == [row[0] for row in drawn.rows]

    @pytest.mark.parametrize(
        "before", [None, "y,x\n" + "".join(f"no,{i}\n" for i in range(300))], ids=["gone", "a column less"]
    )
    def test_else_everything_is(self, before: str | None) -> None:
        drawn = self.found(before, self.NOW)
        assert (len(drawn.rows), drawn.known) == (400, 0)
