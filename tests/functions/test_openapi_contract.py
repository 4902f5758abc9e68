"""What is served is what the document says: a short schemathesis run over HTTP (`make schemathesis` does 10,000)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.functions.contract import check
from tests.support.host_harness import wait_for
from tests.support.scoring_cloud import Cloud, cloud_in
from tests.support.scoring_support import ROW


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with cloud_in(tmp_path_factory.mktemp("contract")) as cloud:
        yield cloud


def test_generated_requests_get_documented_answers(cloud: Cloud, tmp_path: Path) -> None:
    # /api/score takes what /api/score/bank takes; once is enough here
    less = ("--exclude-path", "/api/score")
    outcome = check(cloud, tmp_path, examples=1, phases="examples,coverage", seed=1, options=less)
    assert outcome.passed, outcome.output
    assert outcome.cases >= 200
    assert "Traceback" not in cloud.host.log


def test_without_a_key_nothing_is_told(cloud: Cloud) -> None:
    for path in ("swagger.json", "datasets", "runs", "endpoints/bank-abc123/swagger.json"):
        answer = requests.get(f"{cloud.api}/{path}", timeout=20)
        assert answer.status_code == 401
        assert b"bank" not in answer.content
        assert b"schema" not in answer.content
    wrong = {"x-functions-key": "wrong"}
    refused = requests.post(f"{cloud.api}/score/bank", json=[ROW], headers=wrong, timeout=20)
    assert refused.status_code == 401
    for path in ("health", "docs", "docs/docs.js"):
        assert requests.get(f"{cloud.api}/{path}", timeout=20).status_code == 200


def test_a_batch_runs_by_itself(cloud: Cloud) -> None:
    text = "age,job,euribor3m,member\n" + "57,technician,1.3,\n30,admin.,4.8,true\n" * 50
    headers = {**cloud.headers, "content-type": "text/csv"}
    taken = requests.post(f"{cloud.api}/score/bank/batch", data=text, headers=headers, timeout=20)
    assert taken.status_code == 202
    url = cloud.host.url + taken.headers["Location"]

    def shown() -> dict[str, object]:
        return dict(requests.get(url, headers=cloud.headers, timeout=20).json())

    wait_for(lambda: shown()["status"] == "completed", 30, "the batch")
    assert shown()["rows"] == 100


def test_keys_rotate_over_the_wire(cloud: Cloud) -> None:
    def at_rest() -> bool:
        answer = requests.get(
            f"{cloud.api}/endpoints/bank-abc123/rotation", headers=cloud.headers, timeout=20
        )
        return answer.status_code == 404 or answer.json()["status"] in ("completed", "failed")

    wait_for(at_rest, 60, "a rotation that generated requests have asked for")
    before = list(cloud.endpoint.live_keys)
    url = f"{cloud.api}/endpoints/bank-abc123/rotate-key"
    taken = requests.post(url, headers=cloud.headers, timeout=20)
    assert taken.status_code == 202, taken.text
    state = cloud.host.url + taken.headers["Location"]

    def done() -> bool:
        return bool(requests.get(state, headers=cloud.headers, timeout=20).json()["status"] == "completed")

    wait_for(done, 60, "the rotation")
    assert not set(before) & set(cloud.endpoint.live_keys)
    scored = requests.post(f"{cloud.api}/score/bank", json=[ROW], headers=cloud.headers, timeout=20)
    assert scored.json() == {"result": ["yes"]}
