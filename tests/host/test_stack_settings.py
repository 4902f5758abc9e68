"""The stack's settings file: what a person changed stays, what the stack owns is its own, nonsense is a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dropml import stack
from dropml.cli import demo
from dropml.common.processes import StartError
from dropml.stack import settings
from dropml.stack.places import Places

NONE: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("found", "written", "given", "expected"),
    [
        (
            {"A": "1"},
            {"A": "1"},
            NONE,
            {"A": "2", "DATA_STORAGE": "new"},
        ),  # never touched: follows the release
        ({"A": "mine"}, {"A": "1"}, NONE, {"A": "mine", "DATA_STORAGE": "new"}),
        ({"A": "mine"}, {"A": "1"}, frozenset({"A"}), {"A": "2", "DATA_STORAGE": "new"}),  # asked for by name
        ({}, {"A": "1"}, NONE, {"DATA_STORAGE": "new"}),  # taken out
        ({"A": "1", "B": "own"}, {"A": "1"}, NONE, {"A": "2", "B": "own", "DATA_STORAGE": "new"}),
        (
            {"A": "mine"},
            {},
            NONE,
            {"A": "mine", "DATA_STORAGE": "new"},
        ),  # of a release that wrote nothing down
        ({"A": "1", "DATA_STORAGE": "mine"}, {"A": "1"}, NONE, {"A": "2", "DATA_STORAGE": "new"}),
    ],
)
def test_edits_stay_but_for_what_the_stack_owns(
    found: dict[str, str], written: dict[str, str], given: frozenset[str], expected: dict[str, str]
) -> None:
    assert settings.with_edits({"A": "2", "DATA_STORAGE": "new"}, found, written, given) == expected


@pytest.mark.parametrize("text", ["{", "[]", '{"Values": {"A": 1}}', '{"Values": []}'])
def test_a_broken_settings_file_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "local.settings.json"
    file.write_text(text)
    with pytest.raises(StartError, match="Mend it, or delete it"):
        settings.read(file)


@pytest.mark.parametrize("text", ["abc", "nan", "-5", "0", "1e99", "60 s"])
def test_a_budget_that_is_no_number_of_seconds_is_a_sentence(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("BUDGET", text)
    assert stack.main(["up", "--home", str(tmp_path / "home")]) == 1
    assert demo.main() == 2
    said = capsys.readouterr().err
    assert said.count(f"BUDGET is {text!r}") == 2
    assert not (tmp_path / "home").exists(), "nothing was started"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"processes": {"host": {}}}'])
def test_a_broken_stack_file_is_named_and_does_not_keep_down_from_its_work(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "stack.json").write_text(text)
    assert stack.main(["status", "--home", str(tmp_path)]) == 1
    assert "stack.json can't be read" in capsys.readouterr().err
    assert stack.main(["down", "--home", str(tmp_path)]) == 0


def test_a_home_of_an_earlier_release_opens(tmp_path: Path) -> None:
    document = {
        "storage": "s", "emulator_port": 1, "ingestion_port": 2, "host_port": 3, "host_url": "u", "ca": "c",
        "identity_header": "h", "instrumentation_key": "i", "processes": {"host": {"pid": 1, "created": 2.0}},
    }  # fmt: skip
    (tmp_path / "stack.json").write_text(json.dumps(document))
    places = Places.read(tmp_path / "stack.json")
    assert (places.emulator_secret, places.settings) == ("", {})
