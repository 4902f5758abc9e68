"""The command as a process: interrupted, and read by somebody who has seen enough."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from dropml.cli.stopping import Code
from tests.cli.test_commands import a_run
from tests.support.api_standin import KEY, Api, api

ROOT = Path(__file__).resolve().parents[2]


def started(standin: Api, *words: str) -> subprocess.Popen[str]:
    env = os.environ | {"DROPML_URL": standin.url, "DROPML_KEY": KEY, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "dropml", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=pipe, stderr=pipe, text=True)


def test_an_interrupted_wait_is_130_and_no_traceback() -> None:
    with api({"GET /runs/bank-1-a1": a_run("training")}) as standin:
        waiting = started(standin, "watch", "bank-1-a1")
        assert waiting.stderr is not None
        assert "training" in waiting.stderr.readline()
        waiting.send_signal(signal.SIGINT)
        _, err = waiting.communicate(timeout=30)
    assert waiting.returncode == Code.INTERRUPTED
    assert "Traceback" not in err


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    page = {"runs": [a_run("live") for _ in range(500)], "cursor": "more"}
    with api({"GET /runs": page}) as standin:
        listing = started(standin, "runs", "-o", "jsonl", "--limit", "100000")
        assert listing.stdout is not None
        assert listing.stderr is not None
        listing.stdout.readline()
        listing.stdout.close()
        said = listing.stderr.read()
        listing.stderr.close()
        assert listing.wait(timeout=30) == Code.OK
    assert "Traceback" not in said
