"""`python -m dropml.azureml` as a stranger's tool: started, found, stopped; commands and tests run inside it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dropml.azureml import alone
from dropml.azureml.shell import HOME_VARIABLE, Running, load
from dropml.common import marks
from tests.support.emulator_support import ROOT, eventually

#: What a program of azure-ai-ml does first.
PROGRAM = """
import os, sys
from azure.ai.ml import MLClient
from azure.identity import DefaultAzureCredential
names = ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZUREML_WORKSPACE")
ml = MLClient(DefaultAzureCredential(), *(os.environ[name] for name in names))
print(ml.workspaces.get(ml.workspace_name).name, ml.datastores.get_default().name)
sys.exit(int(sys.argv[1]))
"""


def clean() -> dict[str, str]:
    """An environment without another emulator's variables, with a service principal in it."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("AZURE", "IDENTITY", "DROPML"))}
    kept.pop("REQUESTS_CA_BUNDLE", None)
    kept.pop("SSL_CERT_FILE", None)
    return kept | {"PYTHONPATH": str(ROOT), "AZURE_CLIENT_SECRET": "of another subscription"}


def tool(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dropml.azureml", *words]
    env = clean() | more
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=180
    )


def nothing_is_left(folder: Path) -> bool:
    return marks.marked(folder / ".azureml-emulator") == []


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    alone.stop(tmp_path / ".azureml-emulator")


def test_a_command_runs_inside_with_its_own_exit_code_and_nothing_is_left(folder: Path) -> None:
    (folder / "program.py").write_text(PROGRAM)
    done = tool(folder, "run", "--workspace", "mine", "--no-storage", "--", sys.executable, "program.py", "7")
    assert (done.returncode, done.stdout) == (7, "mine workspaceblobstore\n"), done.stderr[-2000:]
    assert nothing_is_left(folder)


def test_it_comes_up_once_in_the_background_and_a_shell_takes_its_variables(folder: Path) -> None:
    up = tool(folder, "up", "--export")
    assert up.returncode == 0, up.stderr
    assert "unset AZURE_CLIENT_SECRET" in up.stdout.splitlines()
    again = json.loads(tool(folder, "up", "--json").stdout)
    assert again == json.loads(tool(folder, "env", "--json").stdout)
    exported = dict(line.removeprefix("export ").split("=", 1) for line in up.stdout.splitlines()[1:])
    assert {name: "".join(shlex.split(value)) for name, value in exported.items()} == again
    program = f"{up.stdout}\nexec {shlex.quote(sys.executable)} -c {shlex.quote(PROGRAM)} 0"
    done = subprocess.run(
        ["/bin/sh", "-c", program], env=clean(), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout == "dropml-local workspaceblobstore\n", done.stderr[-2000:]
    port = load(folder / ".azureml-emulator").port  # type: ignore[union-attr]
    assert tool(folder, "down").returncode == 0
    assert nothing_is_left(folder)
    assert tool(folder, "env").returncode == 1
    other = json.loads(tool(folder, "up", "--json", "--no-storage").stdout)
    assert other["AZUREML_DEV_URL_MFE"] == f"https://localhost:{port}", "the address stays"
    assert "AZURE_STORAGE_CONNECTION_STRING" not in other
    assert tool(folder, "down", "--delete").returncode == 0
    assert not (folder / ".azureml-emulator").exists()


def test_until_ctrl_c_it_tells_its_variables_and_then_everything_is_gone(folder: Path) -> None:
    command = [sys.executable, "-m", "dropml.azureml", "run", "--json", "--no-storage"]
    started = subprocess.Popen(command, cwd=folder, env=clean(), stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    lines: list[str] = []
    while not lines or lines[-1].strip() != "}":
        lines.append(started.stdout.readline())
    assert json.loads("".join(lines))["AZUREML_WORKSPACE"] == "dropml-local"
    started.send_signal(signal.SIGINT)
    assert started.wait(30) == 130
    started.stdout.close()
    assert nothing_is_left(folder)


@pytest.mark.slow
def test_one_that_is_killed_with_its_azurite_is_started_anew(folder: Path) -> None:
    first = json.loads(tool(folder, "up", "--json").stdout)
    found = load(folder / ".azureml-emulator")
    assert found is not None
    for child in found.children():
        child.signal(signal.SIGKILL)
    eventually(lambda: not found.children(), what="both to be gone")
    assert tool(folder, "env").returncode == 1
    assert json.loads(tool(folder, "up", "--json").stdout) == first


def test_what_cannot_be_is_a_sentence(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = tool(folder, "up", "--no-storage", "--port", port)
    assert (done.returncode, done.stderr) == (
        1,
        f"Port {port} is taken: give another --port, or none for any that is free.\n",
    )
    absent = tool(folder, "run", "--no-storage", "--", "no-such-program")
    assert absent.stderr == "no-such-program can't be run: No such file or directory.\n"
    assert tool(folder, "env").stderr.startswith("No emulator runs under .azureml-emulator")
    assert tool(folder, "up", "--", "true").returncode == 2
    assert tool(folder).stdout.startswith("usage: python -m dropml.azureml")
    assert nothing_is_left(folder)


def test_programs_trust_what_they_trusted_before_and_pass_by_a_proxy(tmp_path: Path) -> None:
    running = Running(str(tmp_path), 1, 2, "s", "g", "w", "", "h", {}, {})
    assert "NO_PROXY" not in running.variables({})
    behind = running.variables({"https_proxy": "http://proxy", "no_proxy": "intranet"})
    assert behind["NO_PROXY"] == behind["no_proxy"] == "intranet,localhost,127.0.0.1"
    assert behind[HOME_VARIABLE] == str(tmp_path)


TESTS = """
import os, requests
from azure.ai.ml.entities import Data
from azure.core.exceptions import HttpResponseError
import pytest

pytest_plugins = ["dropml.azureml.testing"]

def test_data_is_registered_and_read_back(azureml_client, tmp_path):
    (tmp_path / "a.csv").write_text("a\\n1\\n")
    made = azureml_client.data.create_or_update(Data(name="a", version="1", type="uri_file", path=str(tmp_path / "a.csv")))
    assert azureml_client.data.get("a", label="latest").path == made.path

def test_the_environment_is_set_and_the_clock_moves(azureml_workspace):
    assert os.environ["AZUREML_WORKSPACE"] == azureml_workspace.name == NAME
    assert azureml_workspace.client().workspaces.get(NAME).mlflow_tracking_uri == azureml_workspace.mlflow_tracking_uri
    azureml_workspace.advance(3600)
    assert "Traceback" not in azureml_workspace.log

def test_faults_are_ordered(azureml_workspace):
    ml = azureml_workspace.client()
    with azureml_workspace.fault(action="status", status=409, method="GET", path="/data/", count=1):
        with pytest.raises(HttpResponseError):
            ml.data.get("a", "1")
    assert ml.data.get("a", "1").name == "a"
"""


@pytest.mark.parametrize(
    "inside", [pytest.param(False, id="alone"), pytest.param(True, id="inside run", marks=pytest.mark.slow)]
)
def test_the_fixtures_serve_another_projects_tests(folder: Path, inside: bool) -> None:
    name = "dropml-local" if inside else "theirs"
    text = f"NAME = {name!r}\n{TESTS}"
    if not inside:
        text += '\n@pytest.fixture(scope="session")\ndef azureml_options(): return ["--workspace", NAME]\n'
    (folder / "test_theirs.py").write_text(text)
    pytest_words = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"]
    if inside:
        done = tool(folder, "run", "--", *pytest_words)
    else:
        done = subprocess.run(
            pytest_words, cwd=folder, env=clean(), capture_output=True, text=True, timeout=180, check=False
        )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert "3 passed" in done.stdout
    assert nothing_is_left(folder)
