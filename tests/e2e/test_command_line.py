"""The command line against a live stack: each end of a file is an exit code, and the data are on stdout."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from dropml.cli import target
from dropml.cli.app import main
from dropml.cli.stopping import Code
from tests.snippets import live
from tests.snippets.pages import ROOT, Snippet, snippets
from tests.snippets.reader import Reader
from tests.support.live_stack import LiveStack, live_stack, small_table

pytestmark = pytest.mark.e2e
#: Two trials of a second or two each.
SMALL = ["--set", "timeout_minutes=1", "--set", "max_trials=2", "--timeout", "240"]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    with live_stack(tmp_path_factory.mktemp("stack") / ".dropml") as running:
        yield running


@pytest.fixture
def folder(stack: LiveStack, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the stack was started: the commands find it there."""
    for name in ("DROPML_URL", "DROPML_KEY", "DROPML_STORAGE"):
        monkeypatch.delenv(name, raising=False)
    found = stack.running.home.parent
    monkeypatch.chdir(found)
    monkeypatch.setattr(target, "HOME", found / "nowhere")
    return found


def test_every_end_of_a_file_is_an_exit_code(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def told(*words: str) -> tuple[int, Any]:
        code = main([*words, "-o", "json", "-q"])
        out = capfd.readouterr().out
        return code, json.loads(out) if out else None

    (folder / "people.csv").write_bytes(small_table())
    (folder / "empty.csv").write_text("a,y\n")
    (folder / "waits.csv").write_bytes(small_table(7))
    (folder / "book.xlsx").write_bytes(b"PK\x03\x04 no table")
    (folder / "people.score.csv").write_text("a,b\n3,4\n99,1\n")

    code, run = told("drop", "people.csv", *SMALL)
    assert (code, run["state"]) == (Code.OK, "live"), run
    code, again = told("drop", "people.csv", *SMALL)
    assert (code, again["run_id"]) == (Code.OK, run["run_id"])  # the same bytes start no run
    code, refused = told("drop", "empty.csv", "--timeout", "120")
    assert (code, refused["state"]) == (Code.QUARANTINED, "quarantined")
    code, report = told("drop", "book.xlsx", "--timeout", "120")
    assert (code, report["problem"]["code"]) == (Code.QUARANTINED, "not-a-table")
    code, batch = told("drop", "people.score.csv", "--timeout", "120")
    assert (code, batch["rows"], batch["rows_failed"]) == (Code.OK, 2, 0)

    code, _ = told("drop", "waits.csv", *SMALL[:-1], "0.1")
    assert code == Code.TIMEOUT
    code, listed = told("runs", "--dataset", "people")
    assert [one["run_id"] for one in listed] == [run["run_id"]]
    assert told("show", run["run_id"])[1]["state"] == "live"
    assert told("why", "people")[1]["ledger"]["broken_at"] is None
    assert told("diff", run["run_id"])[1]["champion_run"] is None  # a first version flips nothing
    assert told("diff", refused["run_id"])[0] == Code.ERROR
    assert told("logs", run["run_id"])[1]["of"]
    assert "azmlinfsrv" in told("logs", run["placement"]["endpoint"])[1]["log"]
    assert told("score", "people", "people.score.csv")[1] == {"result": ["no", "yes"]}
    assert told("quarantine", "discard", refused["run_id"])[1]["action"] == "discard"
    assert told("runs", "--key", "wrong")[0] == Code.UNAUTHORISED
    address = told("open", "--print")[1]["url"]
    assert "/api/dashboard/enter?ticket=" in address
    with requests.Session() as browser:
        assert run["run_id"] in browser.get(address, timeout=30).text
    assert told("drift", "people")[1]["dataset"] == "people"
    assert told("notifications", "list")[0] == Code.OK
    champions = {one["dataset"]: one["champion"] for one in told("datasets")[1]}
    assert champions["people"] == run["run_id"]


def test_the_doctor_finds_a_stack_well_and_its_canary_leaves_nothing(
    folder: Path, stack: LiveStack, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--quota", "--canary", "--timeout", "240", "-o", "json"]) == Code.OK
    findings = {one["check"]: one for one in json.loads(capfd.readouterr().out)}
    odd = {name for name, one in findings.items() if one["status"] not in ("ok", "warning")}
    assert odd == set()
    assert {"workspace", "datastore", "quota", "queues", "timer advance", "canary"} <= set(findings)
    (run,) = stack.get("/runs?dataset=dropml-canary")["runs"]
    assert run["state"] == "rejected"
    assert "dropml-canary.csv" not in list(stack.incoming.list_blob_names())


@pytest.mark.slow
def test_a_run_that_a_person_rejects_is_5(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "asked.csv").write_bytes(small_table(3))
    words = ["drop", "asked.csv", "--set", "approval=required", "--no-wait", *SMALL[:-2]]
    assert main([*words, "-q"]) == Code.OK
    run_id = ""
    while not run_id:
        capfd.readouterr()
        assert main(["runs", "--dataset", "asked", "--state", "awaiting_approval", "-o", "json"]) == Code.OK
        run_id = next((run["run_id"] for run in json.loads(capfd.readouterr().out)), "")
    assert main(["reject", run_id, "--note", "no", "--wait", "--timeout", "120"]) == Code.REJECTED


#: Those of the how-to pages that one live model is enough for; `make docs-figures` runs all.
HOW_TO = ("own-file", "quarantine", "rotate-keys")


def test_the_commands_of_how_to_pages_run_as_they_stand_there(folder: Path, stack: LiveStack) -> None:
    """Cheap: the file is that of the first test, and has no second run."""
    own, quarantine, rotate = (
        next(one for one in snippets() if one.page == f"docs/how-to/{page}.md" and one.info == "bash")
        for page in HOW_TO
    )
    (folder / "people.csv").write_bytes(small_table())
    program = folder / "bin" / "dropml"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m dropml "$@"\n')
    program.chmod(0o755)
    path = os.pathsep.join([str(program.parent), os.environ["PATH"]])
    env = {"PATH": path, "HOME": str(folder), "PYTHONPATH": str(ROOT)} | live.named(stack)
    stack.drop("spoilt.csv", b"a,y\n")
    values = {"refused": stack.wait("spoilt")["run_id"]}
    reader = Reader(folder, env, values)

    quickly = Snippet(own.page, own.line, own.info, " ".join([own.text.strip(), *SMALL]))
    dropped = reader.run(quickly)
    assert dropped.code == Code.OK, dropped.said
    (run_id,) = stack.run_ids("people")
    shown = reader.run(quarantine)
    assert shown.code == Code.OK, shown.said
    assert "spoilt" in shown.said
    values["endpoint"] = stack.get(f"/runs/{run_id}")["placement"]["endpoint"]
    rotated = reader.run(rotate)
    assert rotated.code == Code.OK, rotated.said
