"""A refusal that a corrected file or a mended configuration has answered is settled by itself, once, and says by which run."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from shared.domain.run.ledger import verify
from shared.domain.run.states import State
from tests.services.test_contract import BREAKING, table
from tests.services.test_quarantine import NARROWER, Desk
from tests.support import sweeps
from tests.support.memory import Crash
from tests.support.staging_area import people

WRONG, GOOD = "lable: y\n", "label: y\nmax_trials: 7\n"


@pytest.fixture
def desk() -> Desk:
    return Desk()


def config(desk: Desk, text: str) -> str | None:
    desk.put("people.yaml", text)
    return desk.drop("people.yaml")


def settled(desk: Desk, refused: str) -> tuple[str, str, str | None]:
    decision: Any = desk.show(refused).decision
    return decision.action, decision.actor, decision.run_id


def told(desk: Desk) -> str:
    """The one report of a file without a run."""
    ((note, _),) = [line for line in desk.listed() if "-" not in line[0]]
    return note


def test_a_file_that_its_configuration_kept_out_is_settled_once_that_is_mended(desk: Desk) -> None:
    desk.put("people.yaml", WRONG)
    old = desk.refused(people())
    assert desk.listed(decided="waiting") == [(old, None)]
    new = str(config(desk, GOOD))
    assert desk.listed(decided="waiting") == []
    assert desk.listed(decided="mended") == [(old, "mended")]
    assert settled(desk, old) == ("mended", "dropml", new)
    assert desk.show(old).actions == ()
    for action in ("release", "accept-schema", "discard"):
        assert desk.code(old, action) == "already-decided"
    assert new in desk.show(old).obstacles["discard"]
    run = desk.world.run(old)
    lines = desk.world.store.ledger(old)
    assert verify(lines, run.ledger_head, run.pending).broken_at is None
    last = json.loads(lines[-1])
    assert (last["event"], last["actor"], last["detail"]) == ("mended", "dropml", {"run": new})
    assert list(desk.files.list("dropml-quarantine", f"people/{old}/people.csv")), "the original is kept"


def test_a_report_of_a_configuration_is_settled_by_the_version_that_is_taken(desk: Desk) -> None:
    desk.put("people.csv")
    desk.drop("people.csv")
    config(desk, WRONG)
    note = told(desk)
    assert desk.listed(decided="waiting") == [(note, None)]
    config(desk, "max_trials: lots\n")
    assert [decision for _, decision in desk.listed()] == [None, None], "the second one is no better"
    new = config(desk, GOOD)
    assert [decision for _, decision in desk.listed()] == ["mended", "mended"]
    assert settled(desk, note) == ("mended", "dropml", new)
    assert desk.code(note, "discard") == "already-decided"
    config(desk, WRONG)
    assert len(desk.listed(decided="waiting")) == 1, "what goes wrong after that is told of anew"


def test_one_without_data_is_settled_without_a_run(desk: Desk) -> None:
    assert config(desk, WRONG) is None
    note = told(desk)
    assert config(desk, GOOD) is None
    assert settled(desk, note) == ("mended", "dropml", None)
    assert desk.listed(decided="waiting") == []


def test_one_that_says_what_held_before_settles_its_report_with_the_run_that_goes_on(desk: Desk) -> None:
    desk.put("people.csv")
    run_id = desk.drop("people.csv")
    config(desk, WRONG)
    assert config(desk, "label: y\n") == run_id
    assert settled(desk, told(desk)) == ("mended", "dropml", run_id)


def test_a_configuration_that_its_data_show_to_be_wrong_mends_nothing(desk: Desk) -> None:
    desk.put("people.csv")
    desk.drop("people.csv")
    config(desk, WRONG)
    note = told(desk)
    still = str(config(desk, "label: city\nthreshold: 0.5\n"))
    assert desk.problem(still).code == "invalid-config"
    assert desk.show(note).decision is None
    new = str(config(desk, GOOD))
    assert settled(desk, note) == settled(desk, still) == ("mended", "dropml", new)


@pytest.mark.parametrize("name", ["people.csv", "people.tsv"])
def test_every_refusal_before_a_corrected_file_is_settled_by_it(desk: Desk, name: str) -> None:
    desk.put("people.csv")
    desk.drop("people.csv")
    old = [desk.refused(NARROWER), desk.refused("a,b\n1,2\n"), desk.refused(NARROWER + "x\n")]
    desk.act(old[1], "discard")
    other = desk.refused("a,b\n1,2\n", "other.csv")
    desk.put(name, people(230, "\t" if name.endswith("tsv") else ","))
    new = desk.drop(name)
    assert settled(desk, old[0]) == settled(desk, old[2]) == ("mended", "dropml", new)
    assert settled(desk, old[1])[:2] == ("discard", "ann"), "a person's decision stands"
    assert desk.listed(decided="waiting") == [(other, None)]
    last = desk.refused("a,b\n1,2\n")
    desk.sweep()
    assert desk.listed(decided="waiting", dataset="people") == [(last, None)], "it came after that"


def test_the_run_of_a_release_settles_nothing_else(desk: Desk) -> None:
    desk.put("people.csv")
    desk.drop("people.csv")
    first, second = (desk.refused(table(BREAKING["removed"], rows=rows)) for rows in (200, 210))
    desk.act(second, "release")
    desk.to_the_end()
    assert desk.listed() == [(second, "release"), (first, None)]


def test_a_report_of_a_like_name_is_left_alone(desk: Desk) -> None:
    for name in ("team/people.yaml", "people.yaml-old.csv.yaml"):
        desk.put(name, WRONG)
        desk.drop(name)
    config(desk, WRONG)
    config(desk, GOOD)
    assert sorted(decision or "" for _, decision in desk.listed()) == ["", "", "mended"]


def test_a_version_that_came_meanwhile_is_judged_by_its_own_look(desk: Desk) -> None:
    desk.put("people.yaml", GOOD)
    good = desk.files.properties("incoming", "people.yaml")
    config(desk, WRONG)
    desk.intake.notes.mended(good)
    assert desk.listed() == [(told(desk), None)]


def dying(begin: Callable[[], Desk], mend: Callable[[Desk], object], end: Callable[[Desk], None]) -> int:
    """Die at one place after the other while it is mended; returns how many there are."""
    for at in sweeps.places():
        desk = begin()
        desk.world.points.die_at = 2 * len(desk.world.points.seen) + at
        died = True
        with suppress(Crash):
            mend(desk)
            died = False
        desk.world.points.die_at = None
        desk.world.restart()
        desk.sweep()
        desk.to_the_end()
        end(desk)
        if not died:
            return at
    raise AssertionError("it never came to an end")


def test_hosts_that_die_anywhere_leave_every_refusal_settled() -> None:
    def begin() -> Desk:
        desk = Desk()
        desk.put("people.yaml", WRONG)
        desk.drop("people.yaml")
        desk.refused(people())
        desk.put("people.yaml", GOOD)
        return desk

    def end(desk: Desk) -> None:
        assert desk.states() == {"people-1-a1": "quarantined", "people-2-a1": "live"}
        assert settled(desk, "people-1-a1") == ("mended", "dropml", "people-2-a1")
        assert settled(desk, told(desk)) == ("mended", "dropml", "people-2-a1")
        assert desk.listed(decided="waiting") == []
        run, lines = desk.world.run("people-1-a1"), desk.world.store.ledger("people-1-a1")
        assert verify(lines, run.ledger_head, run.pending).broken_at is None
        assert len([line for line in lines if '"mended"' in line]) == 1

    assert dying(begin, lambda desk: desk.drop("people.yaml"), end) > 20


def test_so_they_do_when_a_corrected_file_comes() -> None:
    def begin() -> Desk:
        desk = Desk()
        desk.refused("a,b\n1,2\n")
        desk.put("people.csv")
        return desk

    def end(desk: Desk) -> None:
        assert desk.states() == {"people-1-a1": "quarantined", "people-2-a1": "live"}
        assert desk.listed() == [("people-1-a1", "mended")]
        assert settled(desk, "people-1-a1") == ("mended", "dropml", "people-2-a1")

    assert dying(begin, lambda desk: desk.drop("people.csv"), end) > 20


def test_a_refusal_whose_host_died_before_it_took_effect_is_settled_all_the_same(desk: Desk) -> None:
    desk.put("people.csv", "a,b\n1,2\n")
    old = desk.intake._taken("incoming", "people.csv")
    assert desk.world.run(str(old)).state is State.DROPPED
    desk.put("people.csv")
    new = desk.drop("people.csv")
    desk.to_the_end()
    assert desk.world.run(str(old)).state is State.QUARANTINED
    assert settled(desk, str(old)) == ("mended", "dropml", new)
    assert desk.listed(decided="waiting") == []
