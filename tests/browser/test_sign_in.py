"""A person signs in to the dashboard with a key, in a real browser; without JavaScript a ticket does it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from tests.support import browser
from tests.support.scoring_cloud import Cloud, cloud_in

browser.needed()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with cloud_in(tmp_path_factory.mktemp("dashboard")) as cloud:
        yield cloud


def test_a_key_signs_in_and_stands_nowhere(cloud: Cloud) -> None:
    with browser.visiting() as visit:
        page = visit.page
        page.goto(f"{cloud.api}/dashboard/runs/bank-1-a1")
        page.get_by_label("Your name").fill("Ada Lovelace")
        page.get_by_label("Function key").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_text("This key is not accepted.").wait_for()
        page.get_by_label("Function key").fill(cloud.key)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="bank-1-a1").wait_for()
        assert page.url == f"{cloud.api}/dashboard/runs/bank-1-a1"
        assert page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length") == 0
        assert not any(cloud.key in url for url in visit.requested)
        assert [url for url in visit.requested if not url.startswith(cloud.host.url)] == []
        assert [text for text in visit.complaints if "401" not in text] == []
        page.get_by_role("button", name="Sign out").click()
        page.get_by_label("Function key").wait_for()


def test_without_javascript_a_ticket_does_it(cloud: Cloud) -> None:
    asked = requests.post(
        f"{cloud.api}/session/ticket", headers=cloud.headers, json={"name": "Ada"}, timeout=30
    )
    with browser.visiting(script=False) as visit:
        visit.page.goto(f"{cloud.api}/dashboard")
        assert "session/ticket" in visit.page.inner_text("main")
        visit.page.goto(asked.json()["url"])
        assert visit.page.get_by_role("heading", name="Overview").is_visible()
        visit.page.get_by_role("link", name="bank", exact=True).first.click()
        visit.page.get_by_role("link", name="Pause…").click()
        visit.page.get_by_role("button", name="Pause", exact=True).click()
        assert "Paused." in visit.page.inner_text("main")
