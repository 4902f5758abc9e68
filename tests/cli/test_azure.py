"""`dropml azure`: what it starts, where, and what it says where the tool, the templates or a right is missing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dropml.cli import examining
from dropml.cli.app import main
from dropml.cli.commands import azure
from dropml.cli.stopping import Code
from tests.support.emulator_sdk import client, sdk_emulator

PLACE = "00000000-0000-0000-0000-000000000001/dropml/dropml-local"


@pytest.fixture
def azd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name, alone on the path; its last words and folder are in the file."""
    told, tools, code = tmp_path / "told", tmp_path / "bin", tmp_path / "code"
    tools.mkdir()
    code.write_text("0")
    program = tools / "azd"
    program.write_text(f'#!/bin/sh\necho "$PWD $*" > {told}\nread code < {code}\nexit $code\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    return told


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "dropml"
    (folder / "infra").mkdir(parents=True)
    (folder / "azure.yaml").touch()
    (folder / "infra" / "main.bicep").touch()
    (folder / "docs").mkdir()
    monkeypatch.chdir(folder / "docs")
    return folder


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["up"], "up"),
        (["up", "-e", "prod"], "up --environment prod"),
        (["subscribe", "--environment", "dev"], "hooks run postdeploy --environment dev"),
    ],
)
def test_azd_is_started_where_the_templates_are(
    command: list[str], words: str, azd: Path, checkout: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["azure", *command]) == Code.OK
    assert azd.read_text().split(" ", 1) == [os.path.realpath(checkout), f"{words}\n"]
    out, err = capfd.readouterr()
    assert (out, "Next: dropml " in err) == ("", True)


def test_a_failure_of_azd_is_1_and_says_how_to_go_on(
    azd: Path, checkout: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (azd.parent / "code").write_text("3")
    assert main(["azure", "up"]) == Code.ERROR
    err = capfd.readouterr().err
    assert "azd up ended with exit code 3." in err
    assert "Next: read what azd says" in err


def test_without_azd_it_says_where_to_get_it(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(checkout))
    for command in ("up", "subscribe"):
        assert main(["azure", command]) == Code.ERROR
        err = capfd.readouterr().err
        assert "(azd) is not installed" in err
        assert "https://aka.ms/azd" in err


def test_without_the_templates_it_says_where_they_are(
    azd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(azure, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["azure", "up"]) == Code.ERROR
    assert "in a checkout of DropML" in capfd.readouterr().err
    assert not azd.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bank:3"], "needs --from and --to"),
        (["bank:3", "--from", PLACE], "needs --from and --to"),
        (["bank:3", "--from", "staging", "--to", PLACE], "--from 'staging' is not SUBSCRIPTION/GROUP/WORKSPACE"),
        (["bank:3", "--folder", "f", "--to", "a//b"], "--to 'a//b' is not"),
    ],
)  # fmt: skip
def test_a_promotion_without_its_places_is_2(
    words: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["azure", "promote", *words]) == Code.USAGE
    assert said in capfd.readouterr().err


def test_a_model_is_promoted_in_two_commands_and_an_absent_one_refused(
    tmp_path: Path, azurite: str, capfd: pytest.CaptureFixture[str]
) -> None:
    from azure.ai.ml.entities import Model

    model, carried = tmp_path / "model", str(tmp_path / "carried")
    model.mkdir()
    (model / "MLmodel").write_text("flavors:\n  python_function: {}\n")
    with sdk_emulator(tmp_path / "staging", azurite, "cli-staging"):
        client().models.create_or_update(
            Model(name="bank", version="3", type="mlflow_model", path=str(model))
        )
        capfd.readouterr()
        assert main(["azure", "promote", "bank:3", "--from", PLACE, "--folder", carried]) == Code.OK
        assert main(["azure", "promote", "bank:3", "--from", PLACE, "--folder", carried]) == Code.ERROR
        assert "is not empty" in capfd.readouterr().err
        assert main(["azure", "promote", "bank:4", "--from", PLACE, "--to", PLACE]) == Code.ERROR
        assert "NotFound" in capfd.readouterr().err
    with sdk_emulator(tmp_path / "production", azurite, "cli-production"):
        words = ["azure", "promote", "bank:3", "--to", PLACE, "--folder", carried, "-o", "json"]
        assert main(words) == Code.OK
        assert json.loads(capfd.readouterr().out)["to"] == PLACE
        assert client().models.get("bank", "3").tags["dropml.sha256"]


def test_a_trace_is_told_by_its_error_alone() -> None:
    trace = (
        'noise\nTraceback (most recent call last):\n  File "x"\nValueError: first\n\nDuring handling ...\n\n'
        'Traceback (most recent call last):\n  File "y"\n    y()\na.b.HttpResponseError: (Denied) No.\nCode: Denied\n'
    )
    assert azure._reason(trace) == "a.b.HttpResponseError: (Denied) No."
    assert azure._reason("warning\nThe model has no files.\n") == "The model has no files."
    assert azure._reason("") == ""


def test_an_app_elsewhere_needs_no_stack_here_and_one_that_is_away_has_its_way_back(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The thin client beside an app in Azure: it told to install what nobody needs, and to ask the doctor that had spoken."""
    monkeypatch.setattr(examining, "_there", lambda name: False)
    monkeypatch.setenv("DROPML_URL", "https://func-dropml.invalid")
    monkeypatch.setenv("DROPML_KEY", "k")
    assert main(["doctor", "-o", "json"]) != Code.OK
    found = {one["check"]: one for one in json.loads(capfd.readouterr().out)}
    assert found["local"]["status"] == "ok"
    assert "FUNCTION_APP_URI" in found["app"]["remedy"]
