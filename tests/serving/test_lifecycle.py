"""Deployments come, change and go while callers keep calling."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import psutil
import pytest
import requests

from dropml.azureml.serving.logs import DeploymentLog
from dropml.azureml.serving.telemetry import RequestItem, Telemetry
from tests.support.serving_support import (
    PRIMARY,
    ROOT,
    SECONDARY,
    TINY,
    Endpoint,
    deployment,
    payload,
    running,
    settings,
    tiny_model,
)


@contextmanager
def one_model(
    folder: Path, *, traffic: int = 100, tiny: dict[str, Any] | None = None, **changes: Any
) -> Iterator[Endpoint]:
    """An endpoint with deployment m1 of a tiny model."""
    model = tiny_model(folder / "models", "young", **(tiny or {}))
    document = settings({"m1": deployment(model, folder / "m1.log", **changes)}, {"m1": traffic})
    with running(folder, document) as endpoint:
        yield endpoint


def loads(folder: Path) -> list[list[str]]:
    return [line.split() for line in (folder / "models" / "loads.txt").read_text().splitlines()]


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
        end = time.monotonic() + 15
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


def test_parity_is_checked_once_in_another_process_and_kept(tmp_path: Path) -> None:
    with one_model(tmp_path) as endpoint:
        assert endpoint.settled()["m1"] == {
            "status": "ready",
            "error": None,
            "note": None,
            "form": "compiled",
            "parity": 1e-9,
        }
        assert endpoint.process is not None
        assert psutil.Process(endpoint.process.pid).children() == []
        compiled, parity = sorted(loads(tmp_path))
        assert (compiled[1], parity[1]) == ("compiled", "parity")
        assert compiled[2] == str(endpoint.process.pid) != parity[2]
    with running(tmp_path, endpoint.settings):
        assert [note[1] for note in loads(tmp_path)].count("parity") == 1
    tiny_model(tmp_path / "models", "young", suffix="changed")
    with running(tmp_path, endpoint.settings):
        assert [note[1] for note in loads(tmp_path)].count("parity") == 2


@pytest.mark.parametrize(
    ("knobs", "sentence"),
    [
        ({"parity": 1e-3}, "differs from the reference by 0.001"),
        ({"parity": float("nan")}, "differs from the reference by nan"),
        ({"no_compiled": True}, "dropml/ is absent"),
        ({"terminates": True}, "could not be compared (the process of the reference form has ended)"),
    ],
)
def test_a_compiled_form_that_is_off_is_refused_for_the_reference(
    tmp_path: Path, knobs: dict[str, Any], sentence: str
) -> None:
    with one_model(tmp_path, tiny=knobs) as endpoint:
        state = endpoint.settled()["m1"]
        assert (state["status"], state["form"], state["error"]) == ("ready", "reference", None)
        assert sentence in state["note"]
        assert sentence in endpoint.log
        assert endpoint.score(payload(30, 50)).json() == ["no", "yes"]
        assert endpoint.process is not None
        (child,) = psutil.Process(endpoint.process.pid).children()
        assert [str(child.pid)] == [note[2] for note in loads(tmp_path) if note[1] == "reference"]
        assert endpoint.score({"input_data": {"columns": ["job"], "data": [["x"]]}}).status_code == 424
        endpoint.admin("GET", "status")
        assert "Model is missing inputs ['age']." in endpoint.log
        headers = {"Authorization": f"Bearer {PRIMARY}"}
        swagger = requests.get(f"{endpoint.url}/swagger.json", headers=headers, timeout=5).json()
        assert swagger["definitions"]["ServiceOutput"]["example"] == ["no"]
    assert not child.is_running()


def test_a_model_that_kills_its_process_costs_one_request(tmp_path: Path) -> None:
    knobs = {"no_compiled": True, "dies_at": 13, "raises_at": 14}
    with one_model(tmp_path, tiny=knobs) as endpoint:
        assert endpoint.score(payload(13)).status_code == 424
        statuses = []
        while not statuses or (statuses[-1] != 200 and len(statuses) < 50):
            statuses.append(endpoint.score(payload(50)).status_code)
            time.sleep(0.05)
        assert statuses[-1] == 200
        failed = endpoint.score(payload(14))
        assert (failed.status_code, failed.headers["x-ms-run-function-failed"]) == (424, "True")
        endpoint.admin("GET", "status")
        assert "started again" in endpoint.log
        assert "secret row" not in endpoint.log


def test_the_child_ends_when_the_endpoint_is_killed(tmp_path: Path) -> None:
    with one_model(tmp_path, tiny={"no_compiled": True}) as endpoint:
        assert endpoint.process is not None
        (child,) = psutil.Process(endpoint.process.pid).children()
        endpoint.process.kill()
        endpoint.process.wait()
        child.wait(5)


def at_once(endpoint: Endpoint, count: int, call: Callable[[], requests.Response]) -> list[requests.Response]:
    with ThreadPoolExecutor(count) as pool:
        return [future.result() for future in [pool.submit(call) for _ in range(count)]]


@pytest.mark.parametrize("knobs", [{"delay": 0.4}, {"delay": 0.4, "no_compiled": True}])
def test_more_than_twice_the_allowed_requests_are_429(tmp_path: Path, knobs: dict[str, Any]) -> None:
    with one_model(tmp_path, tiny=knobs) as endpoint:  # 1 runs, 1 waits its turn
        url, headers = f"{endpoint.url}/score", {"Authorization": f"Bearer {PRIMARY}"}
        answers = at_once(
            endpoint, 6, lambda: requests.post(url, json=payload(50), headers=headers, timeout=10)
        )
        codes = sorted(answer.status_code for answer in answers)
        assert codes == [200, 200, 429, 429, 429, 429]
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.headers["ms-azureml-model-error-reason"] == "too_many_pending_request"
        assert refused.text == ""
        assert endpoint.score(payload(50)).status_code == 200


def test_who_waits_longer_than_the_queue_allows_is_429(tmp_path: Path) -> None:
    with one_model(tmp_path, tiny={"delay": 0.5}, max_queue_wait_s=0.1) as endpoint:
        url, headers = f"{endpoint.url}/score", {"Authorization": f"Bearer {PRIMARY}"}
        answers = at_once(
            endpoint, 2, lambda: requests.post(url, json=payload(50), headers=headers, timeout=10)
        )
        assert sorted(answer.status_code for answer in answers) == [200, 429]


@pytest.mark.parametrize("knobs", [{"delay": 0.2}, {"delay": 0.2, "no_compiled": True}])
def test_a_slow_model_is_a_408_after_the_deployments_timeout(tmp_path: Path, knobs: dict[str, Any]) -> None:
    with one_model(tmp_path, tiny=knobs, request_timeout_s=0.4) as endpoint:
        started = time.monotonic()
        answer = endpoint.score(payload(50, 51, 52, 53))
        assert answer.status_code == 408
        assert 0.35 < time.monotonic() - started < 1.2
        time.sleep(0.6)  # the model has gone on; now its place is free again
        assert endpoint.score(payload(50)).status_code == 200


def test_a_large_request_does_not_hold_up_small_ones(tmp_path: Path) -> None:
    with one_model(tmp_path, tiny={"delay": 0.0002}, max_concurrent_requests=4) as endpoint:
        url, headers = f"{endpoint.url}/score", {"Authorization": f"Bearer {PRIMARY}"}
        large = threading.Thread(
            target=requests.post,
            args=(url,),
            kwargs={"json": payload(*range(3000)), "headers": headers, "timeout": 10},
        )
        large.start()
        time.sleep(0.1)
        waits = []
        for _ in range(20):
            started = time.perf_counter()
            assert endpoint.score(payload(50)).status_code == 200
            waits.append(time.perf_counter() - started)
        assert large.is_alive()
        large.join()
        assert sorted(waits)[10] < 0.05


def test_an_answer_over_the_limit_is_a_424(tmp_path: Path) -> None:
    with one_model(tmp_path, tiny={"wide": 900_000}) as endpoint:
        answer = endpoint.score(payload(50, 51))
        assert answer.status_code == 424
        assert answer.headers["ms-azureml-model-error-reason"] == "response_payload_too_large"


def test_a_changed_body_limit_holds_for_open_connections_too(tmp_path: Path) -> None:
    with one_model(tmp_path) as endpoint:
        assert endpoint.score(payload(50)).status_code == 200
        endpoint.settings["max_request_bytes"] = 60
        endpoint.reload()
        assert endpoint.score(payload(50)).status_code == 413


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
            started = time.monotonic()
            endpoint.process.send_signal(signal.SIGTERM)
            answer = asked.result()
        assert (answer.status_code, answer.headers["Connection"]) == (200, "close")
        assert endpoint.process.wait(5) == 0
        assert time.monotonic() - started < 5
        assert not any(child.is_running() for child in children)
        with pytest.raises(requests.ConnectionError):
            idle.get(endpoint.url, timeout=2)
        idle.close()
        assert "Shutting down" in endpoint.log


@pytest.mark.parametrize(
    "knobs",
    [pytest.param({"no_compiled": True}, id="child", marks=pytest.mark.slow), pytest.param({}, id="thread")],
)
def test_sigterm_ends_in_time_even_if_a_model_hangs(tmp_path: Path, knobs: dict[str, Any]) -> None:
    with one_model(tmp_path) as endpoint:
        slow = tiny_model(tmp_path / "models", "slow", delay=0.4, **knobs)
        endpoint.settings["deployments"]["m2"] = deployment(slow, tmp_path / "m2.log", request_timeout_s=60)
        endpoint.reload()
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(endpoint.score, payload(*range(30)), azureml_model_deployment="m2")
            time.sleep(0.3)
            started = time.monotonic()
            assert endpoint.stop() == 0
            assert time.monotonic() - started < 5
            with pytest.raises(requests.ConnectionError):
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
        ({"name": "x", "keys": ["a"], "admin_secret": "s", "deployments": {"m1": {}}}, "no model_dir"),
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


# Application Insights


class Sink:
    """An ingestion endpoint that keeps envelopes; `status` is what it answers."""

    def __init__(self) -> None:
        self.envelopes: list[dict[str, Any]] = []
        self.status, self.delay = 200, 0.0
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(sink.delay)
                if sink.status == 200:
                    sink.envelopes += json.loads(body)
                self.send_response(sink.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v2.1/track"

    def wait_for(self, count: int) -> None:
        end = time.monotonic() + 8
        while len(self.envelopes) < count and time.monotonic() < end:
            time.sleep(0.02)


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.server.shutdown()
    sink.server.server_close()


KEY = "11111111-2222-3333-4444-555555555555"


def test_requests_of_a_deployment_with_app_insights_are_reported(tmp_path: Path, sink: Sink) -> None:
    with one_model(tmp_path, app_insights=True) as endpoint:
        endpoint.settings |= {"app_insights_url": sink.url, "instrumentation_key": KEY}
        endpoint.reload()
        ids = [
            endpoint.score(payload(50), x_ms_client_request_id=f"run-{number}").headers["x-request-id"]
            for number in range(3)
        ]
        endpoint.score({"nothing": 1})
        sink.wait_for(4)
    first, failed = sink.envelopes[0], sink.envelopes[3]
    assert len(sink.envelopes) == 4
    assert first["name"] == "Microsoft.ApplicationInsights.11111111222233334444555555555555.Request"
    assert first["iKey"] == KEY
    assert first["time"].endswith("Z")
    assert first["tags"]["ai.operation.id"] == ids[0].replace("-", "")
    assert first["tags"]["ai.cloud.role"] == "bank-1a2b3c"
    assert first["data"]["baseType"] == "RequestData"
    data = first["data"]["baseData"]
    assert (data["ver"], data["name"], data["responseCode"], data["success"]) == (2, "/score", "200", True)
    assert data["duration"].startswith("0.00:00:00.")
    assert data["properties"]["Request Id"] == ids[0]
    assert data["properties"]["Client Request Id"] == "run-0"
    assert data["properties"]["Deployment Name"] == "m1"
    assert failed["data"]["baseData"]["responseCode"] == "400"
    assert failed["data"]["baseData"]["success"] is False
    assert "admin." not in json.dumps(sink.envelopes)


def test_what_is_left_is_sent_at_the_end_and_without_app_insights_nothing_is(
    tmp_path: Path, sink: Sink
) -> None:
    with one_model(tmp_path, app_insights=True) as endpoint:
        endpoint.settings |= {"app_insights_url": sink.url, "instrumentation_key": KEY}
        endpoint.reload()
        endpoint.score(payload(50))
        endpoint.stop()
        assert len(sink.envelopes) == 1
    endpoint.settings["deployments"]["m1"]["app_insights"] = False
    with running(tmp_path, endpoint.settings) as endpoint:
        endpoint.score(payload(50))
    assert len(sink.envelopes) == 1


def test_a_sink_that_hangs_or_refuses_delays_no_request_and_loses_nothing_at_first(
    tmp_path: Path, sink: Sink
) -> None:
    with one_model(tmp_path, app_insights=True) as endpoint:
        endpoint.settings |= {"app_insights_url": sink.url, "instrumentation_key": KEY}
        endpoint.reload()
        sink.status, sink.delay = 503, 0.6
        started = time.monotonic()
        for _ in range(100):
            assert endpoint.score(payload(50)).status_code == 200
        assert time.monotonic() - started < 1.5
        time.sleep(0.8)
        sink.status, sink.delay = 200, 0.0
        sink.wait_for(100)
    assert len({one["data"]["baseData"]["id"] for one in sink.envelopes}) == 100


def test_the_telemetry_queue_is_bounded() -> None:
    telemetry = Telemetry("http://127.0.0.1:9/v2.1/track", KEY, "bank")
    item = RequestItem(1.7e9, 0.001, "POST", "/score", 200, b"a", b"", "m1", "bank:1")
    for _ in range(25_000):
        telemetry.add(item)
    assert telemetry.lost >= 5_000
    telemetry.close(3)
