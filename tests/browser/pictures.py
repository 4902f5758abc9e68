"""The documents' pictures, taken anew: `python -m tests.browser.pictures` writes docs/pictures.

Of a stack with made-up customers of a bank; the hours before are written into its state, for it has lived for minutes alone.
It needs what `make browser` needs, and pngquant.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from dropml.cli.demo_night import shuffled, without
from dropml.cli.sample import write_synthetic
from shared.domain.canary import Tally
from shared.domain.documents import to_json
from shared.services.monitoring.hours import FOLDER, Counts
from tests.browser.stage import LONG, endpoint_of, out_of_nodes, ticket, until
from tests.support import browser
from tests.support.live_stack import LiveStack, live_stack

TO = Path(__file__).resolve().parents[2] / "docs" / "pictures"
#: What people drop.
BANK = {"dropml_label": "y", "dropml_max_trials": "8"}
WIDTH, DATASET = 1100, "bankmarketing"


class Shot(NamedTuple):
    """A picture of so many pixels' height, from the element that is named on."""

    name: str
    path: str
    height: int
    scheme: str = "light"
    start: str = ""


def shots(live: LiveStack) -> list[Shot]:
    endpoint = f"/endpoints/{endpoint_of(live, DATASET)}"
    (pipeline,) = live.get("/pipelines/churn/runs")["items"]
    return [
        Shot("overview", "", 880), Shot("dataset", f"/datasets/{DATASET}", 900), Shot("run", f"/runs/{DATASET}-1-a1", 900),
        Shot("leaderboard", f"/runs/{DATASET}-1-a1/leaderboard", 620), Shot("model", f"/runs/{DATASET}-1-a1/model", 700),
        Shot("weighs", f"/runs/{explained(live)}/model", 560, start="#weighs"),
        Shot("threshold", f"/runs/{DATASET}-1-a1/model", 520, start="#threshold"),
        Shot("gate", f"/runs/{DATASET}-2-a1/gate", 720, "dark"), Shot("rollout", f"/runs/{DATASET}-2-a1/rollout", 520),
        Shot("failure", "/runs/orders-1-a1/failure", 480), Shot("quarantine", "/quarantine/houses-1-a1", 560),
        Shot("endpoint", endpoint, 560), Shot("test", f"{endpoint}/test", 760), Shot("consume", f"{endpoint}/consume", 760),
        Shot("metrics", f"{endpoint}/metrics", 740), Shot("logs", f"{endpoint}/logs", 480),
        Shot("pipelines", "/pipelines", 300), Shot("pipeline", f"/pipelines/churn/{pipeline['id']}", 520),
        Shot("why", f"/why/{DATASET}", 560),
    ]  # fmt: skip


def explained(live: LiveStack) -> str:
    """A run whose training had time for an explanation."""
    runs = (f"{DATASET}-1-a1", f"{DATASET}-2-a1", "churn-1-a1")
    return next(run for run in runs if live.request("GET", f"/runs/{run}/explanation").status_code == 200)


def stage(live: LiveStack, folder: Path) -> None:
    """A live model with a canary beside it, one that a pipeline trained anew, a failure, a refused file."""
    bank = write_synthetic(folder / "bank.csv", 6000).read_bytes()
    more = write_synthetic(folder / "more.csv", 8000, seed=8).read_bytes()
    live.drop(f"{DATASET}.csv", shuffled(bank, 0.25), metadata=BANK)
    live.drop("churn.csv", write_synthetic(folder / "churn.csv", 1500, seed=9).read_bytes(), metadata=BANK)
    live.drop("houses.csv", b"rooms,area,y\n3,70,yes\n4,80,90,no\n2\n", metadata=BANK)
    out_of_nodes(live, "orders")
    live.drop("orders.csv", without(bank, "duration"), metadata=BANK)
    until(live, f"{DATASET}-1-a1", "live", 400)
    until(live, "churn-1-a1", "live", 400)
    live.request("POST", "/pipelines/churn/runs", json={"max_trials": 4}).raise_for_status()
    live.drop(f"{DATASET}.csv", more, metadata=BANK)
    until(live, f"{DATASET}-2-a1", "canary", 400)
    deadline = time.monotonic() + 400
    while (found := live.get("/pipelines/churn/runs")["items"][0])["status"] not in ("completed", "failed"):
        if found["run_state"] in ("canary", "awaiting_approval"):
            break
        assert time.monotonic() < deadline, found
        time.sleep(1)
    called(live)


def called(live: LiveStack) -> None:
    """Some hundred calls now, and a day of them before."""
    example = live.get(f"/runs/{DATASET}-1-a1")["snapshot"]["schema"]["example"]
    for _ in range(300):
        live.request("POST", f"/score/{DATASET}", json={"data": example[:2]}).raise_for_status()
    now, days = time.time(), dict[str, dict[str, dict[str, Tally]]]()
    for ago in range(1, 24):
        at, tally = datetime.fromtimestamp(now - ago * 3600, UTC), Tally()
        for call in range(int(260 + 220 * math.sin((at.hour - 9) * math.pi / 12))):
            tally.answered(0.03 if call % 25 == 0 else 0.008, None, 2)
        for _ in range(9 if ago == 6 else 0):
            tally.failed()
        days.setdefault(f"{at:%Y-%m-%d}", {})[f"{at:%H}"] = {"m1-a1": tally}
    state = live.storage.get_container_client("dropml-state")
    for day, hours in days.items():
        state.upload_blob(
            f"{FOLDER}{DATASET}/{day}/before.json", json.dumps(to_json(Counts(hours))), overwrite=True
        )
    time.sleep(8)


def small(path: Path) -> None:
    """In 32 colours, a third of its size."""
    pngquant = shutil.which("pngquant") or sys.exit(
        "pngquant is not installed (Debian: apt-get install pngquant)."
    )
    subprocess.run([pngquant, "--force", "--output", path, "--speed", "1", "32", path], check=True)


def take(live: LiveStack, shot: Shot) -> None:
    with browser.visiting(WIDTH, scheme=shot.scheme) as visit:
        page = visit.page
        page.goto(ticket(live))
        page.goto(f"{live.running.api}/dashboard{shot.path}")
        top = page.locator(shot.start).bounding_box()["y"] - 24 if shot.start else 0
        path = TO / f"{shot.name}.png"
        whole = page.evaluate("document.documentElement.scrollHeight")
        clip = {"x": 0, "y": top, "width": WIDTH, "height": min(shot.height, whole - top)}
        page.screenshot(path=str(path), full_page=True, clip=clip)
        small(path)


def docs_page(live: LiveStack) -> None:
    with browser.visiting(WIDTH) as visit:
        page, path = visit.page, TO / "swagger.png"
        page.goto(f"{live.running.api}/docs")
        page.get_by_label("Function key").fill(live.running.key)
        page.get_by_role("button", name="Open").click()
        page.get_by_text(f"Score rows with the live model of {DATASET}").wait_for()
        page.screenshot(path=str(path), clip={"x": 0, "y": 0, "width": WIDTH, "height": 620})
        small(path)


def main() -> int:
    browser.needed()
    with (
        tempfile.TemporaryDirectory(prefix="dropml-pictures-") as folder,
        live_stack(Path(folder) / "stack", budget=60, extra=LONG) as live,
    ):
        stage(live, Path(folder))
        for shot in shots(live):
            take(live, shot)
        docs_page(live)
    return 0


if __name__ == "__main__":
    sys.exit(main())
