"""Callers send other rows than the model was trained on: it is seen, told, and two versions are trained on together."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.support.live_stack import SMALL, live_stack, small_table

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
CONFIG = b"retrain: {on_drift: 1 of 1, data: last 2 versions}\ndrift: {min_rows: 100}\n"


def until(holds: Callable[[], bool], what: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.5)


def test_other_rows_are_drift_and_bring_a_model_of_both_versions(tmp_path: Path) -> None:
    settings = {"CANARY_SECONDS": "1", "WATCH_SECONDS": "1", "DRIFT_WINDOW_MINUTES": "0.1"}
    with live_stack(tmp_path / "stack", extra=settings) as live:
        live.live("shop")
        live.drop("shop.yaml", CONFIG)
        live.drop("shop.csv", small_table(1), metadata=SMALL)
        second = live.wait("shop", number=2, seconds=120)["run_id"]
        until(lambda: live.get("/datasets/shop")["upkeep"]["retrain"]["data"] == 2, "the configuration holds")
        rows = [{"a": 101 + i % 40, "b": 5} for i in range(300)]
        answers: list[requests.Response] = []

        def score(some: list[dict[str, int]]) -> str:
            answers.append(live.request("POST", "/score/shop", json=some))
            assert answers[-1].status_code == 200, answers[-1].text
            return answers[-1].headers["x-dropml-run"]

        until(lambda: score(rows[:1]) == second, "the second version answers")
        assert score(rows) == second
        until(lambda: bool(live.get("/datasets/shop/drift")["windows"]), "the window is judged")
        (window, *_) = live.get("/datasets/shop/drift")["windows"]
        assert window["drifted"]
        assert window["rows"] >= 300
        assert {"a", "b"} <= {column["name"] for column in window["columns"] if column["drifted"]}
        until(lambda: len(live.run_ids("shop")) == 3, "it is trained anew")
        run = live.wait("shop", number=3, seconds=180)
        assert run["cause"] == "drift"
        assert len(run["snapshot"]["joined"]) == 2
        assert run["state"] in ("live", "rejected"), run["problem"]
        decision = live.get("/datasets/shop")["retraining"]["started"]
        assert decision["run_id"] == run["run_id"]
        assert "2 versions" in decision["reason"]
