"""A model goes from one workspace to another: two emulators, the real SDK in processes of its own, real files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.facts import ROOT
from tests.support.emulator_sdk import client, sdk_emulator

WORKSPACE = [
    "--subscription",
    "00000000-0000-0000-0000-000000000001",
    "--group",
    "dropml",
    "--workspace",
    "dropml-local",
]


def promote(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "infra" / "promote.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def pull(folder: Path, model: str) -> subprocess.CompletedProcess[str]:
    return promote("pull", str(folder), *WORKSPACE, "--model", model)


def push(folder: Path) -> subprocess.CompletedProcess[str]:
    return promote("push", str(folder), *WORKSPACE)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_model_of_staging_is_registered_in_production_once(tmp_path: Path, azurite: str) -> None:
    from azure.ai.ml.entities import Model

    model = tmp_path / "mlflow-model"
    (model / "data").mkdir(parents=True)
    (model / "MLmodel").write_text("flavors:\n  python_function: {}\n")
    (model / "data" / "model.bin").write_bytes(bytes(range(256)) * 8)
    carried = tmp_path / "carried"
    with sdk_emulator(tmp_path / "staging", azurite, "promote-staging"):
        tags = {"dropml.run": "bank-3-a1"}
        client().models.create_or_update(
            Model(name="bank", version="3", type="mlflow_model", path=str(model), tags=tags)
        )
        done = pull(carried, "bank:3")
        assert done.returncode == 0, done.stderr
        again = pull(carried, "bank:3")
        assert (again.returncode, "is not empty" in again.stderr) == (1, True)
    assert files(carried / "model") == files(model)
    paper = json.loads((carried / "promotion.json").read_text())
    with sdk_emulator(tmp_path / "production", azurite, "promote-production"):
        for _ in range(2):  # repeated, it finds what it has made
            done = push(carried)
            assert done.returncode == 0, done.stderr
        found = client().models.get("bank", "3")
        assert (found.type, found.tags["dropml.run"], found.tags["dropml.sha256"]) == (
            "mlflow_model",
            "bank-3-a1",
            paper["sha256"],
        )
        assert found.tags["dropml.promoted_from"] == paper["from"]
        assert pull(tmp_path / "back", "bank:3").returncode == 0
        assert files(tmp_path / "back" / "model") == files(model)

        (carried / "model" / "MLmodel").write_text("something else")
        done = push(carried)
        assert (done.returncode, "not those that were pulled" in done.stderr) == (1, True)


def test_a_version_of_other_contents_is_not_written_over(tmp_path: Path, azurite: str) -> None:
    from azure.ai.ml.entities import Model

    with sdk_emulator(tmp_path / "production", azurite, "promote-taken"):
        folder = tmp_path / "m"
        folder.mkdir()
        (folder / "MLmodel").write_text("flavors:\n  python_function: {}\n")
        client().models.create_or_update(
            Model(name="bank", version="1", type="mlflow_model", path=str(folder))
        )
        assert pull(tmp_path / "carried", "bank:1").returncode == 0
        done = push(tmp_path / "carried")
    assert done.returncode == 1
    assert "bank:1 exists there with other contents" in done.stderr
