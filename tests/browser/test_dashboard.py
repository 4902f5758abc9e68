"""A person walks every view of the dashboard on a whole stack, and does what there is to do there. In a real browser.

`make browser`: it needs Chromium, and axe-core from web/package-lock.json; SCREENSHOTS names a folder for pictures.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support import browser
from tests.support.live_stack import SMALL, LiveStack, live_stack, small_table

pytestmark = pytest.mark.slow
browser.needed()

AXE = Path(__file__).resolve().parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
NO_NODES = "The compute cpu-cluster has no node of that size left in the region."


def shuffled() -> bytes:
    lines = small_table(3).decode().splitlines()
    dice = random.Random(1)
    return "\n".join(
        [lines[0], *(f"{row.rsplit(',', 1)[0]},{dice.choice(('yes', 'no'))}" for row in lines[1:])]
    ).encode()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    """Runs that are live, in canary, rejected, refused and failed."""
    extra = {"CANARY_SECONDS": "3600", "WATCH_SECONDS": "3600"}
    with live_stack(tmp_path_factory.mktemp("dashboard"), budget=10, extra=extra) as live:
        live.live("shop")
        live.live("mail")
        live.drop("mail.csv", shuffled(), metadata=SMALL | {"dropml_approval": "none"})
        live.drop("torn.csv", b"a,b,y\n1,2,yes\n1,2,3,4,no\n5\n")
        out_of_nodes(live)
        live.drop("orders.csv", small_table(4), metadata=SMALL)
        assert live.wait("mail", number=2, seconds=120)["state"] == "rejected"
        assert live.wait("torn")["state"] == "quarantined"
        assert live.wait("orders", seconds=120)["state"] == "failed"
        live.drop("shop.csv", small_table(7), metadata=SMALL)
        until_canary(live)
        yield live


def out_of_nodes(live: LiveStack) -> None:
    (secret,) = live.running.home.rglob("emulator.secret")
    fault = {"action": "status", "method": "PUT", "path": "/jobs/orders-", "count": 50, "status": 400}
    told = {"error": {"code": "UserError", "message": NO_NODES}}
    requests.post(
        f"https://localhost:{live.running.places.emulator_port}/_emulator/faults",
        json=fault | {"body": told},
        headers={"x-emulator-secret": secret.read_text().strip()},
        verify=live.running.places.ca,
        timeout=30,
    ).raise_for_status()


def until_canary(live: LiveStack) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if [run["state"] for run in live.runs() if run["run_id"] == "shop-2-a1"] == ["canary"]:
            return
        time.sleep(0.3)
    raise AssertionError("the second version of shop is not in its canary")


def ticket(live: LiveStack) -> str:
    return str(live.request("POST", "/session/ticket", json={"name": "Ada Lovelace"}).json()["url"])


def addresses(live: LiveStack) -> list[str]:
    endpoints = {d["dataset"]: d["endpoint"] for d in live.get("/datasets")["datasets"]}
    shop = f"/endpoints/{endpoints['shop']}"
    runs = ["", "/leaderboard", "/model", "/gate", "/rollout"]
    return [
        "", "/runs", *(f"/runs/shop-2-a1{part}" for part in runs), "/runs/mail-2-a1/gate", "/runs/orders-1-a1/failure",
        "/datasets/shop", "/why/shop", "/quarantine", "/quarantine/torn-1-a1", "/pipelines", "/system?examine=1",
        shop, *(f"{shop}/{part}" for part in ("test", "consume", "metrics", "logs")), "/ask/runs/orders-1-a1/retry", "/nowhere",
    ]  # fmt: skip


@pytest.mark.parametrize("script", [True, False], ids=["script", "plain"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_every_page_is_in_order(stack: LiveStack, width: int, scheme: str, script: bool) -> None:
    with browser.visiting(width, scheme=scheme, script=script, bypass_csp=script) as visit:
        page = visit.page
        page.goto(ticket(stack))
        for path in addresses(stack):
            page.goto(f"{stack.running.api}/dashboard{path}")
            assert page.locator("h1").count() == 1, path
            name = re.sub(r"\W+", "-", path).strip("-") or "home"
            visit.picture(f"{name}-{width}-{scheme}{'' if script else '-plain'}", whole=True)
            if script:
                assert wider(page) <= 0, path
                assert violations(page) == [], path
        strangers = [url for url in visit.requested if not url.startswith(stack.running.api)]
        assert strangers == []
        assert [text for text in visit.complaints if "404" not in text] == []


def wider(page: Any) -> int:
    """Pixels by which the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def violations(page: Any) -> list[str]:
    """What axe-core finds; it skips where it is not installed."""
    if not AXE.exists():
        return []
    page.evaluate(AXE.read_text(encoding="utf-8"))
    run = "axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map(v => v.id + ' ' + v.nodes[0].html))"
    found: list[str] = page.evaluate(run)
    return found


def press(page: Any, link: str, button: str) -> str:
    """From a page through its question; what is said then."""
    page.get_by_role("link", name=f"{link}…").first.click()
    page.get_by_role("button", name=button, exact=True).click()
    return str(page.inner_text("[role=status]"))


@pytest.mark.parametrize("script", [True, False], ids=["script", "plain"])
def test_what_there_is_to_do_is_done(stack: LiveStack, script: bool) -> None:
    """Each act is asked once, says what it will do, and stands in the ledger with the name."""
    with browser.visiting(script=script) as visit:
        page, base = visit.page, f"{stack.running.api}/dashboard"
        page.goto(ticket(stack))
        page.goto(f"{base}/datasets/mail")
        assert press(page, "Pause", "Pause") == "Paused."
        assert press(page, "Resume", "Resume") == "It goes on."
        endpoint = next(path for path in addresses(stack) if path.startswith("/endpoints/"))
        page.goto(f"{base}{endpoint}")
        word = "off" if page.get_by_role("link", name="Turn off…").count() else "on"
        assert press(page, f"Turn {word}", f"Turn {word}") == f"It is being turned {word}."
        page.goto(f"{base}{endpoint}/test")
        page.get_by_role("button", name="Score").click()
        assert '"result"' in page.inner_text("main")
        page.get_by_label("Rows").fill('{"data": [{"a": "old"}]}')
        page.get_by_role("button", name="Score").click()
        assert "invalid-rows" in page.inner_text("[role=alert]")
        if not script:
            return
        page.goto(f"{base}/runs/shop-2-a1/model")
        page.get_by_label("Threshold").fill("0.2")
        page.wait_for_function("document.getElementById('at-shown').textContent === '0.2'")
        page.goto(f"{base}/runs/shop-2-a1")
        assert press(page, "Promote", "Promote") == "All traffic goes to this version."
        page.goto(f"{base}/datasets/shop")
        assert press(page, "Roll back", "Roll back") == "The version before answers again."
        page.goto(f"{base}/runs/mail-2-a1")
        assert press(page, "Retry", "Retry") == "This is the new attempt."
        page.goto(f"{base}/quarantine/torn-1-a1")
        assert press(page, "Discard", "Discard") == "Given up."
        entries = stack.get("/runs/shop-2-a1/ledger")["entries"]
        assert "Ada Lovelace" in {entry["actor"] for entry in entries}
        assert visit.complaints == []
