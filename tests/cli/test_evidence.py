"""`dropml diff` and `dropml logs`: what they show, of what, and how they end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dropml.cli import target
from dropml.cli.app import main
from dropml.cli.commands import evidence
from dropml.cli.stopping import Code
from tests.support.api_standin import KEY, Api, api

FLIP = {
    "row": 17, "truth": "yes", "champion": "yes", "challenger": "no",
    "champion_probability": 0.71, "challenger_probability": 0.55, "values": None,
}  # fmt: skip
SEGMENT = {
    "column": "job", "value": "admin", "rows": 40, "flips": 9, "challenger": 0.7, "champion": 0.9,
    "worse": True, "better": False,
}  # fmt: skip
DIFF = {
    "run_id": "bank-2-a1", "champion_run": "bank-1-a1", "at": 1.0, "rows": 200, "holdout": "new", "label": "y",
    "flips": 2, "lost": 2, "won": 0, "shown": [FLIP, FLIP | {"row": 30}], "measure": "accuracy",
    "segments": [SEGMENT],
}  # fmt: skip


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Api]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(target, "HOME", tmp_path / "nowhere")
    monkeypatch.setattr(evidence, "NEAR", 0.0)
    monkeypatch.chdir(tmp_path)
    with api({}) as standin:
        monkeypatch.setenv("DROPML_URL", standin.url)
        monkeypatch.setenv("DROPML_KEY", KEY)
        yield standin


class TestDiff:
    def test_segments_come_before_the_rows_that_flip(
        self, app: Api, capfd: pytest.CaptureFixture[str]
    ) -> None:
        app.answers["GET /runs/bank-2-a1/diff"] = DIFF
        assert main(["diff", "bank-2-a1", "--limit", "1"]) == Code.OK
        out = capfd.readouterr().out
        assert "champion  bank-1-a1" in out
        segment = next(line for line in out.splitlines() if line.startswith("job"))
        assert segment.split() == ["job", "admin", "40", "9", "0.9", "0.7", "worse"]
        rows = out.partition("Rows that flip")[2].splitlines()
        assert rows[2].split() == ["17", "yes", "yes", "no", "0.71", "0.55"]
        assert len(rows) == 3

    def test_json_is_the_whole_and_a_line_of_json_a_row(
        self, app: Api, capfd: pytest.CaptureFixture[str]
    ) -> None:
        app.answers["GET /runs/bank-2-a1/diff"] = DIFF
        assert main(["diff", "bank-2-a1", "-o", "json"]) == Code.OK
        assert json.loads(capfd.readouterr().out) == DIFF
        assert main(["diff", "bank-2-a1", "-o", "jsonl"]) == Code.OK
        assert [json.loads(line)["row"] for line in capfd.readouterr().out.splitlines()] == [17, 30]

    def test_a_first_version_has_nothing_to_differ_from(
        self, app: Api, capfd: pytest.CaptureFixture[str]
    ) -> None:
        app.answers["GET /runs/bank-1-a1/diff"] = DIFF | {"champion_run": None, "shown": [], "flips": 0}
        assert main(["diff", "bank-1-a1"]) == Code.OK
        out, err = capfd.readouterr()
        assert "Nothing was live" in err
        assert "Segments" not in out

    def test_a_run_that_was_not_compared_is_1_in_the_app_s_own_words(
        self, app: Api, capfd: pytest.CaptureFixture[str]
    ) -> None:
        problem = {"detail": "The run has no prediction diff: it is training.", "code": "no-evidence"}
        app.answers["GET /runs/bank-3-a1/diff"] = (404, problem)
        assert main(["diff", "bank-3-a1"]) == Code.ERROR
        err = capfd.readouterr().err
        assert "no prediction diff" in err
        assert "Next: " in err


class TestLogs:
    def test_a_run_s_log_is_data_and_whose_it_is_is_not(
        self, app: Api, capfd: pytest.CaptureFixture[str]
    ) -> None:
        log = {"run_id": "bank-1-a1", "of": "job bank-1-a1", "log": "one\nt\x1b]0;x\x07wo\n"}
        app.answers["GET /runs/bank-1-a1/logs"] = log
        assert main(["logs", "bank-1-a1"]) == Code.OK
        out, err = capfd.readouterr()
        assert out == "one\nt\\x1b]0;x\\x07wo\n"
        assert "job bank-1-a1:" in err
        app.answers["GET /runs/bank-2-a1/logs"] = log | {"log": ""}
        assert main(["logs", "bank-2-a1"]) == Code.OK
        assert "is empty" in capfd.readouterr().err
        assert main(["logs", "bank-1-a1", "-o", "json"]) == Code.OK
        assert json.loads(capfd.readouterr().out) == log

    def test_an_endpoint_s_is_found_by_its_name_and_by_a_deployment_s(
        self, app: Api, capfd: pytest.CaptureFixture[str]
    ) -> None:
        app.answers["GET /endpoints/bank-e/logs"] = {"endpoint": "bank-e", "deployment": "v2", "log": "up"}
        assert main(["logs", "bank-e"]) == Code.OK
        assert capfd.readouterr().out == "up\n"
        assert main(["logs", "bank-e", "--deployment", "v1"]) == Code.OK
        assert app.asked[-1].path == "/endpoints/bank-e/logs?deployment=v1"

    def test_what_is_neither_is_1_and_names_the_lists(
        self, app: Api, capfd: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["logs", "nobody"]) == Code.ERROR
        assert "neither a run nor an endpoint" in capfd.readouterr().err

    def test_a_wrong_key_and_a_service_away_are_no_missing_log(
        self, app: Api, capfd: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["logs", "bank-1-a1", "--key", "wrong"]) == Code.UNAUTHORISED
        app.answers["GET /runs/bank-1-a1/logs"] = (502, {"detail": "Azure is away."})
        assert main(["logs", "bank-1-a1"]) == Code.ERROR
        assert "Azure is away" in capfd.readouterr().err

    def test_following_prints_each_line_once_and_ends_with_the_run(
        self, app: Api, capfd: pytest.CaptureFixture[str]
    ) -> None:
        def look(text: str) -> Any:
            return {"run_id": "bank-1-a1", "of": "job bank-1-a1", "log": text}

        app.answers |= {
            "GET /runs/bank-1-a1/logs": [look("a\nb"), look("b\nc"), look("c\nd")],
            "GET /runs/bank-1-a1": [{"state": "training"}, {"state": "live"}],
        }
        assert main(["logs", "bank-1-a1", "-f"]) == Code.OK
        assert capfd.readouterr().out.split() == ["a", "b", "c", "d"]


def test_a_log_that_was_begun_anew_is_shown_whole() -> None:
    assert evidence.fresh(["a", "b"], ["x", "y"]) == ["x", "y"]
    assert evidence.fresh(["a", "b"], ["a", "b"]) == []
    assert evidence.fresh([], ["a"]) == ["a"]
