"""`make up`, a crash, `make up` again, `make down`: what runs, what is found again, what is kept."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from dropml import stack
from dropml.cli import watch
from dropml.cli.demo import Demo
from dropml.cli.sample import Sample
from dropml.client import ApiError, Client
from dropml.common.processes import start

pytestmark = pytest.mark.e2e


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "my documents"
    try:
        yield folder
    finally:
        stack.down(folder)


def process(home: Path, name: str) -> psutil.Process:
    document = json.loads((home / "stack.json").read_text())
    return psutil.Process(document["processes"][name]["pid"])


def test_a_crash_is_told_and_its_log_is_kept(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = stack.up(home)
    assert requests.get(f"{first.api}/health", timeout=30).status_code == 200
    assert stack.main(["up", "--home", str(home)]) == 0, "what runs is left as it is"
    host = process(home, "host")
    log = home / "logs" / "host.log"
    assert "ready http" in log.read_text()
    host.kill()
    psutil.wait_procs([host], 10)
    assert not first.running
    assert stack.main(["status", "--home", str(home)]) == 1
    assert watch.main(["--home", str(home)]) == 1
    assert "`make up` starts it" in capsys.readouterr().err

    with log.open("a") as lines:
        lines.write("the last words before the crash\n")
    second = stack.up(home)
    assert second.running
    assert "the last words before the crash" in (home / "logs" / "host.log.1").read_text()
    assert "the last words before the crash" not in log.read_text()
    assert second.key == first.key, "keys outlive a crash"
    assert second.storage == first.storage, "and so do the ports of the storage"

    endpoint = [
        sys.executable,
        "-c",
        "import time; time.sleep(600)",
        str(home / "azureml" / "endpoints" / "x"),
    ]
    running = [process(home, name) for name in stack.PARTS]
    running[1].kill()
    orphan = start(endpoint, home / "orphan.log")
    assert stack.main(["down", "--home", str(home)]) == 0
    psutil.wait_procs(running, 10)
    assert not orphan.alive(), "what the killed emulator left behind has gone, too"
    assert not [p for p in running if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_the_client_speaks_for_the_commands(home: Path) -> None:
    running = stack.up(home)
    with Client(running.api, running.key) as api:
        assert api.runs() == []
        assert api.datasets() == []
        assert api.swagger()["openapi"].startswith("3.")
        with pytest.raises(ApiError, match="HTTP 404") as caught:
            api.run("nobody-1")
        assert caught.value.status == 404
        with pytest.raises(ApiError) as caught:
            api.score("no such dataset", [{"a": 1}])
        assert caught.value.status == 404
    with Client(running.api, "a wrong key") as stranger, pytest.raises(ApiError, match="HTTP 401"):
        stranger.runs()


def test_a_demo_of_a_file_that_cannot_be_trained_on_says_why(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "short.csv"
    bad.write_text("a,y\n1,yes\n2,no\n")
    demo = Demo(Sample(bad, synthetic=False), "y", 20, time.time())
    assert demo.run(stack.up(home)) == 1
    assert demo.report["state"] == "quarantined"
    assert demo.report["rows"] is None
    said = capsys.readouterr().out
    assert "The run ended as quarantined" in said
    assert "50" in said, "what is asked of a file"
