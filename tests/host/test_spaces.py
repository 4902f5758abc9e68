"""Everything runs from a folder whose name has spaces, as "My Documents" does."""

from __future__ import annotations

import time
from pathlib import Path

from tests.support.emulator_support import WS, emulator
from tests.support.host_harness import AppFolder, wait_for

APP = """
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="ends")
def ends(req: func.HttpRequest) -> str:
    if req.params.get("now"):
        raise SystemExit(1)
    return "ok"
"""


def test_a_command_jobs_exit_code_is_kept_over_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "my documents" / "azure ml"
    with emulator(folder) as running:
        body = {
            "properties": {
                "jobType": "Command",
                "command": "touch began; sleep 3; exit 3",
                "environmentId": f"{WS}/environments/AzureML-any/versions/1",
                "computeId": f"{WS}/computes/cpu-cluster",
            }
        }
        answer = running.arm("PUT", "/jobs/leaves", body)
        assert answer.status_code in (200, 201), answer.text
        wait_for(lambda: list(folder.rglob("began")), what="the command")
        port = running.port
        running.kill()
        # The command goes on without the emulator, and nobody but the file hears how it ends.
        wait_for(lambda: list(folder.rglob("exit_code")), what="the exit code")
        time.sleep(0.1)
        running.start(port)
        assert running.wait_job("leaves") == "Failed"
        (message,) = [str(running.history("runs/leaves")["error"])]
        assert "exited with code 3" in message


def test_the_host_serves_and_starts_anew(tmp_path: Path) -> None:
    folder = AppFolder(tmp_path / "my functions", APP, settings={}, host_json={})
    with folder.running() as host:
        assert host.get("/api/ends").text == "ok"
        assert host.get("/api/ends?now=1").status_code == 500
        wait_for(lambda: host.log.count("ready http") == 2, what="the new worker")
        assert host.get("/api/ends").text == "ok"
    assert host.process.returncode == 0
