"""Other users of the machine learn nothing: the emulator's own routes, its files, its processes' arguments."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from dropml.azureml.core.orphans import marked
from tests.support.emulator_support import Emulator, emulator, eventually

JOB = {"properties": {"jobType": "Command", "command": "echo told", "environmentId": "azureml:AzureML-any:1"}}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, azurite: str) -> Iterator[Emulator]:
    with emulator(tmp_path_factory.mktemp("emulator"), azurite, "--operation-seconds", "0.1") as found:
        yield found


def stranger(running: Emulator, method: str, url: str, **more: str) -> int:
    """Somebody with a token of the workspace, but without the emulator's secret."""
    ca = str(running.folder / "ca.pem")
    headers = {"Authorization": f"Bearer {running.token()}", **more}
    return requests.request(method, url, json={}, headers=headers, verify=ca, timeout=10).status_code


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "clock"),
        ("POST", "clock"),
        ("GET", "faults"),
        ("POST", "faults"),
        ("DELETE", "faults"),
        ("GET", "health"),
        ("GET", "api-versions"),
        ("GET", "jobs/any"),
        ("GET", "telemetry"),
        ("DELETE", "telemetry"),
        ("PUT", "published_pipelines/00000000-0000-0000-0000-000000000001"),
        ("GET", "nothing-of-that-name"),
    ],
)
def test_the_emulators_own_routes_want_its_secret(running: Emulator, method: str, path: str) -> None:
    url = f"{running.url}/_emulator/{path}"
    assert stranger(running, method, url) == 401
    assert stranger(running, method, url, **{"x-emulator-secret": "guessed"}) == 401
    assert running.call(method, f"/_emulator/{path}", {}).status_code != 401


def test_telemetry_on_the_plain_port_wants_the_secret_too(running: Emulator) -> None:
    settings = running.properties("")
    insights = psutil.Process(running.process.pid).net_connections() if running.process else []
    ports = {c.laddr.port for c in insights if c.status == psutil.CONN_LISTEN} - {running.port}
    assert settings
    assert len(ports) == 1
    url = f"http://127.0.0.1:{ports.pop()}/_emulator/telemetry"
    assert requests.get(url, timeout=10).status_code == 401
    secret = (running.folder / "emulator.secret").read_text()
    assert requests.get(url, headers={"x-emulator-secret": secret}, timeout=10).status_code == 200


def test_a_jobs_log_is_read_by_its_signed_address_alone(running: Emulator) -> None:
    for name in ("told-1", "told-2"):
        assert running.arm("PUT", f"/jobs/{name}", JOB).status_code == 201
        running.wait_job(name)
    urls = [running.history(f"runs/told-{n}/details")["logFiles"]["user_logs/std_log.txt"] for n in (1, 2)]
    ca = str(running.folder / "ca.pem")
    assert requests.get(urls[0], verify=ca, timeout=10).text.strip() == "told"
    assert requests.get(urls[0].partition("?")[0], verify=ca, timeout=10).status_code == 401
    others = f"{urls[0].partition('?')[0]}?{urls[1].partition('?')[2]}"
    assert requests.get(others, verify=ca, timeout=10).status_code == 401


def test_what_it_writes_is_its_owners_alone(running: Emulator) -> None:
    assert running.arm("PUT", "/jobs/files-1", JOB).status_code == 201
    running.wait_job("files-1")
    assert stat.S_IMODE(running.folder.stat().st_mode) == 0o700
    opened = [p for p in running.folder.rglob("*") if not p.is_symlink() and p.stat().st_mode & 0o077]
    assert opened == []


def test_a_folder_that_an_earlier_release_left_open_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with emulator(tmp_path):
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_no_secret_stands_in_arguments(running: Emulator, azurite: str) -> None:
    key = dict(part.split("=", 1) for part in azurite.split(";") if part)["AccountKey"]
    secrets = [key, (running.folder / "emulator.secret").read_text()]
    assert running.process is not None
    lines = [" ".join(psutil.Process(running.process.pid).cmdline())]
    lines += [" ".join(process.cmdline()) for process in marked(running.folder).values()]
    assert not [line for line in lines if any(secret in line for secret in secrets)]


def test_the_secret_is_the_one_given_and_the_header_wanted_is_the_environments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROPML_EMULATOR_SECRET", "of-the-stack")
    monkeypatch.setenv("DROPML_IDENTITY_HEADER", "x")
    with emulator(tmp_path) as own:
        assert (tmp_path / "emulator.secret").read_text() == "of-the-stack"
        assert own.call("GET", "/_emulator/clock").status_code == 200
        other = own.call("GET", "/msi/token", headers={"X-IDENTITY-HEADER": "y"}, params={"resource": "r"})
        assert other.status_code == 401


def test_what_a_killed_emulator_left_behind_is_ended_by_the_next_one(tmp_path: Path) -> None:
    with emulator(tmp_path, None, "--operation-seconds", "0.1") as own:
        body = {"properties": JOB["properties"] | {"command": "(setsid sleep 301 &); sleep 302"}}
        assert own.arm("PUT", "/jobs/left-1", body).status_code == 201
        own.wait_job("left-1", "Running")
        sleeping = eventually(lambda: len(found := sleepers(tmp_path)) == 2 and found, what="the command")
        own.kill()
        shell = [p for p in marked(tmp_path).values() if str(tmp_path / "jobs" / "left-1") in p.cmdline()]
        for process in shell:
            os.kill(process.pid, signal.SIGKILL)
        own.start()
        assert own.wait_job("left-1") == "Failed"
        psutil.wait_procs(sleeping, timeout=10)
        assert sleepers(tmp_path) == []


def sleepers(folder: Path) -> list[psutil.Process]:
    return [p for p in marked(folder).values() if p.cmdline()[:1] == ["sleep"]]
