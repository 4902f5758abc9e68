"""What a person makes of a refused file: released once, its schema accepted, discarded; twice, on two hosts, through crashes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.errors import Conflict, InvalidInput, NotFound
from shared.domain.run.ledger import verify
from shared.domain.run.parts import Action, Source
from shared.domain.run.quarantine import Report
from shared.domain.schema import Schema, Value
from shared.services.quarantine.deciding import OPEN, PATIENCE, Quarantine
from shared.services.quarantine.listing import RefusedQuery
from shared.services.run import loop
from tests.services.test_contract import BREAKING, table
from tests.support.intake_front import Front
from tests.support.memory import Crash
from tests.support.staging_area import people

NARROWER = table(BREAKING["removed"])


class Desk(Front):
    """The front of the house, whose quarantine keeps the originals, and the person who looks through it."""

    def __init__(self) -> None:
        super().__init__()
        keep = self.world.data.quarantine

        def quarantine(source: Source, folder: str, report: Report) -> None:
            keep(source, folder, report)
            data = b"".join(self.files.stream(source.container, source.blob, source.etag))
            self.files.put("dropml-quarantine", f"{folder}/{source.blob.rpartition('/')[2]}", data)

        def drawn(path: str, schema: Schema, limit: int) -> tuple[list[list[Value]], list[str]]:
            rows: list[list[Value]] = [[x, *("1" for _ in schema.columns[1:])] for x in range(200)]
            return rows, ["no" if x % 2 else "yes" for x in range(200)]

        self.world.data.quarantine = quarantine  # type: ignore[method-assign]
        self.world.data.draw_holdout = drawn  # type: ignore[method-assign]

    def act(self, refused: str, action: Action, actor: str = "ann") -> Any:
        return Quarantine(self.world.context, self.files, self.plan).act(refused, action, actor)

    def finish(self) -> int:
        return Quarantine(self.world.context, self.files, self.plan).finish()

    def show(self, refused: str) -> Any:
        return Quarantine(self.world.context, self.files, self.plan).show(refused)

    def listed(self, **params: str) -> list[tuple[str, str | None]]:
        found, _ = Quarantine(self.world.context, self.files, self.plan).page(RefusedQuery.parse(params))
        return [(line.id, line.decision) for line in found.files]

    def refused(self, text: str, name: str = "people.csv", **metadata: str) -> str:
        self.put(name, text, **metadata)
        run_id = str(self.drop(name))
        assert self.states()[run_id] == "quarantined"
        return run_id

    def to_the_end(self) -> None:
        for _ in range(60):
            loop.tick(self.world.context)
            self.world.clock.now += 60

    def code(self, refused: str, action: Action) -> str:
        with pytest.raises(Conflict) as caught:
            self.act(refused, action)
        assert caught.value.remedy
        return caught.value.error_code


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.put("people.csv")
    assert desk.world.run(str(desk.drop("people.csv"))).problem is None
    return desk


def test_an_accepted_schema_trains_goes_live_and_is_what_the_next_file_is_held_against(desk: Desk) -> None:
    desk.to_the_end()
    assert desk.world.run("people-1-a1").state == "live"
    run_id = desk.refused(NARROWER)
    view = desk.show(run_id)
    assert [(c.kind, c.column) for c in view.problem.changes] == [("removed", "income")]
    assert "removed  income  number -> -" in view.report
    assert view.actions == ("release", "accept-schema", "discard")
    assert desk.world.azureml.submissions == 1
    done = desk.act(run_id, "accept-schema")
    desk.to_the_end()
    new = desk.world.run(done.run_id)
    assert (new.cause, new.waived, new.source.container) == (
        "accept-schema",
        ("schema",),
        "dropml-quarantine",
    )
    assert new.state == "live", new
    again = table(BREAKING["removed"], rows=210)
    desk.put("people.csv", again)
    assert desk.world.run(str(desk.drop("people.csv"))).problem is None, "the same schema again"
    assert desk.world.run(desk.refused(people(220))).problem is not None, "and the old one no more"


def test_a_released_file_is_taken_once_and_binds_nobody(desk: Desk) -> None:
    first = desk.refused(NARROWER)
    new = desk.world.run(desk.act(first, "release").run_id)
    assert new.problem is None
    assert new.snapshot is not None
    assert [change.column for change in new.snapshot.changes] == ["income"]
    desk.put("people.csv", people(220))
    assert desk.world.run(str(desk.drop("people.csv"))).problem is None, "held against the one before"
    desk.refused(table(BREAKING["removed"], rows=230))


def test_the_same_bytes_dropped_again_after_a_release_are_no_new_run(desk: Desk) -> None:
    new = desk.act(desk.refused(NARROWER), "release").run_id
    desk.put("people.csv", NARROWER)
    assert desk.drop("people.csv") == new


def test_too_many_bad_rows_can_be_released(desk: Desk) -> None:
    damaged = people().replace("00098,", "00098,1,").replace("00120,", "00120,1,")
    run_id = desk.refused(damaged)
    view = desk.show(run_id)
    assert view.actions == ("release", "discard")
    assert "schema" in view.obstacles["accept-schema"]
    assert [(line.line, line.wrong) for line in view.lines] == [(99, False), (100, True), (101, False)]
    assert view.lines[1].text.startswith("00098,1,")
    new = desk.world.run(desk.act(run_id, "release").run_id)
    assert new.snapshot is not None
    assert (new.snapshot.rows, new.snapshot.bad_rows, new.waived) == (198, 2, ("max_bad_rows",))
    assert new.config == desk.world.run(run_id).config


def test_a_released_file_is_split_as_every_file_of_its_dataset(desk: Desk) -> None:
    """Else the live model would have been trained on most of what its challenger is judged by."""
    damaged = people().replace("00098,", "00098,1,").replace("00120,", "00120,1,")
    run_id = desk.act(desk.refused(damaged), "release").run_id
    live, new = (desk.world.run(each).snapshot for each in ("people-1-a1", run_id))
    assert live is not None
    assert new is not None

    def codes(path: str) -> set[str]:
        lines = b"".join(desk.files.stream("data", path)).decode().splitlines()[1:]
        return {line.partition(",")[0] for line in lines}

    assert codes(new.holdout_path) <= codes(live.holdout_path)
    assert codes(f"{new.path}/data.csv") <= codes(f"{live.path}/data.csv")


def test_a_release_of_bad_rows_waives_no_other_rule(desk: Desk) -> None:
    damaged = NARROWER.replace("00098,", "00098,1,")
    new = desk.world.run(desk.act(desk.refused(damaged), "release").run_id)
    assert new.problem is not None
    assert new.problem.code == "schema-incompatible"
    desk.to_the_end()
    second = desk.world.run(desk.act(new.run_id, "release").run_id)
    assert second.problem is None
    assert second.waived == ("max_bad_rows", "schema")


def test_numbers_made_of_text_as_said_are_accepted_and_hold(desk: Desk) -> None:
    def signed(rows: list[list[str]]) -> list[list[str]]:
        return [rows[0], *([row[0], f"{row[1]}%", *row[2:]] for row in rows[1:])]

    desk.put("shares.csv", table(signed))
    desk.drop("shares.csv")
    run_id = desk.refused(table(signed), "shares.csv", dropml_numbers="percent")
    desk.act(run_id, "accept-schema")
    desk.put("shares.csv", table(signed, rows=210), dropml_numbers="percent")
    run = desk.world.run(str(desk.drop("shares.csv")))
    assert run.problem is None, run.problem
    assert run.snapshot is not None
    assert {column.name: column.type for column in run.snapshot.schema.columns}["age"] == "integer"


@pytest.mark.parametrize("action", ["release", "accept-schema"])
def test_what_cannot_be_taken_says_why(desk: Desk, action: Action) -> None:
    unreadable = desk.refused("PAR1 nothing of a table")
    assert desk.code(unreadable, action) == "not-releasable"
    assert desk.show(unreadable).actions == ("discard",)
    assert set(desk.show(unreadable).obstacles) == {"release", "accept-schema"}
    gone = desk.refused(NARROWER)
    desk.files.delete("dropml-quarantine", f"people/{gone}/people.csv")
    assert desk.code(gone, action) == "original-gone"
    assert desk.act(gone, "discard").action == "discard", "nothing was decided by that"
    assert desk.code("people-1-a1", action) == "not-quarantined"
    with pytest.raises(NotFound):
        desk.act("people-9-a1", action)
    with pytest.raises(NotFound):
        desk.show("people-1-a1")


def test_an_older_file_is_not_trained_for_nothing(desk: Desk) -> None:
    old = desk.refused(NARROWER)
    desk.world.store.change_dataset("people", lambda found: replace(found, champion="people-3-a1"))
    assert desk.code(old, "release") == "newer-live"


@pytest.mark.parametrize("action", ["release", "accept-schema", "discard"])
def test_pressing_twice_is_one_answer_and_another_press_is_told_what_was_done(
    desk: Desk, action: Action
) -> None:
    run_id = desk.refused(NARROWER)
    first = desk.act(run_id, action)
    count = len(desk.states())
    assert desk.act(run_id, action, "bob") == first
    assert len(desk.states()) == count
    for other in {"release", "accept-schema", "discard"} - {action}:
        with pytest.raises(Conflict, match="by ann") as caught:
            desk.act(run_id, other)  # type: ignore[arg-type]
        assert caught.value.error_code == "already-decided"
        assert (first.run_id or "") in caught.value.message
    lines = desk.world.store.ledger(run_id)
    run = desk.world.run(run_id)
    assert verify(lines, run.ledger_head, run.pending).broken_at is None
    assert sum('"actor":"ann"' in line.replace(" ", "") for line in lines) == (
        1 if action == "discard" else 2
    )
    if first.run_id:
        assert "ann" in desk.world.run(first.run_id).pending[0]


def test_two_hosts_at_once_start_one_run(desk: Desk) -> None:
    run_id = desk.refused(NARROWER)
    answers: list[Any] = []
    gate = threading.Barrier(4)

    def press(action: Action) -> None:
        gate.wait()
        try:
            answers.append(desk.act(run_id, action))
        except Conflict as error:
            answers.append(error.error_code)

    hosts = [
        threading.Thread(target=press, args=(a,)) for a in ("release", "release", "discard", "accept-schema")
    ]
    for host in hosts:
        host.start()
    for host in hosts:
        host.join()
    decision = desk.world.run(run_id).decision
    assert decision is not None
    good = [answer for answer in answers if not isinstance(answer, str)]
    assert {answer.action for answer in good} == {decision.action}
    assert len({answer.run_id for answer in good}) == 1
    assert answers.count("already-decided") == 4 - len(good)
    assert len(desk.states()) == 2 + (decision.action != "discard")


def crashes(desk: Callable[[], tuple[Desk, str]], action: Action) -> int:
    """At how many points a decision can die."""
    here, run_id = desk()
    before = len(here.world.points.seen)
    here.act(run_id, action)
    return 2 * (len(here.world.points.seen) - before)


def waiting() -> tuple[Desk, str]:
    desk = Desk()
    desk.put("people.csv")
    desk.drop("people.csv")
    return desk, desk.refused(NARROWER)


@pytest.mark.parametrize("action", ["release", "accept-schema", "discard"])
def test_a_crash_anywhere_leaves_one_decision_that_the_sweep_or_the_next_press_ends(action: Action) -> None:
    points = crashes(waiting, action)
    assert points >= 8
    for point in range(points):
        desk, run_id = waiting()
        desk.world.points.die_at = 2 * len(desk.world.points.seen) + point
        with pytest.raises(Crash):
            desk.act(run_id, action)
        desk.world.points.die_at = None
        desk.world.clock.now += PATIENCE + 1
        if point % 3:
            desk.finish()
        done = desk.act(run_id, action)
        desk.finish()
        assert desk.world.run(run_id).decision is not None
        assert done.run_id is None or desk.world.run(done.run_id).problem is None
        assert not list(desk.world.docs.list(OPEN))
        assert (run_id, action) in desk.listed()
        assert len(desk.states()) == 2 + (action != "discard")
        run = desk.world.run(run_id)
        assert verify(desk.world.store.ledger(run_id), run.ledger_head, run.pending).broken_at is None


def test_what_was_discarded_loses_its_original_and_keeps_its_report(desk: Desk) -> None:
    run_id = desk.refused(NARROWER)
    desk.act(run_id, "discard")
    assert desk.finish() == 1
    assert not list(desk.files.list("dropml-quarantine", f"people/{run_id}/people.csv"))
    view = desk.show(run_id)
    assert view.decision.action == "discard"
    assert view.actions == ()
    assert "removed" in view.report
    assert desk.finish() == 0


def test_files_without_a_run_are_listed_and_can_be_discarded(desk: Desk) -> None:
    desk.put("people.xlsx", "PK")
    assert desk.drop("people.xlsx") is None
    ((note, decision),) = desk.listed()
    assert decision is None
    view = desk.show(note)
    assert (view.run_id, view.source.blob, view.actions) == (None, "people.xlsx", ("discard",))
    assert "incoming/people.xlsx" in view.report
    assert desk.code(note, "release") == "not-releasable"
    assert desk.code(note, "accept-schema") == "not-releasable"
    first = desk.act(note, "discard")
    assert desk.act(note, "discard", "bob") == first
    assert desk.listed() == [(note, "discard")]
    assert desk.show(note).decision.actor == "ann"
    assert desk.code(note, "release") == "not-releasable"
    with pytest.raises(NotFound):
        desk.show("0" * 20)


def test_the_list_is_paged_newest_first_and_narrowed(desk: Desk) -> None:
    ids = [desk.refused(table(BREAKING["removed"], rows=200 + i)) for i in range(3)]
    other = desk.refused("a,b\n1,2\n", "other.csv")
    desk.act(ids[1], "discard")
    assert [line for line, _ in desk.listed()] == [other, *reversed(ids)]
    assert [line for line, _ in desk.listed(dataset="people", decided="waiting")] == [ids[2], ids[0]]
    assert desk.listed(decided="discard") == [(ids[1], "discard")]
    showing = Quarantine(desk.world.context, desk.files, desk.plan)
    first, _ = showing.page(RefusedQuery.parse({"limit": "3"}))
    rest, _ = showing.page(RefusedQuery.parse({"limit": "3", "cursor": first.cursor or ""}))
    assert [line.id for line in first.files + rest.files] == [other, *reversed(ids)]
    with pytest.raises(InvalidInput):
        RefusedQuery.parse({"decided": "perhaps"})
