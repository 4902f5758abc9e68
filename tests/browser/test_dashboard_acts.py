"""A person does all that the dashboard lets people do, on a whole stack, with JavaScript and without. In a real browser.

Each act is asked once, on a page that says what it will do; what became of it is on the page after it and in the ledger.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from shared.domain.documents import to_json
from shared.domain.notify.deliveries import DEAD, Delivery
from shared.domain.notify.notices import Notice
from shared.services.notify.outbox import path as path_of
from shared.ui.acts import DOINGS
from tests.browser.stage import (
    LONG,
    TORN,
    endpoint_of,
    in_canary,
    named,
    out_of_nodes,
    score,
    some_torn,
    ticket,
    until,
    violations,
    without_b,
)
from tests.support import browser
from tests.support.browser import Visit
from tests.support.live_stack import SMALL, LiveStack, live_stack, small_table

pytestmark = pytest.mark.slow
browser.needed()

ASKED = SMALL | {"dropml_approval": "required"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    with live_stack(tmp_path_factory.mktemp("acts"), budget=10, extra=LONG) as live:
        yield live


@dataclass
class Person:
    """Ada at the pages of one set of datasets; what was done is noted by the kind and the act."""

    visit: Visit
    live: LiveStack
    script: bool
    base: str

    def at(self, path: str) -> None:
        self.visit.page.goto(f"{self.base}{path}")

    def press(self, path: str, link: str, button: str, note: str = "", **fields: str) -> str:
        """From a page through its question to what is said then. The question, too, is in order."""
        page = self.visit.page
        self.at(path)
        page.get_by_role("link", name=f"{link}…").first.click()
        assert page.locator("h1").count() == 1
        assert violations(self.visit, script=self.script) == [], page.url
        self.visit.picture(
            f"act-{named(page.url.partition('/ask/')[2])}{'' if self.script else '-plain'}", whole=True
        )
        for label, value in fields.items():
            page.locator(f"[name={label}]").fill(value)
        if note:
            page.get_by_label("Why, for the ledger").fill(note)
        page.get_by_role("button", name=button, exact=True).click()
        return str(page.inner_text("[role=status]"))

    def id_there(self) -> str:
        """The run whose page this is."""
        return str(re.search(r"/runs/([^/?]+)", self.visit.page.url)[1])  # type: ignore[index]


@pytest.fixture(params=[True, False], ids=["script", "plain"])
def person(request: pytest.FixtureRequest, stack: LiveStack) -> Iterator[Person]:
    with browser.visiting(script=request.param, bypass_csp=request.param) as visit:
        visit.page.goto(ticket(stack))
        yield Person(visit, stack, request.param, f"{stack.running.api}/dashboard")
        assert visit.complaints == []
        assert [url for url in visit.requested if not url.startswith(stack.running.api)] == []


def mine(person: Person, name: str) -> str:
    """Its own dataset for each way of walking: an act is done once."""
    return name if person.script else f"{name}-plain"


def in_the_ledger(live: LiveStack, run_id: str) -> None:
    """Who did it is written down, as soon as the run is looked at."""
    deadline = time.monotonic() + 60
    while "Ada Lovelace" not in {e.get("actor") for e in live.get(f"/runs/{run_id}/ledger")["entries"]}:
        assert time.monotonic() < deadline, run_id
        time.sleep(0.3)


def test_a_rollout_is_held_promoted_and_rolled_back(person: Person) -> None:
    """And its model's threshold set, its endpoint called, its telemetry turned off, its pipeline run and cancelled."""
    shop, live, page = mine(person, "shop"), person.live, person.visit.page
    in_canary(live, shop)
    new = f"/runs/{shop}-2-a1"
    assert person.press(new, "Pause", "Pause", note="lunch") == "Paused."
    assert "Ada Lovelace paused it" in page.inner_text("main")
    assert person.press(f"{new}/rollout", "Resume", "Resume") == "It goes on."
    score(live, shop, "m1-a1", "m2-a1")
    the_endpoint_is_tried(person, endpoint_of(live, shop))
    assert person.press(new, "Promote", "Promote") == "All traffic goes to this version."
    until(live, f"{shop}-2-a1", "live")
    the_threshold_is_looked_at_and_set(person, f"{new}/model")
    back = f"Roll back to {shop}-1-a1"
    assert person.press(f"/datasets/{shop}", "Roll back", back, note="too eager") == "Rolled back."
    in_the_ledger(live, f"{shop}-2-a1")
    said = person.press(f"/datasets/{shop}", "Train anew", "Run the pipeline")
    assert said == "The pipeline was asked to run."
    assert (
        person.press(page.url.partition("/dashboard")[2], "Cancel", "Cancel it") == "It is being cancelled."
    )


def the_endpoint_is_tried(person: Person, name: str) -> None:
    page, path = person.visit.page, f"/endpoints/{name}"
    for word in ("off", "on"):
        said = person.press(path, f"Turn {word}", f"Turn {word}")
        assert said == f"It is being turned {word}."
        until_settled(person.live, name, enabled=word == "on")
    person.at(f"{path}/test")
    page.get_by_role("button", name="Score").click()
    assert '"result"' in page.inner_text("main")
    page.get_by_label("Rows").fill('{"data": [{"a": "old"}]}')
    page.get_by_role("button", name="Score").click()
    assert "invalid-rows" in page.inner_text("[role=alert]")
    calls_are_drawn(person, f"{path}/metrics")
    person.at(f"{path}/logs")
    page.get_by_label("Deployment").select_option("m2-a1")
    page.get_by_role("button", name="Show").click()
    assert "deployment=m2-a1" in page.url
    assert page.inner_text("pre") != ""


def until_settled(live: LiveStack, name: str, *, enabled: bool) -> None:
    deadline = time.monotonic() + 60
    while True:
        found = live.get(f"/endpoints/{name}")
        states = {each["state"] for each in found["deployments"]}
        if (found["app_insights_enabled"], states) == (enabled, {"Succeeded"}):
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.3)


def calls_are_drawn(person: Person, path: str) -> None:
    """What was called a moment ago stands in the hour, once it is written."""
    page, deadline = person.visit.page, time.monotonic() + 60
    person.at(path)
    while "Side by side" not in page.inner_text("main") or page.locator("svg.chart .bar").count() < 2:
        assert time.monotonic() < deadline, page.inner_text("main")
        time.sleep(0.5)
        page.reload()
    page.get_by_label("The last").select_option("168")
    page.get_by_role("button", name="Show").click()
    assert "hours=168" in page.url
    page.get_by_text("As a table").click()
    assert page.get_by_role("columnheader", name="p95 latency").first.is_visible()


def the_threshold_is_looked_at_and_set(person: Person, path: str) -> None:
    page = person.visit.page
    person.at(path)
    page.get_by_role("slider", name="Threshold").fill("0.2")
    if person.script:
        page.wait_for_function("document.getElementById('at-shown').textContent === '0.2'")
    else:
        page.locator("form.card").get_by_role("button", name="Show").click()
        assert "at=0.2" in page.url
    assert person.press(path, "Set another threshold", "Set it", threshold="0.4") == "The threshold is set."


def test_a_word_is_asked_for_and_given(person: Person) -> None:
    """Approved, the first version goes live; a schema that breaks is accepted, its version refused."""
    loan, live = mine(person, "loan"), person.live
    live.drop(f"{loan}.csv", small_table(5), metadata=ASKED)
    until(live, f"{loan}-1-a1", "awaiting_approval")
    person.at("")
    assert f"{loan}-1-a1 waits for your approval" in person.visit.page.inner_text("main")
    assert (
        person.press(f"/runs/{loan}-1-a1", "Approve", "Approve", note="looks right")
        == "Approved, in your name."
    )
    until(live, f"{loan}-1-a1", "live")
    person.at(f"/why/{loan}")
    assert "looks right" in person.visit.page.inner_text("main")
    live.drop(f"{loan}.csv", without_b(6), metadata=ASKED)
    until(live, f"{loan}-2-a1", "quarantined")
    said = person.press(f"/quarantine/{loan}-2-a1", "Accept the schema", "Accept the schema")
    assert said == "The schema is accepted."
    accepted = person.id_there()
    until(live, accepted, "awaiting_approval")
    assert person.press(f"/runs/{accepted}", "Reject", "Reject") == "Rejected, in your name."
    until(live, accepted, "rejected")
    in_the_ledger(live, accepted)


def test_refused_files_are_released_and_given_up_and_runs_cancelled_and_tried_again(person: Person) -> None:
    parts, torn, orders = (mine(person, name) for name in ("parts", "torn", "orders"))
    live, page = person.live, person.visit.page
    out_of_nodes(live, orders)
    live.drop(f"{orders}.csv", small_table(4), metadata=SMALL)
    live.drop(f"{parts}.csv", some_torn(8), metadata=SMALL)
    live.drop(f"{torn}.csv", TORN)
    until(live, f"{torn}-1-a1", "quarantined")
    assert person.press(f"/quarantine/{torn}-1-a1", "Discard", "Discard") == "Given up."
    person.at("/quarantine?decided=waiting")
    assert f"{torn}.csv" not in page.inner_text("main")
    until(live, f"{parts}-1-a1", "quarantined")
    assert person.press(f"/quarantine/{parts}-1-a1", "Release once", "Release") == "Released, this once."
    released = person.id_there()
    assert (
        person.press(f"/runs/{released}", "Cancel", "Cancel the run", note="a mistake")
        == "It is being cancelled."
    )
    until(live, released, "cancelled")
    until(live, f"{orders}-1-a1", "failed")
    assert person.press(f"/runs/{orders}-1-a1/failure", "Retry", "Retry") == "This is the new attempt."
    assert person.id_there() == f"{orders}-1-a2"
    in_the_ledger(live, f"{orders}-1-a2")


def test_a_lost_notification_is_sent_again_and_whoever_leaves_is_out(person: Person) -> None:
    notice = Notice(mine(person, "n"), "failed", time.time(), "orders", "Run orders-1-a1 failed.")
    lost = Delivery(
        mine(person, "d"), "hooks.example.com-1234", notice, time.time(), tries=10, trouble="It answered 404."
    )
    state = person.live.storage.get_container_client("dropml-state")
    state.upload_blob(path_of(DEAD, lost.id), json.dumps(to_json(lost)), overwrite=True)
    time.sleep(2.5)  # what waits to be told is listed once in two seconds
    assert person.press("/system", "Send again", "Send again") == "It is sent again within a minute."
    page = person.visit.page
    page.get_by_role("button", name="Sign out").click()
    assert page.get_by_role("heading", name="Sign in").is_visible()
    person.at("/runs")
    assert page.get_by_role("heading", name="Sign in").is_visible()
    person.visit.complaints.clear()  # the browser itself reports the 401


def test_there_is_nothing_else_to_do() -> None:
    """Whoever adds an act adds it to the walk."""
    walked = {
        "runs": {"retry", "cancel", "approve", "reject", "promote"},
        "datasets": {"rollback", "pause", "resume", "threshold"},
        "quarantine": {"release", "accept-schema", "discard"},
        "endpoints": {"app-insights-on", "app-insights-off"},
        "notifications": {"resend"},
        "pipelines": {"run", "cancel"},
    }
    assert set(DOINGS) == {(kind, act) for kind, acts in walked.items() for act in acts}
