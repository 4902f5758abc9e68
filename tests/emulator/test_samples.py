"""The samples for the real service run against the emulator with nothing but environment variables changed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from benchmarks.automl_venvs import VenvError, python_of
from tests.support.emulator_support import ROOT, Emulator, emulator, table

SAMPLES = ROOT / "samples"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, azurite: str) -> Iterator[Emulator]:
    folder = tmp_path_factory.mktemp("emulator")
    with emulator(folder, azurite, "--operation-seconds", "0.2") as found:
        yield found


def run(running: Emulator, *words: str, python: str = sys.executable, **more: str) -> str:
    """What a sample prints, where nothing but variables tells it of the emulator."""
    authority = str(running.folder / "ca.pem")
    env = os.environ | {
        "AZUREML_DEV_URL_MFE": running.url,
        "REQUESTS_CA_BUNDLE": authority,
        "IDENTITY_ENDPOINT": f"{running.url}/msi/token",
        "IDENTITY_HEADER": "any",
        "AZURE_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000001",
        "AZURE_RESOURCE_GROUP": "dropml",
        "AZUREML_WORKSPACE": "dropml-local",
    }
    command = [python, str(SAMPLES / words[0]), *words[1:]]
    done = subprocess.run(command, env=env | more, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert not [p for p in running.processes() if "dropml.azureml.serving" in p.cmdline()]
    return done.stdout


def test_the_quickstart_trains_deploys_and_scores(running: Emulator, tmp_path: Path) -> None:
    data = tmp_path / "people.csv"
    data.write_text(table())
    said = run(running, "azureml_quickstart.py", str(data), "y", TRIALS="1", MINUTES="1")
    assert "labels ['no', 'no']" in said
    assert "endpoint http://127.0.0.1:" in said


@pytest.mark.slow
def test_a_model_of_ones_own_is_served_by_its_script(running: Emulator) -> None:
    said = run(running, "script_deployment.py")
    assert 'answer {"result": [0, 1, 2], "probabilities": [[' in said
    assert "Users's init has completed successfully" in said


@pytest.mark.slow  # azureml-mlflow is installed into an environment of its own, once
def test_runs_are_tracked_and_the_best_ones_model_is_served(running: Emulator) -> None:
    try:
        python = python_of("clients")
    except VenvError as error:
        pytest.skip(str(error))
    said = run(running, "mlflow_tracking.py", python=str(python))
    assert "best run {'depth': '3'}" in said
    assert "served [0, 1, 2] as loaded" in said


def test_the_ci_job_is_one_that_github_reads() -> None:
    job = yaml.safe_load((SAMPLES / "ci" / "azureml-emulator.yml").read_text())["jobs"]["emulated"]
    assert [step["run"].split()[0] for step in job["steps"] if "run" in step] == [
        "python",
        "pip",
        "emulator/bin/python",
        "tail",
    ]
