"""What a visitor of the dashboard finds: a whole stack with a run of each kind, and the way in."""

from __future__ import annotations

import random
import re
import time
from pathlib import Path
from typing import Any

import requests

from tests.support.browser import Visit
from tests.support.live_stack import SMALL, LiveStack, small_table

AXE = Path(__file__).resolve().parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
NO_NODES = "The compute cpu-cluster has no node of that size left in the region."
#: A canary and its watch last until somebody acts.
LONG = {"CANARY_SECONDS": "3600", "WATCH_SECONDS": "3600"}
TORN = b"a,b,y\n1,2,yes\n1,2,3,4,no\n5\n"


def shuffled() -> bytes:
    """Labels that follow nothing: the model learned of them is worse than the live one."""
    lines = small_table(3).decode().splitlines()
    dice = random.Random(1)
    return "\n".join(
        [lines[0], *(f"{row.rsplit(',', 1)[0]},{dice.choice(('yes', 'no'))}" for row in lines[1:])]
    ).encode()


def some_torn(seed: int) -> bytes:
    """More bad lines than a file may have, with enough good ones to train on."""
    return small_table(seed) + b"1,2,3,4,no\n5\n7,8,9,yes\n"


def without_b(seed: int) -> bytes:
    """The table without a column that the live model asks for."""
    rows = [line.split(",") for line in small_table(seed).decode().splitlines()]
    return ("\n".join(f"{a},{y}" for a, _, y in rows) + "\n").encode()


def out_of_nodes(live: LiveStack, dataset: str) -> None:
    """Whatever the dataset asks to be trained is refused, in the service's words."""
    (secret,) = live.running.home.rglob("emulator.secret")
    fault = {"action": "status", "method": "PUT", "path": f"/jobs/{dataset}-", "count": 50, "status": 400}
    told = {"error": {"code": "UserError", "message": NO_NODES}}
    requests.post(
        f"https://localhost:{live.running.places.emulator_port}/_emulator/faults",
        json=fault | {"body": told},
        headers={"x-emulator-secret": secret.read_text().strip()},
        verify=live.running.places.ca,
        timeout=30,
    ).raise_for_status()


def until(live: LiveStack, run_id: str, state: str, seconds: float = 180) -> None:
    deadline, seen = time.monotonic() + seconds, ""
    while time.monotonic() < deadline:
        found = live.request("GET", f"/runs/{run_id}")
        seen = found.json()["state"] if found.status_code == 200 else ""
        if seen == state:
            return
        time.sleep(0.3)
    raise AssertionError(f"{run_id} is {seen or 'not there'} after {seconds} s, not {state}")


def in_canary(live: LiveStack, dataset: str) -> None:
    """A live version, and another one that has a share of the traffic."""
    live.live(dataset)
    live.drop(f"{dataset}.csv", small_table(7), metadata=SMALL)
    until(live, f"{dataset}-2-a1", "canary")


def score(live: LiveStack, dataset: str, *deployments: str) -> None:
    """Callers come until each of these deployments has answered some of them, and that is written down."""
    body = {"data": [{"a": 7, "b": 13}, {"a": 90, "b": 100}]}
    path = f"/endpoints/{endpoint_of(live, dataset)}/traffic"
    deadline = time.monotonic() + 120
    while not set(deployments) <= set(live.get(path)["whole"]["deployments"]):
        assert time.monotonic() < deadline, live.get(path)
        for _ in range(20):
            assert live.request("POST", f"/score/{dataset}", json=body).status_code == 200


def endpoint_of(live: LiveStack, dataset: str) -> str:
    found = {each["dataset"]: each["endpoint"] for each in live.get("/datasets")["datasets"]}
    return str(found[dataset])


def ticket(live: LiveStack) -> str:
    """An address that signs in once, as `dropml open` asks for it."""
    return str(live.request("POST", "/session/ticket", json={"name": "Ada Lovelace"}).json()["url"])


def wider(page: Any) -> int:
    """Pixels by which the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def violations(visit: Visit, *, script: bool) -> list[str]:
    """What axe-core finds on the page, which lets scripts pass its policy; nothing where it is not installed.

    axe waits for timers, which a page without JavaScript has none of: then its elements are looked at, as they are, in a
    page that has.
    """
    if not AXE.exists():
        return []
    if script:
        return _axe(visit.page)
    shown = re.sub(
        r"<script\b.*?</script>|<meta http-equiv[^>]*>|</?noscript>",
        "",
        visit.page.content(),
        flags=re.DOTALL,
    )
    url = visit.page.url
    visit.mirror.route(url, lambda route: route.fulfill(body=shown, content_type="text/html"))
    visit.mirror.goto(url)
    visit.mirror.unroute(url)
    return _axe(visit.mirror)


def _axe(page: Any) -> list[str]:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    run = "axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map(v => v.id + ' ' + v.nodes[0].html))"
    found: list[str] = page.evaluate(run)
    return found


def named(path: str) -> str:
    """A path of the dashboard as a picture is called."""
    return re.sub(r"\W+", "-", path).strip("-") or "home"
