"""A person opens /api/docs, gives the key, tries a call, and sees the result. In a real browser.

`python -m pytest -m slow tests/browser`: it needs Chromium (Debian: apt-get install chromium) and `pip install playwright`;
CHROMIUM names another binary, SCREENSHOTS a folder that gets pictures of each step.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import browser
from tests.support.browser import Visit
from tests.support.scoring_cloud import Cloud, cloud_in

pytestmark = pytest.mark.slow
browser.needed()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with cloud_in(tmp_path_factory.mktemp("browser")) as cloud:
        yield cloud


@pytest.fixture
def visit() -> Iterator[Visit]:
    with browser.visiting() as visit:
        yield visit


def test_open_authorize_try_see(cloud: Cloud, visit: Visit) -> None:
    page = visit.page
    page.goto(f"{cloud.api}/docs")
    visit.picture("1-gate")
    assert not any("swagger.json" in url for url in visit.requested)
    assert page.locator(".opblock").count() == 0

    page.get_by_label("Function key").fill("wrong")
    page.get_by_role("button", name="Open").click()
    page.get_by_text("This key is not accepted.").wait_for()
    visit.picture("2-wrong-key")
    assert page.locator(".opblock").count() == 0
    visit.complaints.clear()  # the browser itself reports the 401

    page.get_by_label("Function key").fill(cloud.key)
    page.get_by_label("Function key").press("Enter")
    page.get_by_text("Score rows with the live model of bank").wait_for()
    visit.picture("3-open")
    assert page.locator(".opblock").count() > 10

    score = page.locator("#operations-scoring-scoreBank")
    score.locator(".opblock-summary-control").click()
    text = score.locator("textarea").input_value()
    assert '"age": 57' in text, "the real example row stands in the box"
    score.get_by_role("button", name="Execute").click()
    score.locator(".live-responses-table").wait_for()
    score.locator(".live-responses-table").scroll_into_view_if_needed()
    answer = score.locator(".live-responses-table").inner_text()
    visit.picture("4-result")
    assert "200" in answer
    assert '"result"' in answer
    assert '"yes"' in answer
    assert cloud.endpoint.seen, "the call went through to the endpoint"

    score.locator("textarea").fill('{"data": [{"age": "old"}]}')
    score.get_by_role("button", name="Execute").click()
    page.get_by_text("invalid-rows").first.wait_for()
    visit.picture("5-problem")

    strangers = [url for url in visit.requested if not url.startswith((cloud.host.url, "data:"))]
    assert strangers == []
    assert [text for text in visit.complaints if "422" not in text] == []


def test_reloading_forgets_the_key(cloud: Cloud, visit: Visit) -> None:
    page = visit.page
    page.goto(f"{cloud.api}/docs")
    page.get_by_label("Function key").fill(cloud.key)
    page.get_by_role("button", name="Open").click()
    page.locator(".opblock").first.wait_for()
    page.reload()
    page.get_by_label("Function key").wait_for()
    assert page.locator(".opblock").count() == 0
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
