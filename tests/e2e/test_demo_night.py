"""The demo's night: a rejection, a quarantine with its release, and a rollback, as the terminal and the report tell them."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

import pytest

from dropml.cli.demo_night import LACKING, Night, shuffled, without
from dropml.cli.sample import write_synthetic
from dropml.client import Client
from tests.support.live_stack import live_stack


def table(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


def test_the_wrong_files_are_wrong_in_one_thing_alone(tmp_path: Path) -> None:
    data = write_synthetic(tmp_path / "bank.csv", 500).read_bytes()
    sound, mixed, lacking = table(data), table(shuffled(data)), table(without(data, LACKING))
    assert [row[:-1] for row in mixed] == [row[:-1] for row in sound]
    assert Counter(row[-1] for row in mixed) == Counter(row[-1] for row in sound)
    assert [row[-1] for row in mixed] != [row[-1] for row in sound]
    some = table(shuffled(data, 0.25))
    assert 0 < sum(row != before for row, before in zip(some, sound, strict=True)) < 125
    at = sound[0].index(LACKING)
    assert lacking == [row[:at] + row[at + 1 :] for row in sound]


@pytest.mark.e2e
@pytest.mark.slow
def test_a_night_on_a_whole_stack(tmp_path: Path) -> None:
    said: list[str] = []
    with live_stack(tmp_path / "stack") as live:
        running = live.running
        with Client(running.api, running.key, "night engineer") as api:
            seen = Night(running.storage, api, said.append, tmp_path).walk()
            kept = api.get("/quarantine/shop-3-a1")
            champion = next(one["champion"] for one in api.datasets() if one["dataset"] == "shop")
    assert (seen["rejection"]["run_id"], seen["rejection"]["state"]) == ("shop-2-a1", "rejected")
    assert seen["quarantine"]["state"] == "quarantined"
    assert LACKING in seen["quarantine"]["reason"]
    assert seen["quarantine"]["released_as"] == "shop-3-a2"
    assert (kept["run_id"], champion) == ("shop-3-a1", "shop-1-a1")
    assert seen["quarantine"]["released_state"] == "live"
    assert seen["rollback"]["run_id"] == "shop-1-a1"
    assert seen["rollback"]["ms"] < 10_000
    assert "Rolled back: shop-1-a1 answers callers again" in said[-1]
