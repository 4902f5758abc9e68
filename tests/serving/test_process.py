"""The endpoint as a process: what it is started with, how it is told of changes, how it ends."""

import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from dropml.azureml.serving.logs import DeploymentLog
from tests.support.serving_support import (
    PRIMARY,
    ROOT,
    SECONDARY,
    TINY,
    deployment,
    one_model,
    payload,
    tiny_model,
)


def test_sigterm_finishes_what_was_asked_and_leaves_nothing_behind(tmp_path: Path) -> None:
    knobs = {"no_compiled": True, "delay": 0.5}
    with one_model(tmp_path, tiny=knobs) as endpoint:
        assert endpoint.process is not None
        children = psutil.Process(endpoint.process.pid).children()
        idle = requests.Session()
        idle.get(endpoint.url, headers={"Authorization": f"Bearer {PRIMARY}"}, timeout=5)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(endpoint.score, payload(50))
            time.sleep(0.2)
            endpoint.process.send_signal(signal.SIGTERM)
            answer = asked.result()
        assert (answer.status_code, answer.headers["Connection"]) == (200, "close")
        assert endpoint.process.wait(20) == 0
        assert not any(child.is_running() for child in children)
        with pytest.raises(requests.ConnectionError):
            idle.get(endpoint.url, timeout=2)
        idle.close()
        assert "Shutting down" in endpoint.log


@pytest.mark.parametrize(
    "knobs",
    [pytest.param({"no_compiled": True}, id="child", marks=pytest.mark.slow), pytest.param({}, id="thread")],
)
def test_sigterm_ends_the_endpoint_even_if_a_model_hangs(tmp_path: Path, knobs: dict[str, Any]) -> None:
    with one_model(tmp_path) as endpoint:
        slow = tiny_model(tmp_path / "models", "slow", delay=0.4, **knobs)
        endpoint.settings["deployments"]["m2"] = deployment(slow, tmp_path / "m2.log", request_timeout_s=60)
        endpoint.reload()
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(endpoint.score, payload(*range(30)), azureml_model_deployment="m2")
            time.sleep(0.3)
            assert endpoint.stop() == 0
            with pytest.raises(requests.ConnectionError):  # nobody waited for the model's twelve seconds
                asked.result()


def test_admin_calls_want_the_secret_and_bad_configuration_changes_nothing(tmp_path: Path) -> None:
    with one_model(tmp_path) as endpoint:
        for headers in ({}, {"x-admin-secret": "wrong"}, {"Authorization": f"Bearer {PRIMARY}"}):
            answer = requests.get(f"{endpoint.url}/_admin/status", headers=headers, timeout=5)
            assert answer.status_code == 403
        (tmp_path / "endpoint.json").write_text("{")
        answer = endpoint.admin("POST", "reload")
        assert (answer.status_code, "is not JSON" in answer.json()["message"]) == (400, True)
        endpoint.settings["traffic"] = {"m7": 100}
        endpoint.write()
        answer = endpoint.admin("POST", "reload")
        assert answer.json()["message"] == "traffic names 'm7', which is no deployment of this endpoint"
        assert endpoint.score(payload(50)).status_code == 200
        assert endpoint.admin("GET", "nothing").status_code == 404


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (None, "does not exist"),
        ({"name": "x"}, "keys is empty"),
        ({"name": "x", "keys": ["a"]}, "admin_secret"),
        ({"name": "x", "auth_mode": "Open"}, "'Open' is none of Key, AMLToken, AADToken"),
        ({"name": "x", "auth_mode": "AMLToken", "admin_secret": "s"}, "token_secret"),
        (
            {"name": "x", "keys": ["a"], "admin_secret": "s", "deployments": {"m1": {}}},
            "neither model_dir nor",
        ),
        ({"name": "x", "keys": ["a"], "admin_secret": "s", "traffic": {"m1": 101}}, "from 0 to 100"),
    ],
)
def test_a_wrong_endpoint_json_is_told_at_start(tmp_path: Path, document: Any, sentence: str) -> None:
    if document is not None:
        (tmp_path / "endpoint.json").write_text(json.dumps(document))
    ended = subprocess.run(
        [sys.executable, "-m", "dropml.azureml.serving", "--endpoint", str(tmp_path), "--port", "0"],
        check=False,
        cwd=ROOT,
        env={"PYTHONPATH": str(TINY)},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert ended.returncode == 2
    assert sentence in ended.stderr


def test_a_log_stays_bounded_and_holds_no_key(tmp_path: Path) -> None:
    log = DeploymentLog(tmp_path / "m1.log", max_bytes=20_000)
    for number in range(3000):
        log.request((1.7e9 + number, "POST", "/score", 200, 1.5, 12, b"an-id"))
        if number % 50 == 0:
            log.info(f"line {number}\n with a break and {600 * 'x'}")
            log.flush()
    log.close()
    sizes = [path.stat().st_size for path in tmp_path.glob("m1.log*")]
    assert len(sizes) == 2
    assert all(size < 30_000 for size in sizes)
    last = (tmp_path / "m1.log").read_text().splitlines()[-1]
    assert last.endswith("azmlinfsrv - POST /score 200 1.500ms 12 request_id=an-id")
    with one_model(tmp_path / "live") as endpoint:
        endpoint.score(payload(50))
        endpoint.score(payload(50), key="a-wrong-key")
        endpoint.admin("GET", "status")
        assert "POST /score 200" in endpoint.log
        assert not any(secret in endpoint.log for secret in (PRIMARY, SECONDARY, "a-wrong-key"))
