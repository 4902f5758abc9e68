"""A person walks every view of the dashboard on a whole stack: light, dark, on a phone and a desk, with JavaScript and without.

`make browser`: it needs Chromium, and axe-core from web/package-lock.json; pictures go to SCREENSHOTS.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.browser.stage import (
    LONG,
    TORN,
    endpoint_of,
    in_canary,
    named,
    out_of_nodes,
    score,
    shuffled,
    ticket,
    until,
    violations,
    wider,
)
from tests.support import browser
from tests.support.live_stack import SMALL, LiveStack, live_stack, small_table

pytestmark = pytest.mark.slow
browser.needed()


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    """Nothing was dropped yet."""
    with live_stack(tmp_path_factory.mktemp("empty")) as live:
        yield live


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    """Runs that are live, in canary, rejected, refused, failed, and that wait for a person; a pipeline that ran."""
    with live_stack(tmp_path_factory.mktemp("dashboard"), budget=10, extra=LONG) as live:
        live.live("mail")
        live.drop("mail.csv", shuffled(), metadata=SMALL | {"dropml_approval": "none"})
        live.drop("torn.csv", TORN)
        out_of_nodes(live, "orders")
        live.drop("orders.csv", small_table(4), metadata=SMALL)
        live.drop("loan.csv", small_table(5), metadata=SMALL | {"dropml_approval": "required"})
        until(live, "mail-2-a1", "rejected")
        until(live, "torn-1-a1", "quarantined")
        until(live, "orders-1-a1", "failed")
        until(live, "loan-1-a1", "awaiting_approval")
        piped(live)
        in_canary(live, "shop")
        score(live, "shop", "m1-a1", "m2-a1")
        yield live


def piped(live: LiveStack) -> None:
    """The retraining pipeline of mail has run; what came of it is judged."""
    path = "/pipelines/mail/runs"
    request_id = live.request("POST", path, json={"max_trials": 2}).json()["id"]
    deadline = time.monotonic() + 240
    while (found := live.get(f"{path}/{request_id}"))["run_state"] not in (
        "canary",
        "live",
        "rejected",
        "failed",
    ):
        assert found["status"] not in ("failed", "cancelled"), found
        assert time.monotonic() < deadline, found
        time.sleep(0.5)


def addresses(live: LiveStack) -> list[str]:
    shop = f"/endpoints/{endpoint_of(live, 'shop')}"
    parts = ["", "/leaderboard", "/model", "/gate", "/rollout"]
    (pipeline,) = live.get("/pipelines/mail/runs")["items"]
    return [
        "", "/runs", "/runs?state=cancelled", "/runs?dataset=mail", *(f"/runs/shop-2-a1{part}" for part in parts),
        "/runs/shop-2-a1/model?class=yes&at=0.2", "/runs/shop-2-a1/leaderboard?by=seconds&order=desc", "/runs/mail-2-a1",
        "/runs/mail-2-a1/gate", "/runs/orders-1-a1", "/runs/orders-1-a1/failure", "/runs/torn-1-a1", "/runs/loan-1-a1",
        "/datasets/shop", "/datasets/mail", "/datasets/torn", "/datasets/loan", "/why/shop", "/why/mail", "/why/torn",
        "/quarantine", "/quarantine?decided=waiting", "/quarantine/torn-1-a1", "/pipelines", f"/pipelines/mail/{pipeline['id']}",
        "/system", "/system?examine=1", shop, *(f"{shop}/{part}" for part in ("test", "consume", "metrics", "logs")),
        f"{shop}/metrics?hours=168", "/ask/runs/orders-1-a1/retry", "/ask/runs/loan-1-a1/approve",
        "/ask/datasets/shop/threshold", "/nowhere", "/sign-in",
    ]  # fmt: skip


def walked(
    live: LiveStack, paths: list[str], width: int, scheme: str, *, script: bool, start: str = ""
) -> None:
    """Each page has one heading, fits the window, pleases axe, asks nobody else for anything, and complains of nothing."""
    with browser.visiting(width, scheme=scheme, script=script, bypass_csp=script) as visit:
        page, look = visit.page, f"{width}-{scheme}{'' if script else '-plain'}"
        page.goto(ticket(live))
        for path in paths:
            page.goto(f"{live.running.api}/dashboard{path}")
            visit.picture(f"{start}{named(path)}-{look}", whole=True)
            assert page.locator("h1").count() == 1, path
            assert wider(page) <= 0, path
            assert violations(visit, script=script) == [], path
        assert [url for url in visit.requested if not url.startswith(live.running.api)] == []
        assert [text for text in visit.complaints if "404" not in text] == []


@pytest.mark.parametrize("script", [True, False], ids=["script", "plain"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_every_page_is_in_order(stack: LiveStack, width: int, scheme: str, script: bool) -> None:
    walked(stack, addresses(stack), width, scheme, script=script)


@pytest.mark.parametrize("script", [True, False], ids=["script", "plain"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_where_nothing_is_the_pages_say_what_to_do(
    empty: LiveStack, width: int, scheme: str, script: bool
) -> None:
    paths = ["", "/runs", "/quarantine", "/pipelines", "/system"]
    walked(empty, paths, width, scheme, script=script, start="empty-")
