"""The live model meets each new file on a whole stack: wrong labels wait before anything is trained, honest ones go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.test_rollback import until
from tests.support.live_stack import SMALL, LiveStack, live_stack, small_table

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
ROWS = 1500
ANN = {"x-dropml-actor": "ann"}


def drop(live: LiveStack, data: bytes, number: int) -> str:
    """The run of the dataset's `number`-th file."""
    live.drop("shop.csv", data, metadata=SMALL)
    until(lambda: len(live.run_ids("shop")) == number, "the file has a run")
    return live.run_ids("shop")[0]


def turned(data: bytes) -> bytes:
    """The table with each label turned round."""
    return data.replace(b",yes\n", b",?\n").replace(b",no\n", b",yes\n").replace(b",?\n", b",no\n")


def test_wrong_labels_wait_before_training_and_what_the_gate_saw_can_be_asked(tmp_path: Path) -> None:
    with live_stack(tmp_path / "stack", extra={"CANARY_SECONDS": "1", "WATCH_SECONDS": "1"}) as live:
        first = drop(live, small_table(0, ROWS), 1)
        until(lambda: live.get(f"/runs/{first}")["state"] == "live", "the first is live", 180)

        wrong = drop(live, turned(small_table(1, ROWS)), 2)
        until(lambda: live.get(f"/runs/{wrong}")["state"] == "awaiting_approval", "a person is asked")
        held = live.get(f"/runs/{wrong}")
        assert held["training"] is None, "nothing was spent on it"
        assert held["approval"]["why"].startswith(
            "The file is suspicious: the champion reaches no better than"
        )
        assert live.request("POST", f"/runs/{wrong}/reject", headers=ANN).status_code == 202
        assert live.get(f"/runs/{wrong}")["state"] == "rejected"

        third = drop(live, small_table(2, ROWS), 3)
        until(lambda: live.get(f"/runs/{third}")["state"] == "live", "an honest file goes live", 180)
        points = live.get("/datasets/shop/performance")["points"]
        assert [(point["run_id"], point["champion"]) for point in points] == [(wrong, first), (third, first)]
        assert [point["suspicious"] is None for point in points] == [False, True]
        assert points[0]["value"] < 0.2
        assert points[1]["value"] > 0.9
        assert points[1]["metric"] == "AUC_weighted"

        diff = live.get(f"/runs/{third}/diff")
        assert (diff["champion_run"], diff["rows"]) == (first, points[1]["rows"])
        assert {segment["column"] for segment in diff["segments"]} == {"a", "b"}
        same = live.request("POST", f"/runs/{third}/gate").json()
        assert (same["differs"], same["did"]) == (False, same["would"])
        other = live.request("POST", f"/runs/{third}/gate", json={"metric": "accuracy", "margin": 0.2}).json()
        assert (other["would"]["numbers"]["metric"], other["changed"]) == ("accuracy", ["metric", "margin"])
