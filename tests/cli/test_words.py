"""What a command says, once a person or a script reads it closely: one document, the right code, the hour's zone."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from dropml.cli import output, watch
from dropml.cli.app import main
from dropml.cli.stopping import Code
from dropml.client import Client
from tests.cli.test_commands import Started, a_run
from tests.cli.test_commands import app as app  # noqa: PLC0414 - the fixture

ACTED = {"run_id": "bank-1-a1", "state": "training", "actor": "Ann", "note": ""}
BANK = {
    "dataset": "bank", "slug": "bank", "champion": "bank-1-a1", "open_runs": [], "versions": 1, "endpoint": "bank-x",
    "model": "bank:1", "traffic": {"m1-a1": 100}, "problem": None, "paused": None, "asleep": False,
}  # fmt: skip


@pytest.mark.parametrize("act", ["cancel", "approve", "reject", "promote"])
def test_a_script_that_waits_reads_one_document(
    act: str, app: Started, capfd: pytest.CaptureFixture[str]
) -> None:
    app({f"POST /runs/bank-1-a1/{act}": ACTED, "GET /runs/bank-1-a1": a_run("live")})
    main([act, "bank-1-a1", "--wait", "-o", "json"])
    assert json.loads(capfd.readouterr().out)["state"] == "live"


def test_quiet_keeps_progress_back_and_no_data(app: Started, capfd: pytest.CaptureFixture[str]) -> None:
    app({"POST /runs/bank-1-a1/cancel": ACTED})
    assert main(["cancel", "bank-1-a1", "-q", "-o", "json"]) == Code.OK
    assert json.loads(capfd.readouterr().out) == ACTED


def test_what_was_cancelled_as_asked_is_no_error(app: Started) -> None:
    app({"POST /runs/bank-1-a1/cancel": ACTED, "GET /runs/bank-1-a1": a_run("cancelled")})
    assert main(["cancel", "bank-1-a1", "--wait", "-q"]) == Code.OK
    assert main(["watch", "bank-1-a1", "-q"]) == Code.ERROR, "somebody else has cancelled it"


def test_why_asks_for_its_dataset_alone_and_makes_up_no_metric(
    app: Started, capfd: pytest.CaptureFixture[str]
) -> None:
    standin = app(
        {
            "GET /datasets/bank": {"dataset": BANK},
            "GET /runs/bank-1-a1": a_run("live", best={"algorithm": "KNN", "metrics": {}}),
            "GET /runs/bank-1-a1/leaderboard": {"primary_metric": "AUC_weighted", "trials": [{}, {}]},
            "GET /runs/bank-1-a1/ledger": {"entries": [], "broken_at": None},
        }
    )
    assert main(["why", "bank"]) == Code.OK
    out = capfd.readouterr().out
    assert "KNN, best of 2\n" in out
    assert "0.00000" not in out
    assert [asked.path for asked in standin.asked if asked.path.startswith("/datasets?")] == []


def test_a_paused_dataset_is_listed_as_paused(app: Started, capfd: pytest.CaptureFixture[str]) -> None:
    paused = BANK | {"dataset": "shop", "paused": {"actor": "Ann", "at": 1.0, "note": ""}}
    new = BANK | {"dataset": "new", "champion": None}
    app(
        {
            "GET /datasets": {
                "datasets": [BANK, paused, BANK | {"dataset": "idle", "asleep": True}, new],
                "cursor": None,
            }
        }
    )
    assert main(["datasets"]) == Code.OK
    states = [line.split()[:2] for line in capfd.readouterr().out.splitlines()[1:]]
    assert states == [["bank", "live"], ["shop", "paused"], ["idle", "asleep"], ["new", "-"]]


@pytest.mark.parametrize("option", ["--version", "-h"])
def test_what_every_command_has(option: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([option]) == Code.OK
    assert "dropml" in capfd.readouterr().out


def test_two_wishes_that_exclude_each_other_are_a_usage_error(
    app: Started, capfd: pytest.CaptureFixture[str]
) -> None:
    standin = app({})
    assert main(["threshold", "bank", "0.3", "--none"]) == Code.USAGE
    assert "not both" in capfd.readouterr().err
    assert standin.asked == []


def test_a_profile_that_nobody_wrote_is_a_usage_error(app: Started) -> None:
    app({})
    assert main(["runs", "--profile", "nope"]) == Code.USAGE


@pytest.mark.parametrize(("seconds", "text"), [(95, "1 min"), (5399, "1 h"), (86_399, "23 h"), (3.9, "3 s")])
def test_an_age_is_that_of_the_pages(seconds: float, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_000_000.0)
    assert output.age(1_000_000.0 - seconds) == text


class TestWatchingAll:
    @pytest.fixture
    def once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Somebody who looks once and presses Ctrl-C."""

        def interrupted(_: float) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(time, "sleep", interrupted)

    EVIL: Any = a_run("failed", error="evil \033]0;title\007")

    def test_nothing_that_a_run_says_steers_the_terminal(
        self, once: None, app: Started, capfd: pytest.CaptureFixture[str]
    ) -> None:
        app({"GET /runs": {"runs": [self.EVIL], "cursor": None}})
        assert main(["watch"]) == Code.OK
        out = capfd.readouterr().out
        assert "\033" not in out
        assert out.partition(" ")[0].endswith("Z"), "the zone of the hour"

    def test_a_script_reads_lines_of_json(
        self, once: None, app: Started, capfd: pytest.CaptureFixture[str]
    ) -> None:
        app({"GET /runs": {"runs": [self.EVIL], "cursor": None}})
        assert main(["watch", "-o", "jsonl"]) == Code.OK
        assert [json.loads(line)["state"] for line in capfd.readouterr().out.splitlines()] == ["failed"]

    def test_an_app_that_is_away_is_said_beside_the_data(
        self, once: None, capfd: pytest.CaptureFixture[str]
    ) -> None:
        with Client("http://127.0.0.1:9/api", "k") as api, pytest.raises(KeyboardInterrupt):
            watch.watch_all(api)
        out, err = capfd.readouterr()
        assert out == ""
        assert "no answer" in err
