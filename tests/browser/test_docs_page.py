"""A person opens /api/docs, gives the key, tries a call, and sees the result. In a real browser.

`python -m pytest -m slow tests/browser`: it needs Chromium (Debian: apt-get install chromium) and `pip install playwright`;
CHROMIUM names another binary, SCREENSHOTS a folder that gets pictures of each step.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.scoring_cloud import Cloud, cloud_in

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
]

pytestmark = pytest.mark.slow
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
if not CHROMIUM:
    pytest.skip("Chromium is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with cloud_in(tmp_path_factory.mktemp("browser")) as cloud:
        yield cloud


class Visit:
    """One page, what it asked the network for, and what it complained of."""

    def __init__(self, page: Any, folder: str | None) -> None:
        self.page = page
        self.requested: list[str] = []
        self.complaints: list[str] = []
        self._folder = folder
        page.on("request", lambda request: self.requested.append(request.url))
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _said(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def picture(self, name: str) -> None:
        if self._folder:
            Path(self._folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=str(Path(self._folder, f"{name}.png")))


@pytest.fixture
def visit() -> Iterator[Visit]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.set_default_timeout(15_000)
        yield Visit(page, os.environ.get("SCREENSHOTS"))
        browser.close()


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
