"""`make up` and `make down` at their worst moments: interrupted, misconfigured, with parts killed, by a stranger's eyes."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from dropml import stack
from dropml.common import marks
from dropml.common.processes import start
from tests.support import sweeps
from tests.support.host_harness import wait_for

pytestmark = pytest.mark.e2e
REPOSITORY = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "dropml.stack"]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "my stack"
    try:
        yield folder
    finally:
        assert stack.down(folder) == []


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=REPOSITORY,
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


@pytest.mark.parametrize(
    ("number", "seconds"),
    sweeps.part(
        [(number, seconds) for number in (signal.SIGINT, signal.SIGTERM) for seconds in (0.4, 1.5, 3.0)]
    ),
)
def test_interrupted_at_any_moment_it_leaves_nothing(home: Path, seconds: float, number: int) -> None:
    heeded = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "  # also under nohup and `&`
    starting = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"{heeded}from dropml.stack.command import main; sys.exit(main())",
            "up",
            "--home",
            str(home),
        ],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    time.sleep(seconds)
    starting.send_signal(number)
    _, said = starting.communicate(timeout=60)
    up = stack.load(home)
    if up and up.running:
        return  # it was up before it was told: nothing was interrupted, and the fixture takes it down
    assert marks.marked(home) == []
    if home.exists():
        assert starting.returncode in (130, -number), said
        assert b"Traceback" not in said


def test_make_up_killed_outright_is_cleared_by_make_down(home: Path) -> None:
    starting = subprocess.Popen([*COMMAND, "up", "--home", str(home)], cwd=REPOSITORY)
    wait_for(lambda: marks.marked(home), what="the first part")
    starting.kill()
    starting.wait()
    assert marks.marked(home), "what it had started lives on"
    told = run("status", "--home", str(home))
    assert told.returncode == 1
    assert all(str(child.pid) in told.stderr for child in marks.marked(home))
    done = run("down", "--home", str(home))
    assert (done.returncode, done.stdout) == (0, "Everything is stopped.\n")
    assert marks.marked(home) == []
    assert run("down", "--home", str(home)).returncode == 0, "and once more"


def test_what_a_killed_emulator_leaves_is_told_and_ended(home: Path) -> None:
    running = stack.up(home)
    emulator = psutil.Process(running.places.processes["azureml"].pid)
    mark = {"DROPML_STACK": emulator.environ()["DROPML_STACK"]}
    script = "import subprocess, sys, time; subprocess.Popen(['sleep', '600'], start_new_session=True); time.sleep(600)"
    job = start([sys.executable, "-c", script], home / "job.log", env=mark)
    wait_for(lambda: len(marks.marked(home)) >= 5, what="the job's own process")
    emulator.kill()
    psutil.wait_procs([emulator], 10)
    told = run("status", "--home", str(home))
    assert told.returncode == 1
    assert f"pid {job.pid}" in told.stderr
    assert "host still runs" in told.stderr
    done = run("down", "--home", str(home))
    assert done.returncode == 0, done.stderr
    assert marks.marked(home) == []
    assert not job.alive()


def test_nobody_else_reads_a_key(home: Path) -> None:
    running = stack.up(home)
    document = json.loads((home / "stack.json").read_text())
    settings = json.loads((home / "local.settings.json").read_text())["Values"]
    account_key = (home / "azurite-data" / "account.key").read_text()
    secrets = [document["identity_header"], document["emulator_secret"], account_key, running.key]
    arguments = "\n".join(" ".join(psutil.Process(child.pid).cmdline()) for child in marks.marked(home))
    assert [secret for secret in secrets if secret in arguments] == []
    assert settings["IDENTITY_HEADER"] not in arguments
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    files = [path for path in home.rglob("*") if path.is_file()]
    open_to_others = [str(path) for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert [path for path in open_to_others if not path.endswith((".lock", "ca.pem"))] == []
    assert requests.get(f"{running.api}/health", timeout=30).status_code == 200


def test_a_persons_settings_stay_and_wrong_ones_are_told(home: Path) -> None:
    stack.up(home)
    stack.down(home)
    file = home / "local.settings.json"
    document = json.loads(file.read_text())
    before = dict(document["Values"])
    document["Values"] |= {"CANARY_PERCENT": "250", "GATE_MARGIN": "0.02", "IDENTITY_HEADER": "mine"}
    del document["Values"]["CANARY_SECONDS"]
    document["Host"] = {"CORS": "http://127.0.0.1:3000"}
    file.write_text(json.dumps(document))

    refused = run("up", "--home", str(home))
    assert refused.returncode == 1
    assert "CANARY_PERCENT" in refused.stderr
    assert "250" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert marks.marked(home) == []

    document["Values"]["CANARY_PERCENT"] = "25"
    file.write_text(json.dumps(document))
    started = run("up", "--home", str(home), LABEL="outcome")
    assert started.returncode == 0, started.stderr
    kept = json.loads(file.read_text())
    assert kept["Host"] == {"CORS": "http://127.0.0.1:3000"}
    assert (kept["Values"]["CANARY_PERCENT"], kept["Values"]["GATE_MARGIN"]) == ("25", "0.02")
    assert "CANARY_SECONDS" not in kept["Values"]
    assert kept["Values"]["IDENTITY_HEADER"] == before["IDENTITY_HEADER"], "that is the stack's own"
    assert kept["Values"]["LABEL_COLUMN"] == "outcome"
