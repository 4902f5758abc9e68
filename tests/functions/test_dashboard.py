"""The dashboard's pages, as a person walks them; and whatever stands in data, nothing of it becomes part of a page."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions import pages
from shared import dashboard
from shared.domain.documents import to_json
from shared.domain.notify.deliveries import DEAD, Delivery
from shared.domain.notify.notices import Notice
from shared.domain.notify.receivers import Receiver
from shared.domain.run.documents import Run
from shared.domain.run.parts import RunProblem, Source, Trial, Trouble
from shared.domain.run.states import State
from shared.services.notify.outbox import path as path_of
from shared.services.quarantine.releasing import original
from shared.services.run import loop
from shared.services.ticks import Tick
from shared.ui.desk import Sending, SentItem
from tests.support import vendored
from tests.support.guest import BASE, Guest, Seen, guest_of
from tests.support.intake_front import Front

BROKEN = "a,b,y\n" + "1,2,yes\n3,4,no\n" * 60 + "1,2,3,4,no\n5\n"


def until_done(house: Front) -> None:
    for _ in range(60):
        loop.tick(house.world.context)
        house.world.clock.now += 60


def with_a_live_model() -> Front:
    house = Front()
    house.put("people.csv")
    house.drop("people.csv")
    until_done(house)
    return house


@pytest.fixture
def house() -> Front:
    """A live model, a file in quarantine, a run that failed."""
    house = with_a_live_model()
    house.put("broken.csv", BROKEN)
    house.drop("broken.csv")
    until_done(house)
    kept = original(house.world.run("broken-1-a1"))
    house.files.put("dropml-quarantine", kept, BROKEN.encode(), {})
    return house


def hurt(house: Front, run_id: str, **changes: object) -> Run:
    """The run as something else would have left it."""
    run, etag = house.world.store.load(run_id)
    return house.world.store.save(replace(run, **changes).record(house.world.clock(), "test"), etag)[0]  # type: ignore[arg-type]


def test_the_overview_begins_with_what_waits_for_a_person(guest: Guest) -> None:
    page = guest.page()
    assert page.text.index("Needs you") < page.text.index("Datasets")
    assert "broken.csv waits in quarantine" in page.text
    assert "people live" in page.text
    assert f"{BASE}/datasets/people" in page.links()


def test_a_run_answers_where_it_is_and_with_which_inputs(guest: Guest) -> None:
    page = guest.page("/runs/people-1-a1")
    for part in ("live", "incoming/people.csv", "training", "the chain holds", "people:1", "by blob-trigger"):
        assert part in page.text, part


def test_a_failure_opens_with_the_sentence_and_the_remedy(guest: Guest, house: Front) -> None:
    problem = RunProblem(
        "training-failed", "The AutoML job ended as Failed.", "Read the log.", failed_in=State.TRAINING
    )
    hurt(house, "people-1-a1", state=State.FAILED, problem=problem)
    page = guest.page("/runs/people-1-a1/failure")
    assert (
        page.text.index("The AutoML job ended")
        < page.text.index("Read the log.")
        < page.text.index("training-failed")
    )
    assert f"{BASE}/ask/runs/people-1-a1/retry" in page.links()
    answer = guest.press("/ask/runs/people-1-a1/retry")
    assert answer.headers["Location"] == f"{BASE}/runs/people-1-a2?done=runs.retry"


def test_every_link_of_every_page_leads_to_a_page(guest: Guest) -> None:
    seen: set[str] = set()
    pending = [BASE]
    while pending:
        path = pending.pop()
        if path in seen or not path.startswith(BASE) or path.startswith(f"{BASE}/static/"):
            continue
        seen.add(path)
        answer = guest.get(path.removeprefix(BASE))
        assert answer.status_code == 200, (path, answer.get_body())
        pending += Seen(answer.get_body().decode()).links()
    assert len(seen) > 12


def test_what_is_not_there_is_said_on_a_page(guest: Guest) -> None:
    for path in (
        "/runs/people-9-a1",
        "/datasets/nobody",
        "/nowhere",
        "/runs/x/y/z/w",
        "/ask/runs/people-1-a1/explode",
    ):
        assert "Not found" in guest.page(path, status=404).text
    assert guest.get("/runs?state=odd").status_code == 400


def test_a_page_that_nothing_moved_on_is_not_sent_again(guest: Guest, house: Front) -> None:
    house.put("more.csv")
    house.drop("more.csv")
    first = guest.get("/runs/more-1-a1")
    tag = first.headers["ETag"]
    assert tag.replace('"', "") in first.get_body().decode()
    assert guest.get("/runs/more-1-a1", if_none_match=tag).status_code == 304
    loop.tick(house.world.context)
    assert guest.get("/runs/more-1-a1", if_none_match=tag).status_code == 200


def test_each_page_carries_its_policy(guest: Guest) -> None:
    for path in ("", "/runs", "/nowhere", "/sign-in"):
        policy = guest.get(path).headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert guest.get(path).headers["Cache-Control"] == "no-store"


def test_files_of_the_pages_are_kept_and_compressed(guest: Guest) -> None:
    links = [
        attrs.get("href") or attrs.get("src") for tag, attrs in guest.page().tags if tag in ("link", "script")
    ]
    assert len(links) <= 5
    for link in filter(None, links):
        path = link.removeprefix(BASE).partition("?")[0]
        plain, packed = guest.get(path), guest.get(path, accept_encoding="gzip, br")
        assert "immutable" in plain.headers["Cache-Control"]
        assert packed.headers["Content-Encoding"] == "gzip"
        assert len(packed.get_body()) < len(plain.get_body())
    assert len((pages.STATIC / "style.css").read_bytes()) <= 10_000
    assert guest.get("/static/../dashboard.py").status_code == 404


# -- whatever stands in data ----------------------------------------------------------------------------------------------

#: What breaks out of a text, an attribute, a script, a comment, a template.
ODD = st.sampled_from(
    [
        '<b data-evil="1">', "'><img src=x data-evil=1>", '" data-evil="1', "' data-evil='1", "</code><script data-evil=1>",
        "</textarea><b data-evil>", "{{ 'zq' * 4 }}", "{% raw %}", "<!--", "]]>", "javascript:alert(1)", "&lt;b data-evil&gt;",
        "</title><b data-evil>",
    ]
)  # fmt: skip
TEXTS = st.lists(
    ODD | st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=12),
    min_size=1,
    max_size=4,
).map("".join)


def held(text: str) -> None:
    """Nothing but our own elements stands in the page, and none of them carries what data said."""
    page = Seen(text)
    for tag, attrs in page.tags:
        assert "data-evil" not in attrs, (tag, attrs)
        assert not any(name.startswith("on") for name in attrs), (tag, attrs)
        assert "style" not in attrs, (tag, attrs)
        assert tag != "img"
        for name in ("href", "src", "action"):
            assert attrs.get(name, "/api/").startswith(("/api/", "#", "/.auth/")), (tag, attrs)
        if tag == "script":
            assert attrs["src"].startswith(f"{BASE}/static/")
    assert "zqzqzqzq" not in text


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_nothing_that_data_says_becomes_part_of_a_page(data: st.DataObject) -> None:
    house = Front()
    house.put("people.csv")
    house.drop("people.csv")

    def word() -> str:
        return data.draw(TEXTS)

    with pytest.MonkeyPatch.context() as patch:
        guest = guest_of(house, patch)
        guest.sign_in()
        run = house.world.run("people-1-a1")
        assert run.snapshot
        columns = (replace(run.snapshot.schema.columns[0], name=word()), *run.snapshot.schema.columns[1:])
        schema = replace(run.snapshot.schema, label=word(), classes=(word(), word()), columns=columns)
        hurt(
            house,
            "people-1-a1",
            dataset=word(),
            source=Source("incoming", word(), word(), 1, word()),
            snapshot=replace(run.snapshot, schema=schema, warnings=(word(),)),
            trials=(Trial(word(), word(), word(), word(), 1.0, {"AUC_weighted": 0.5}),),
            trouble=Trouble(1, word(), 5.0),
            problem=RunProblem(word(), word(), word(), {"field": word(), word(): word()}, note=word()),
            waits_for=word(),
            waived=(word(),),
        )
        house.world.store.change_dataset("people", lambda found: replace(found, dataset=word()))
        for path in ("", "/runs", "/runs/people-1-a1", "/runs/people-1-a1/failure", "/runs/people-1-a1/leaderboard",
                     "/runs/people-1-a1/model", "/runs/people-1-a1/gate", "/runs/people-1-a1/rollout", "/quarantine",
                     "/pipelines",
                     "/datasets/people", "/ask/datasets/people/pause", "/ask/runs/people-1-a1/cancel"):  # fmt: skip
            held(guest.get(path).get_body().decode())


def test_what_pages_load_of_others_is_the_locked_packages_own() -> None:
    assert json.loads(vendored.RECORD.read_text()) == vendored.record()
    for path, to in vendored.FILES.items():
        source = vendored.WEB / "node_modules" / path
        if source.exists():  # `make vendor` or `make browser` has fetched it
            assert source.read_bytes() == (vendored.STATIC / to).read_bytes()


def test_a_refused_file_shows_its_line_and_is_released_once(guest: Guest, house: Front) -> None:
    page = guest.page("/quarantine/broken-1-a1")
    assert "1,2,3,4,no" in page.text
    assert "ragged-row" in page.text
    question = guest.page("/ask/quarantine/broken-1-a1/release")
    assert "waived for this file alone" in question.text
    answer = guest.press("/ask/quarantine/broken-1-a1/release", note="the fifth column is empty")
    released = answer.headers["Location"].removeprefix(f"{BASE}/runs/").partition("?")[0]
    assert house.world.run(released).cause == "release"
    decision = house.world.run("broken-1-a1").decision
    assert decision is not None
    assert decision.actor == "Ada Lovelace"
    assert "the fifth column is empty" in guest.page("/quarantine/broken-1-a1").text
    assert guest.press("/ask/quarantine/broken-1-a1/discard").status_code == 409


def test_a_refusal_that_a_corrected_file_has_answered_needs_nobody_any_more(
    guest: Guest, house: Front
) -> None:
    house.put("broken.csv")
    new = house.drop("broken.csv")
    assert "broken.csv waits in quarantine" not in guest.page().text
    assert "broken.csv" not in guest.page("/quarantine?decided=waiting").text
    assert "mended" in guest.page("/quarantine").text
    page = guest.page("/quarantine/broken-1-a1")
    assert "Mended: a later version of the file, or of its configuration, was taken" in page.text
    assert f"{BASE}/runs/{new}" in page.links()
    assert guest.press("/ask/quarantine/broken-1-a1/release").status_code == 409


def test_what_cannot_be_done_is_said_on_a_page(guest: Guest) -> None:
    for path, code in (
        ("/ask/runs/people-1-a1/approve", "not-awaiting-approval"),
        ("/ask/runs/people-1-a1/cancel", "not-open"),
        ("/ask/runs/people-1-a1/retry", "not-retryable"),
    ):
        answer = guest.press(path)
        assert answer.status_code == 409
        assert code in Seen(answer.get_body().decode()).text


def test_a_pipeline_is_asked_for_once_however_often_the_button_is_pressed(guest: Guest) -> None:
    fields = guest.page("/ask/pipelines/people/run").fields()
    first, second = (guest.post("/ask/pipelines/people/run", fields) for _ in range(2))
    assert first.headers["Location"] == second.headers["Location"]
    assert "people" in guest.page("/pipelines").text


@pytest.mark.parametrize(
    "once", [None, "", "a/b", "../../runs/x", "a\x00", "a\x1b[2J", "x" * 65, "\u00fc", "a b", "%2e%2e"]
)
def test_a_form_names_itself_as_a_request_may_be_named(once: str | None, house: Front, guest: Guest) -> None:
    fields = guest.page("/ask/pipelines/people/run").fields()
    before = dict(house.world.docs.blobs)
    sent = {name: value for name, value in (fields | {"once": once}).items() if value is not None}
    answer = guest.post("/ask/pipelines/people/run", sent)
    assert answer.status_code == 400
    assert "press the button there" in answer.get_body().decode()
    assert house.world.docs.blobs == before


def test_the_link_of_every_notification_is_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    house = Front()
    house.world.receivers = (Receiver("json", "https://hooks.example.com/x"),)
    house.put("people.csv")
    house.drop("people.csv")
    house.put("broken.csv", BROKEN)
    house.drop("broken.csv")
    until_done(house)
    house.put("more.csv")
    house.drop("more.csv")
    problem = RunProblem("training-failed", "It ended.", "Read the log.", failed_in=State.TRAINING)
    hurt(house, "more-1-a1", state=State.DROPPED)
    run, etag = house.world.store.load("more-1-a1")
    house.world.store.save(run.advance(State.FAILED, house.world.clock(), problem=problem), etag)
    guest = guest_of(house, monkeypatch)
    guest.sign_in()
    found = [house.world.docs.get(path) for path in house.world.docs.list("outbox/pending/")]
    notices = {each[0]["notice"]["event"]: each[0]["notice"]["link"] for each in found if each}
    assert set(notices) == {"live", "quarantined", "failed"}
    assert notices["failed"] == f"{BASE}/runs/more-1-a1/failure"
    assert notices["quarantined"].startswith(f"{BASE}/quarantine/")
    for link in notices.values():
        assert link.startswith(BASE)
        guest.page(link.removeprefix(BASE))


def dead_letter(house: Front) -> str:
    """A notification that could not be delivered; its id."""
    outbox = house.world.store.outbox
    notice = Notice("n1", "failed", house.world.clock(), "people", "Run people-1-a1 failed.")
    given_up = Delivery("d1", "hooks.example.com-1234", notice, house.world.clock(), tries=10)
    ended = replace(given_up, trouble="It answered 404.", ended_at=house.world.clock())
    outbox.documents.put(path_of(DEAD, "d1"), to_json(ended))
    return ended.id


def test_the_system_s_page_tells_of_timers_notifications_and_telemetry(
    guest: Guest, house: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = guest.page("/system")
    for part in ("advance was not seen yet", "Nobody is told", "None waits, none was lost.", "None is sent"):
        assert part in page.text, part
    name = dead_letter(house)
    sent = SentItem(house.world.clock(), "request", "POST /api/score", "trace-1")
    monkeypatch.setattr(dashboard, "_sending", lambda: Sending(True, 41, 3, (sent,)))
    house.world.store.write("ticks/advance.json", Tick(house.world.clock()))
    dashboard.settled().moved()  # two seconds later
    page = guest.page("/system")
    for part in (
        "advance came", "1 could not be delivered", "Run people-1-a1 failed.", "It answered 404. tries: 10",
        "has taken 41 items of this process, and 3 were lost", "request POST /api/score trace-1",
    ):  # fmt: skip
        assert part in page.text, part
    answer = guest.press(f"/ask/notifications/{name}/resend")
    assert answer.headers["Location"] == f"{BASE}/system?done=notifications.resend"
    assert "1 to be sent" in guest.page("/system").text
    assert guest.get("/ask/notifications/nobody/resend").status_code == 404
