"""How many may score at once, how long they may wait, and how much a model may answer."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.serving_support import (
    PRIMARY,
    Endpoint,
    one_model,
    payload,
)


def at_once(endpoint: Endpoint, count: int, call: Callable[[], requests.Response]) -> list[requests.Response]:
    with ThreadPoolExecutor(count) as pool:
        return [future.result() for future in [pool.submit(call) for _ in range(count)]]


@pytest.mark.parametrize("knobs", [{"delay": 1.0}, {"delay": 1.0, "no_compiled": True}])
def test_more_than_twice_the_allowed_requests_are_429(tmp_path: Path, knobs: dict[str, Any]) -> None:
    # One runs, one waits its turn.
    with one_model(tmp_path, tiny=knobs, max_queue_wait_s=10) as endpoint:
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
    with one_model(tmp_path, tiny={"delay": 2.0}, max_queue_wait_s=0.1) as endpoint:
        url, headers = f"{endpoint.url}/score", {"Authorization": f"Bearer {PRIMARY}"}
        answers = at_once(
            endpoint, 2, lambda: requests.post(url, json=payload(50), headers=headers, timeout=10)
        )
        assert sorted(answer.status_code for answer in answers) == [200, 429]


@pytest.mark.parametrize("knobs", [{"delay": 0.2}, {"delay": 0.2, "no_compiled": True}])
def test_a_slow_model_is_a_408_after_the_deployments_timeout(tmp_path: Path, knobs: dict[str, Any]) -> None:
    with one_model(tmp_path, tiny=knobs, request_timeout_s=0.4) as endpoint:
        assert endpoint.score(payload(50, 51, 52, 53)).status_code == 408
        # The model goes on, and keeps its place until it has ended.
        statuses: list[int] = []
        while 200 not in statuses and len(statuses) < 100:
            statuses.append(endpoint.score(payload(50)).status_code)
        assert 200 in statuses


def test_a_large_request_does_not_hold_up_small_ones(tmp_path: Path) -> None:
    allowed = {"max_concurrent_requests": 4, "request_timeout_s": 60}
    with one_model(tmp_path, tiny={"delay": 0.002}, **allowed) as endpoint:
        url, headers = f"{endpoint.url}/score", {"Authorization": f"Bearer {PRIMARY}"}
        large = threading.Thread(
            target=requests.post,
            args=(url,),
            kwargs={"json": payload(*range(1500)), "headers": headers, "timeout": 60},
        )
        large.start()
        time.sleep(0.1)
        for _ in range(10):
            assert endpoint.score(payload(50)).status_code == 200
        assert large.is_alive()  # three seconds of work
        large.join()


def test_an_answer_over_the_limit_is_a_424(tmp_path: Path) -> None:
    with one_model(tmp_path, tiny={"wide": 900_000}) as endpoint:
        answer = endpoint.score(payload(50, 51))
        assert answer.status_code == 424
        assert answer.headers["ms-azureml-model-error-reason"] == "response_payload_too_large"
