"""Deployments come, change and go while callers keep calling."""

import threading
import time
from pathlib import Path
from typing import Self

import psutil
import pytest
import requests

from tests.support.serving_support import (
    PRIMARY,
    SECONDARY,
    Endpoint,
    deployment,
    one_model,
    payload,
    running,
    settings,
    tiny_model,
)


class Callers:
    """Threads that score without pause until told to stop; every answer is kept."""

    def __init__(self, endpoint: Endpoint, threads: int = 4) -> None:
        self.key = PRIMARY
        self.answers: list[tuple[int, str, str]] = []  # status, deployment, body
        self.failures: list[str] = []
        self._url = f"{endpoint.url}/score"
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(10)

    def more(self, count: int = 30) -> None:
        """Wait until so many further calls have ended."""
        target = len(self.answers) + count
        end = time.monotonic() + 60
        while len(self.answers) < target and not self.failures:
            assert time.monotonic() < end
            time.sleep(0.005)

    def _call(self) -> None:
        with requests.Session() as session:
            while not self._stop.is_set():
                try:
                    answer = session.post(
                        self._url,
                        json=payload(50),
                        headers={"Authorization": f"Bearer {self.key}"},
                        timeout=10,
                    )
                except requests.RequestException as error:
                    self.failures.append(repr(error))
                    return
                self.answers.append(
                    (answer.status_code, answer.headers.get("azureml-model-deployment", ""), answer.text)
                )


@pytest.mark.parametrize("rounds", [4, pytest.param(50, marks=pytest.mark.slow)])
def test_swapping_deployments_and_keys_under_load_drops_no_request(tmp_path: Path, rounds: int) -> None:
    with one_model(tmp_path) as endpoint, Callers(endpoint) as callers:
        assert endpoint.process is not None
        process = psutil.Process(endpoint.process.pid)
        callers.more()
        keys, before = [PRIMARY, SECONDARY], (process.memory_info().rss, process.num_fds())
        for number in range(2, rounds + 2):
            name, last = f"m{number}", f"m{number - 1}"
            live = endpoint.settings
            # a deployment that fails comes and goes unnoticed
            broken = tiny_model(tmp_path / "models", f"broken{number}", broken=True)
            live["deployments"]["bad"] = deployment(broken, tmp_path / "bad.log")
            # a new one at 0 %, all traffic, back again, all traffic; then the old one goes
            model = tiny_model(tmp_path / "models", name, suffix=f"-{number}", load_seconds=0.05)
            live["deployments"][name] = deployment(model, tmp_path / f"{name}.log")
            states = endpoint.reload()
            assert (states[name]["status"], states["bad"]["status"]) == ("ready", "failed")
            for target in (name, last, name):
                live["traffic"] = {target: 100}
                endpoint.reload(wait=False)
                callers.more(10)
            del live["deployments"][last], live["deployments"]["bad"]
            endpoint.reload(wait=False)
            # the key not in use is renewed, and callers move to it
            fresh = f"key-{number}"
            keys[keys.index(next(key for key in keys if key != callers.key))] = fresh
            live["keys"] = list(keys)
            endpoint.reload(wait=False)
            callers.key = fresh
            callers.more(10)
        endpoint.settled()
        after = (process.memory_info().rss, process.num_fds())
    assert callers.failures == []
    assert {status for status, _, _ in callers.answers} == {200}
    for _, name, text in callers.answers:  # every answer is of the version that it names
        assert text == ('["yes"]' if name == "m1" else f'["yes-{name[1:]}"]')
    assert {name for _, name, _ in callers.answers} == {f"m{number}" for number in range(1, rounds + 2)}
    assert after[0] - before[0] < 20e6
    assert after[1] - before[1] <= 5  # deployments that are gone keep no log open


def test_another_model_under_the_same_name_is_swapped_in_place(tmp_path: Path) -> None:
    with one_model(tmp_path) as endpoint, Callers(endpoint) as callers:
        callers.more(20)
        for number in range(3):
            model = tiny_model(tmp_path / "models", f"v{number}", suffix=f"-v{number}", load_seconds=0.1)
            endpoint.settings["deployments"]["m1"] = deployment(model, tmp_path / "m1.log")
            states = endpoint.reload(wait=False)
            assert states["m1"]["status"] == "loading"
            assert endpoint.settled()["m1"]["status"] == "ready"
            assert endpoint.score(payload(50)).text == f'["yes-v{number}"]'
            callers.more(20)
    assert callers.failures == []
    assert {status for status, _, _ in callers.answers} == {200}


def test_a_replacement_that_fails_leaves_the_old_model_serving_and_is_tried_again(tmp_path: Path) -> None:
    with one_model(tmp_path) as endpoint:
        model = tiny_model(tmp_path / "models", "next", broken=True)
        endpoint.settings["deployments"]["m1"] = deployment(model, tmp_path / "m1.log")
        state = endpoint.reload()["m1"]
        assert state["status"] == "failed"
        assert "model.pkl is truncated" in state["error"]
        assert endpoint.score(payload(50)).json() == ["yes"]
        tiny_model(tmp_path / "models", "next", suffix="-next")
        assert endpoint.reload()["m1"]["status"] == "ready"
        assert endpoint.score(payload(50)).json() == ["yes-next"]


def test_a_model_that_is_absent_or_broken_fails_with_a_sentence_and_answers_424(tmp_path: Path) -> None:
    broken = tiny_model(tmp_path / "models", "broken", broken=True)
    deployments = {
        "m1": deployment(tmp_path / "nowhere", tmp_path / "m1.log"),
        "m2": deployment(broken, tmp_path / "m2.log"),
    }
    with running(tmp_path, settings(deployments, {"m1": 100})) as endpoint:
        states = endpoint.settled()
        assert states["m1"]["status"] == states["m2"]["status"] == "failed"
        assert "no file MLmodel" in states["m1"]["error"]
        assert "model.pkl is truncated" in states["m2"]["error"]
        answer = endpoint.score(payload(50))
        assert answer.status_code == 424
        assert answer.headers["ms-azureml-model-error-reason"] == "model_not_ready"


def test_a_changed_body_limit_holds_for_open_connections_too(tmp_path: Path) -> None:
    with one_model(tmp_path) as endpoint:
        assert endpoint.score(payload(50)).status_code == 200
        endpoint.settings["max_request_bytes"] = 60
        endpoint.reload()
        assert endpoint.score(payload(50)).status_code == 413
