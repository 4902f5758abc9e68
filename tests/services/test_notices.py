"""What a run lives through is put into the outbox with it: nothing lost by a crash, nothing told twice, no value of a row."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.domain.documents import from_json
from shared.domain.notify.deliveries import Delivery
from shared.domain.notify.notices import EVENTS, Notice, notice_id
from shared.domain.notify.payloads import body
from shared.domain.notify.receivers import Receiver, receivers
from shared.domain.run.acts import Act
from shared.domain.run.ledger import line_hash
from shared.domain.run.parts import RunProblem
from shared.services.run import loop
from shared.services.run.acting import putting_back
from tests.services.test_holdouts import FLIP, Town, gone
from tests.services.test_lifecycle import drop, tick
from tests.support import sweeps
from tests.support.memory import Crash, World

HOOK = Receiver("json", "https://hooks.example.com/secret-path")


def told(world: World) -> list[Notice]:
    """In the order in which it happened."""
    found = [from_json(world.docs.get(path)[0], Delivery) for path in world.docs.list("outbox/pending/")]  # type: ignore[index]
    return sorted((each.notice for each in found), key=lambda notice: notice.at)


def events(world: World) -> list[tuple[str, str]]:
    return [(notice.event, notice.run_id) for notice in told(world)]


def story(world: World) -> None:
    """Live, then live again, then rolled back by a person, then one refused by intake."""
    drop(world, "A")
    tick(world, 12)
    drop(world, "B")
    tick(world, 14)
    putting_back.rollback("bank", None, Act("ann", 5.0), None, world.context)
    tick(world, 3)
    drop(world, "C", RunProblem("bad-number", "'0815' is no number.", where={"column": "age", "line": 7}))
    tick(world, 3)


STORY = [
    ("live", "bank-1-a1"),
    ("live", "bank-2-a1"),
    ("rolled_back", "bank-2-a1"),
    ("live", "bank-1-a1"),
    ("quarantined", "bank-3-a1"),
]


def recorded(world: World) -> set[str]:
    """Ids of the notices that the ledgers ask for: a line of a state that is told of, its hash."""
    lines = [line for run in world.runs() for line in world.store.ledger(run.run_id)]
    entries = [(line, json.loads(line)) for line in lines]
    return {
        notice_id(line_hash(line)) for line, e in entries if e["event"] == "state" and e["state"] in EVENTS
    }


def test_each_event_is_told_once_with_sentence_remedy_and_link() -> None:
    world = World(receivers=(HOOK,))
    story(world)
    assert sorted(events(world)) == sorted(STORY)
    rolled_back = next(n for n in told(world) if n.event == "rolled_back")
    assert rolled_back.sentence == "Version 2 of bank (run bank-2-a1) lost its traffic: by ann."
    assert all(notice.remedy for notice in told(world))
    assert [notice.link.removeprefix("/api/dashboard") for notice in told(world)] == [
        f"/{'quarantine' if event == 'quarantined' else 'runs'}/{run_id}" for event, run_id in events(world)
    ]


def test_no_value_of_a_row_and_no_url_stands_in_the_outbox() -> None:
    world = World(receivers=(HOOK,))
    story(world)
    texts = [world.docs.blobs[path][0] for path in world.docs.list("outbox/")]
    assert not any("0815" in text or "secret-path" in text for text in texts)
    refused = next(n for n in told(world) if n.event == "quarantined")
    assert "bad-number (column age, line 7)" in refused.sentence


def test_whatever_dies_nothing_is_lost_and_nothing_is_new() -> None:
    counted = World(receivers=(HOOK,))
    story(counted)
    points = [
        index
        for index, label in enumerate(counted.points.seen)
        if "Ledger" in label or "create" in label or "replace" in label
    ]
    for point in sweeps.part(points[::3]):
        for when in (0, 1):
            world = World(receivers=(HOOK,))
            world.points.die_at = 2 * point + when
            for _ in range(2):
                try:
                    story(world)
                except Crash:
                    world.points.die_at = None
                    world.restart()
                    tick(world, 15)
                    continue
                break
            tick(world, 3)
            assert {notice.id for notice in told(world)} == recorded(world), (point, when)


def test_a_suspicious_file_is_told_as_such_or_as_what_waits() -> None:
    for wanted, event in (
        (frozenset[str](), "suspicious"),
        (frozenset({"awaiting_approval"}), "awaiting_approval"),
    ):
        world = World(receivers=(HOOK,), events=wanted)
        town = Town(world)
        drop(world, "A")
        tick(world)
        town.says["B"] = lambda _, true: FLIP[true]
        world.data.draw_holdout = gone(town, "bank/A/")  # type: ignore[method-assign]
        second = drop(world, "B")
        tick(world, 12)
        assert str(world.run(second).state) == "awaiting_approval"
        assert (event, second) in events(world)


def test_what_nobody_wants_is_not_kept() -> None:
    world = World()
    story(world)
    assert list(world.docs.list("outbox/")) == []
    world = World(receivers=(HOOK,), events=frozenset({"quarantined"}))
    story(world)
    assert events(world) == [("quarantined", "bank-3-a1")]


def test_a_sentence_that_can_not_be_made_stops_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise KeyError("nobody foresaw this")

    monkeypatch.setattr("shared.services.notify.outbox.of_run", broken)
    world = World(receivers=(HOOK,))
    run_id = drop(world, "A")
    tick(world)
    assert str(world.run(run_id).state) == "live"


def test_a_run_that_can_not_be_read_is_told_as_failed() -> None:
    world = World(receivers=(HOOK,))
    run_id = drop(world, "A")
    loop.tick(world.context)
    world.docs.blobs[f"runs/{run_id}.json"] = ("not json", '"x"')
    tick(world, 3)
    assert ("failed", run_id) in events(world)


@pytest.mark.parametrize(
    "text",
    [
        "http://hooks.example.com/x",
        "ftp://x",
        "http://localhost/x",
        "slak=https://x.example/y",
        "https://u:p@x.example/",
        "https://x:0/",
    ],
)
def test_a_receiver_is_https_or_on_this_machine(text: str) -> None:
    with pytest.raises(ValueError, match=r"receiver|https|port"):
        receivers(text)


def test_receivers_are_parted_by_blanks_and_named_without_their_secrets() -> None:
    found = receivers(
        "slack=https://hooks.slack.com/services/T/B/XXX  http://127.0.0.1:9/x json=http://[::1]/y"
    )
    assert [each.format for each in found] == ["slack", "json", "json"]
    assert found[0].name.startswith("hooks.slack.com-")
    assert "XXX" not in repr(found) + found[0].name


@pytest.mark.parametrize("form", ["json", "slack", "teams"])
@pytest.mark.parametrize("event", sorted(EVENTS))
def test_every_event_has_a_form_for_every_receiver(event: str, form: str) -> None:
    notice = Notice("1", event, 1.0, "bank", "What happened.", "What to do.")
    text = body(notice, form, "https://app.example.com").decode()
    assert "What happened." in text
    assert f'"{event}: bank' not in text, "a title for people, not the event's name"
