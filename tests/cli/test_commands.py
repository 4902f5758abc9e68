"""The command line against an app that answers what a test says: words, exit codes, what goes where."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dropml.cli import dropping, page, target
from dropml.cli.app import main
from dropml.cli.stopping import Code, Stop
from dropml.client import Client
from tests.support.api_standin import KEY, Answers, Api, api

ROOT = Path(__file__).resolve().parents[2]
Started = Callable[[Answers], Api]


def a_run(state: str, **more: Any) -> dict[str, Any]:
    return {
        "run_id": "bank-1-a1", "dataset": "bank", "slug": "bank", "state": state, "snapshot": None, "trials": [],
        "best": None, "gate": None, "placement": None, "problem": None, "history": [], "created_at": 1.0,
        "error": None, "best_algorithm": None, "AUC_weighted": None,
        "source": {"container": "incoming", "blob": "bank.csv", "etag": "e", "content_hash": "h"},
    } | more  # fmt: skip


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Started]:
    """A folder without a stack, no configuration, and an app that the environment names."""
    for name in ("DROPML_URL", "DROPML_KEY", "DROPML_STORAGE", "DROPML_CONTAINER", "DROPML_ACTOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(target, "HOME", tmp_path / "nowhere")
    monkeypatch.chdir(tmp_path)
    running = []

    def start(answers: Answers) -> Api:
        context = api(answers)
        standin = context.__enter__()
        running.append(context)
        monkeypatch.setenv("DROPML_URL", standin.url)
        monkeypatch.setenv("DROPML_KEY", KEY)
        return standin

    yield start
    for context in running:
        context.__exit__(None, None, None)


class TestWhatIsPrinted:
    def test_data_goes_to_stdout_and_all_else_to_stderr(
        self, app: Started, capfd: pytest.CaptureFixture[str]
    ) -> None:
        standin = app({"GET /runs": {"runs": [a_run("live")], "cursor": None}})
        assert main(["runs", "--state", "live", "--limit", "3", "-o", "json"]) == 0
        out, err = capfd.readouterr()
        assert [run["run_id"] for run in json.loads(out)] == ["bank-1-a1"]
        assert err == ""
        assert "state=live" in standin.asked[0].path
        assert "limit=3" in standin.asked[0].path

    def test_lines_of_json_are_one_a_thing_over_all_pages(
        self, app: Started, capfd: pytest.CaptureFixture[str]
    ) -> None:
        first = {"runs": [a_run("live"), a_run("live")], "cursor": "next"}
        app({"GET /runs": [first, {"runs": [a_run("failed")], "cursor": None}]})
        assert main(["runs", "-o", "jsonl"]) == 0
        assert [json.loads(line)["state"] for line in capfd.readouterr().out.splitlines()] == [
            "live",
            "live",
            "failed",
        ]

    def test_an_empty_list_names_the_next_command_and_prints_nothing(
        self, app: Started, capfd: pytest.CaptureFixture[str]
    ) -> None:
        app({"GET /runs": {"runs": [], "cursor": None}})
        assert main(["runs"]) == 0
        out, err = capfd.readouterr()
        assert out == ""
        assert "dropml drop" in err
        assert main(["runs", "--quiet"]) == 0
        assert capfd.readouterr() == ("", "")

    def test_nothing_that_the_app_says_steers_the_terminal(
        self, app: Started, capfd: pytest.CaptureFixture[str]
    ) -> None:
        problem = {"message": "evil \033]0;title\007 text", "remedy": "x\rY"}
        app({"GET /runs/bank-1-a1": a_run("failed", problem=problem)})
        assert main(["show", "bank-1-a1"]) == 0
        said = "".join(capfd.readouterr())
        assert "\033" not in said
        assert "\\x1b]0;title" in said

    def test_a_table_is_plain_where_nobody_looks(
        self, app: Started, capfd: pytest.CaptureFixture[str]
    ) -> None:
        app({"GET /runs": {"runs": [a_run("live"), a_run("failed", error="No rows.")], "cursor": None}})
        assert main(["runs"]) == 0
        head, first, second = capfd.readouterr().out.splitlines()
        assert head.split() == ["RUN_ID", "STATE", "AGE", "BEST_ALGORITHM", "METRIC", "SCORE", "WHY"]
        assert first.split()[:2] == ["bank-1-a1", "live"]
        assert second.endswith("No rows.")


class TestExitCodes:
    @pytest.mark.parametrize(
        ("state", "code"),
        [
            ("live", Code.OK),
            ("quarantined", Code.QUARANTINED),
            ("failed", Code.FAILED),
            ("rejected", Code.REJECTED),
            ("cancelled", Code.ERROR),
            ("rolled_back", Code.ERROR),
        ],
    )
    def test_a_run_s_end_is_one(
        self, state: str, code: int, app: Started, capfd: pytest.CaptureFixture[str]
    ) -> None:
        app({"GET /runs/bank-1-a1": [a_run("training"), a_run(state)]})
        assert main(["watch", "bank-1-a1"]) == code
        out, err = capfd.readouterr()
        assert f"state  {state}" in out
        assert "training" in err

    def test_a_run_that_takes_too_long_is_6(self, app: Started, capfd: pytest.CaptureFixture[str]) -> None:
        app({"GET /runs/bank-1-a1": a_run("training")})
        assert main(["watch", "bank-1-a1", "--timeout", "0.1"]) == Code.TIMEOUT
        assert "Next: " in capfd.readouterr().err

    def test_a_wrong_key_is_7_and_says_where_it_came_from(
        self, app: Started, capfd: pytest.CaptureFixture[str]
    ) -> None:
        app({})
        assert main(["runs", "--key", "wrong"]) == Code.UNAUTHORISED
        err = capfd.readouterr().err
        assert "DROPML_URL" in err
        assert "wrong" not in err
        assert "Next: " in err

    def test_a_wrong_word_is_2(self, app: Started, capfd: pytest.CaptureFixture[str]) -> None:
        assert main(["runs", "--limit", "many"]) == Code.USAGE
        assert main(["frobnicate"]) == Code.USAGE
        assert "--help" in capfd.readouterr().err

    def test_a_refusal_is_the_service_s_own_sentence(
        self, app: Started, capfd: pytest.CaptureFixture[str]
    ) -> None:
        problem = {
            "title": "Conflict",
            "detail": "bank-1-a1 is live.",
            "remedy": "Roll it back.",
            "code": "refused",
        }
        app({"POST /runs/bank-1-a1/retry": (409, problem)})
        assert main(["retry", "bank-1-a1"]) == Code.ERROR
        err = capfd.readouterr().err
        assert err.startswith("bank-1-a1 is live. Roll it back. (HTTP 409)\nNext: ")

    def test_rows_that_do_not_fit_are_told_one_a_line(
        self, app: Started, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        errors = [
            {"code": "missing-field", "message": 'Field "age" is missing.', "row": 0, "field": "age"},
            {"code": "wrong-width", "message": "Row 3 has 2 values;\n5 columns are named.", "row": 3},
            {"code": "duplicate-field", "message": 'Column "a" is named twice.', "field": "a"},
        ]
        problem = {"detail": "It is missing. (2 more)", "remedy": "Correct them.", "code": "invalid-rows"}
        app({"POST /score/bank": (422, problem | {"errors": errors})})
        (tmp_path / "rows.csv").write_text("a\n1\n")
        assert main(["score", "bank", str(tmp_path / "rows.csv")]) == Code.ERROR
        assert capfd.readouterr().err.splitlines()[:4] == [
            "It is missing. (2 more) Correct them. (HTTP 422)",
            '  row 0, age: Field "age" is missing.',
            "  row 3: Row 3 has 2 values; 5 columns are named.",
            '  a: Column "a" is named twice.',
        ]

    def test_the_next_command_can_be_pasted_whatever_the_dataset_s_name(
        self, app: Started, capfd: pytest.CaptureFixture[str]
    ) -> None:
        name = "bank's $(date) file"
        app({"GET /runs/bank-1-a1": a_run("live", dataset=name)})
        assert main(["show", "bank-1-a1"]) == 0
        (said,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("Next: ")]
        assert shlex.split(said)[1:] == ["dropml", "score", name, "FILE"]

    def test_nobody_there_is_1_with_the_command_that_starts_it(
        self, app: Started, capfd: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["runs", "--url", "http://127.0.0.1:9"]) == Code.ERROR
        assert "Next: make up" in capfd.readouterr().err
        os.environ.pop("DROPML_URL", None)
        assert main(["runs"]) == Code.ERROR
        assert "DROPML_URL" in capfd.readouterr().err

    def test_what_answers_and_is_no_app_is_told(
        self, app: Started, capfd: pytest.CaptureFixture[str]
    ) -> None:
        app({"GET /runs": "<html>hello</html>"})
        assert main(["runs"]) == Code.ERROR
        assert "is this DropML?" in capfd.readouterr().err

    def test_an_app_that_is_away_for_a_moment_ends_no_wait(self, app: Started) -> None:
        away = (503, {"detail": "Storage is away.", "code": "storage-unavailable"})
        app({"GET /runs/bank-1-a1": [a_run("training"), away, away, a_run("live")]})
        assert main(["watch", "bank-1-a1", "-q"]) == Code.OK


class TestActs:
    @pytest.mark.parametrize(
        ("words", "path", "body"),
        [
            (["cancel", "r-1", "--note", "no"], "/runs/r-1/cancel", {"note": "no"}),
            (["approve", "r-1"], "/runs/r-1/approve", None),
            (["reject", "r-1"], "/runs/r-1/reject", None),
            (["promote", "r-1"], "/runs/r-1/promote", None),
            (["rollback", "a b", "--to", "r-0"], "/datasets/a%20b/rollback", {"to": "r-0"}),
            (["pause", "bank", "--note", "n"], "/datasets/bank/pause", {"note": "n"}),
            (["resume", "bank"], "/datasets/bank/resume", None),
            (["quarantine", "discard", "r-1"], "/quarantine/r-1/discard", None),
        ],
    )
    def test_each_is_one_call_in_its_caller_s_name(
        self, words: list[str], path: str, body: Any, app: Started, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DROPML_ACTOR", "Ann")
        standin = app({f"POST {path}": {"run_id": None, "id": "r-1", "action": "discard", "actor": "Ann"}})
        assert main([*words, "-q"]) == 0
        (asked,) = standin.asked
        assert asked.path == path
        assert asked.headers["x-dropml-actor"] == "Ann"
        assert (asked.json if asked.body else None) == body

    @pytest.mark.parametrize(
        ("decision", "said"),
        [
            ({"action": "mended", "actor": "dropml", "run_id": "r-2"}, "mended by dropml: r-2"),
            ({"action": "discard", "actor": "Ann", "run_id": None}, "discard by Ann"),
        ],
    )
    def test_a_refused_file_tells_what_became_of_it(
        self, decision: Any, said: str, app: Started, capsys: pytest.CaptureFixture[str]
    ) -> None:
        problem = {"code": "invalid-config", "message": "m", "remedy": "r", "where": {}, "changes": []}
        source = {"container": "incoming", "blob": "b.yaml"}
        found = {"problem": problem, "source": source, "lines": [], "decision": decision, "actions": []}
        app({"GET /quarantine/r-1": found})
        assert main(["quarantine", "show", "r-1", "--output", "table"]) == 0
        assert said in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("words", "body"),
        [
            (["0.3"], {"threshold": 0.3}),
            (["--none"], {"threshold": None}),
            (["--maximise", "f1", "--note", "why"], {"maximise": "f1", "note": "why"}),
            (["--min-recall", "0.9"], {"min_recall": 0.9}),
        ],
    )
    def test_a_threshold_is_a_number_none_or_a_rule(self, words: list[str], body: Any, app: Started) -> None:
        told = {
            "dataset": "bank",
            "model": "bank:1",
            "says": "x",
            "pending": False,
            "in_force": {"reported_on": None},
        }
        path = "/datasets/bank/threshold"
        standin = app({f"POST {path}": told, f"GET {path}": told})
        assert main(["threshold", "bank", *words]) == 0
        assert standin.asked[0].json == body
        assert main(["threshold", "bank"]) == 0
        assert standin.asked[1].method == "GET"

    def test_rows_are_scored_as_they_are_given(
        self, app: Started, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        standin = app({"POST /score/bank": "prediction\nyes\n"})
        rows = tmp_path / "rows.csv"
        rows.write_text("a,b\n1,2\n")
        assert main(["score", "bank", str(rows), "--proba"]) == 0
        assert capfd.readouterr().out == "prediction\nyes\n"
        assert standin.asked[0].headers["content-type"] == "text/csv"
        assert "proba=true" in standin.asked[0].path
        standin.answers["POST /score/bank"] = {"result": ["yes", "no"]}
        rows.write_text('{"data": [{"a": 1}]}')
        assert main(["score", "bank", str(rows), "-o", "jsonl"]) == 0
        assert capfd.readouterr().out.splitlines() == ['{"prediction": "yes"}', '{"prediction": "no"}']
        assert standin.asked[1].headers["content-type"] == "application/json"
        assert main(["score", "bank", str(tmp_path / "absent.csv")]) == Code.USAGE


class TestWhichApp:
    def test_flags_win_over_the_environment_that_wins_over_the_stack_that_wins_over_the_file(
        self, app: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "config" / "dropml" / "config.toml"
        file.parent.mkdir(parents=True)
        file.write_text(
            '[default]\nurl = "https://a.example"\nkey = "k"\n[other]\nurl = "https://o.example/api"\n'
        )
        file.chmod(0o600)
        assert target.find() == target.Target(
            "https://a.example/api", "k", "", "incoming", f"{file}, [default]"
        )
        stack = tmp_path / ".dropml"
        stack.mkdir()
        (stack / "stack.json").write_text(json.dumps({"host_url": "http://127.0.0.1:7071", "storage": "s"}))
        (stack / "keys.json").write_text('{"default": "local"}')
        found = target.find()
        assert found is not None
        assert (found.base, found.key, found.storage) == ("http://127.0.0.1:7071/api", "local", "s")
        assert found.local
        monkeypatch.setenv("DROPML_URL", "https://env.example")
        monkeypatch.setenv("DROPML_KEY", "env")
        assert [t.base for t in map(target.find, ["", "https://flag.example/"]) if t] == [
            "https://env.example/api",
            "https://flag.example/api",
        ]
        chosen = target.find(profile="other", key="mine")
        assert chosen is not None
        assert (chosen.base, chosen.key) == ("https://o.example/api", "mine")

    def test_a_file_that_others_can_read_is_refused_with_the_command_that_mends_it(
        self, app: Started, tmp_path: Path
    ) -> None:
        file = tmp_path / "config" / "dropml" / "config.toml"
        file.parent.mkdir(parents=True)
        file.write_text('[default]\nurl = "https://a.example"\n')
        file.chmod(0o644)
        with pytest.raises(Stop, match="can be read by others") as stop:
            target.find()
        assert stop.value.then == f"chmod 600 {file}"
        file.chmod(0o600)
        with pytest.raises(Stop, match="no profile 'nope'"):
            target.find(profile="nope")
        with pytest.raises(Stop, match="no address"):
            target.find("ftp://x")


def test_how_live_models_did_is_a_line_a_file(app: Started, capfd: pytest.CaptureFixture[str]) -> None:
    point = {
        "run_id": "bank-2-a1",
        "at": 1.0,
        "champion": "bank-1-a1",
        "metric": "AUC_weighted",
        "value": 0.94,
    }
    app({"GET /datasets/bank/performance": {"points": [point | {"low": 0.9, "high": None, "rows": 50}]}})
    assert main(["performance", "bank"]) == 0
    _, line = capfd.readouterr().out.splitlines()
    assert line.split()[-5:] == ["AUC_weighted", "0.94", "0.9", "-", "50"]


class TestDrop:
    def test_what_comes_of_a_file_is_the_batch_of_this_very_version(self, app: Started) -> None:
        """The same name may have been dropped a second ago: its batch is another one."""
        dropped = dropping.Dropped("incoming", "bank.score.csv", "0x2", "sha", 100.0)
        before = {
            "id": "before",
            "dropped": "incoming/bank.score.csv",
            "dropped_etag": "0x1",
            "created_at": 99.0,
        }
        now = before | {"id": "now", "dropped_etag": "0x2", "created_at": 100.0}
        asked = {"batch": 1, "dropped": None, "dropped_etag": None, "id": "asked", "created_at": 101.0}
        standin = app({
            "GET /runs": {"runs": [], "cursor": None},
            "GET /quarantine": {"files": []},
            "GET /batches": [{"batches": [asked, before]}, {"batches": [asked, now, before]}],
        })  # fmt: skip
        with Client(f"{standin.url}/api", KEY) as client:
            search = dropping.Search(client, dropped)
            assert search.look() is None
            assert search.look() == dropping.Came("batch", "now")

    def test_nothing_is_dropped_where_nobody_could_be_asked_what_comes_of_it(
        self, app: Started, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        app({"GET /runs": {"runs": [], "cursor": None}})
        (tmp_path / "a.csv").write_text("a,y\n1,2\n")
        assert main(["drop", "absent.csv"]) == Code.USAGE
        assert main(["drop", "a.csv", "--key", "wrong"]) == Code.UNAUTHORISED
        assert main(["drop", "a.csv", "--set", "nonsense"]) == Code.USAGE
        assert main(["drop", "a.csv", "--label", "größe"]) == Code.USAGE
        assert "NAME.yaml" in capfd.readouterr().err
        assert main(["drop", "a.csv"]) == Code.ERROR
        assert "Next: set DROPML_STORAGE" in capfd.readouterr().err

    @pytest.mark.parametrize(
        ("file", "name", "blob", "dataset"),
        [
            ("x/bank.csv", "", "bank.csv", "bank"),
            ("bank.CSV.GZ", "other", "other.CSV.GZ", "other"),
            ("bank.tsv", "other.tsv", "other.tsv", "other"),
            ("bank.score.csv", "", "bank.score.csv", "bank"),
            ("bank.yaml", "a.b", "a.b.yaml", ""),
        ],
    )
    def test_a_name_keeps_the_file_s_ending(self, file: str, name: str, blob: str, dataset: str) -> None:
        assert dropping.name_of(Path(file), name) == blob
        assert dropping.dataset_of(blob) == dataset


class TestDoctor:
    def test_findings_of_here_and_there_with_what_mends_them(
        self, app: Started, capfd: pytest.CaptureFixture[str]
    ) -> None:
        finding = {
            "check": "queues",
            "status": "failed",
            "message": "No.",
            "remedy": "az role assignment create",
        }
        standin = app(
            {"GET /health": {}, "GET /doctor": {"healthy": False, "findings": [finding], "seconds": 1}}
        )
        assert main(["doctor", "--quota"]) == Code.ERROR
        out, err = capfd.readouterr()
        assert "queues" in out
        assert "queues: az role assignment create" in err
        assert "quota=true" in standin.asked[-1].path
        standin.answers["GET /doctor"] = {"healthy": True, "findings": [], "seconds": 1}
        assert main(["doctor", "-o", "json"]) == Code.OK
        assert {one["status"] for one in json.loads(capfd.readouterr().out)} == {"ok"}

    def test_a_wrong_key_is_a_finding_and_its_exit_code(
        self, app: Started, capfd: pytest.CaptureFixture[str]
    ) -> None:
        app({"GET /health": {}})
        assert main(["doctor", "--key", "wrong"]) == Code.UNAUTHORISED
        assert "refuses the key" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("answer", "address"),
    [
        ({"url": "http://here/api/dashboard/enter?ticket=t"}, "http://here/api/dashboard/enter?ticket=t"),
        ((400, {"detail": "Elsewhere.", "code": "sign-in-elsewhere"}), "/api/dashboard"),
        ((404, None), "/api/docs"),
    ],
)
def test_the_page_is_opened_by_a_ticket_and_never_by_the_key(
    answer: Any, address: str, app: Started, capfd: pytest.CaptureFixture[str]
) -> None:
    app({"POST /session/ticket": answer})
    assert main(["open", "--print", "-o", "json"]) == 0
    said = json.loads(capfd.readouterr().out)["url"]
    assert said.endswith(address)
    assert KEY not in said


def test_help_loads_nothing_that_it_doesn_t_need() -> None:
    script = (
        "import sys\nfrom dropml.cli.app import main\nmain(['--help'])\nprint(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = set(done.stderr.split())
    heavy = {
        "requests",
        "azure.core",
        "azure.identity",
        "pydantic",
        "rich",
        "psutil",
        "numpy",
        "dropml.stack",
    }
    assert heavy & loaded == set()
    for name in ("drop", "doctor", "quarantine", "azureml", "pipeline"):
        assert f"\n  {name} " in done.stdout


def test_the_page_is_what_the_commands_say() -> None:
    assert page.page() == (ROOT / "docs" / "cli.md").read_text(encoding="utf-8"), "run `make docs`"


def test_the_thin_client_s_packages_are_those_that_the_wheel_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {text.partition(">")[0] for text in project["dependencies"]}
    assert names == {"typer", "requests", "azure-storage-blob", "azure-identity"}
