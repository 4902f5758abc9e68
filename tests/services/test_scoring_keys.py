"""The endpoint's keys: read once, refreshed when refused, rotated under load without a failed request."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from functions import scoring as doors
from shared import bootstrap
from shared.adapters.telemetry import NoTelemetry
from shared.domain.errors import DropMLError, Transient
from tests.support.scoring_support import SCHEMA, App, Endpoint, body_of, call, request, serve

TWO = {"data": [dict(row) for row in SCHEMA.example]}


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    with serve(Endpoint()) as endpoint:
        app = App(endpoint)
        app.publish()
        monkeypatch.setattr(bootstrap, "scoring", lambda: app.scoring)
        monkeypatch.setattr(bootstrap, "endpoints", lambda: app.endpoints)
        monkeypatch.setattr(bootstrap, "serving", lambda: app.directory)
        monkeypatch.setattr(bootstrap, "telemetry", NoTelemetry)
        yield app


def score(body: Any = None, dataset: str = "bank", **kwargs: Any) -> Any:
    req = request(TWO if body is None else body, route={"dataset": dataset}, **kwargs)
    return call(doors.score, req)


def problem(response: Any) -> tuple[int, str]:
    assert response.mimetype == "application/problem+json"
    doc = body_of(response)
    assert doc["status"] == response.status_code
    return response.status_code, doc["code"]


def test_keys_are_read_once_and_again_when_refused(app: App) -> None:
    for _ in range(3):
        assert score().status_code == 200
    assert app.endpoint.key_reads == 1
    app.endpoint.live_keys = ["new", "s0"]
    assert score().status_code == 200
    assert app.endpoint.key_reads == 2


def test_the_secondary_key_is_used_when_the_primary_is_refused(app: App) -> None:
    app.endpoint.keys = lambda endpoint: ("wrong", "s0")  # type: ignore[method-assign]
    assert score().status_code == 200
    assert score().status_code == 200
    assert [seen["headers"]["authorization"] for seen in app.endpoint.seen] == [
        "Bearer wrong",
        "Bearer s0",
        "Bearer s0",
    ]


def test_when_no_key_is_taken_it_says_so_and_does_not_hammer(app: App) -> None:
    app.endpoint.live_keys = ["a", "b"]
    app.endpoint.keys = lambda endpoint: ("x", "y")  # type: ignore[method-assign]
    assert problem(score()) == (502, "endpoint-unauthorized")
    before = len(app.endpoint.seen)
    assert problem(score()) == (502, "endpoint-unauthorized")
    assert len(app.endpoint.seen) == before + 1


def test_a_token_is_used_where_the_endpoint_takes_tokens(app: App) -> None:
    app.publish(auth_mode="aad_token")
    app.directory.refresh("bank")
    assert score().status_code == 200
    assert app.endpoint.seen[-1]["headers"]["authorization"] == "Bearer t0"
    app.endpoint.token_value = "t1"
    assert score().status_code == 200
    assert app.endpoint.seen[-1]["headers"]["authorization"] == "Bearer t1"


def test_rotation_and_swapped_deployments_under_load_fail_no_request(app: App) -> None:
    """Two processes score (each with keys of its own) while a third rotates twice and the deployment is swapped."""
    apps = [app, App(app.endpoint, app.documents)]
    stop, counts = threading.Event(), [0] * 4
    failures: list[BaseException] = []

    def load(at: int) -> None:
        entry_of = apps[at % 2]
        while not stop.is_set():
            try:
                entry = entry_of.scoring.entry("bank")
                body = b'{"input_data": {"columns": ["age"], "index": [0], "data": [[60]]}}'
                scored = entry_of.scoring.predict(entry, body, 1, entry_of.calls.deadline(5))
                assert scored.prediction.result == ["yes"]
                counts[at] += 1
            except (DropMLError, AssertionError) as error:
                failures.append(error)

    threads = [threading.Thread(target=load, args=(at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    rotator = App(app.endpoint, app.documents)
    for _ in range(2):
        rotated = rotator.endpoints.rotate("bank-abc123")
        assert sorted(rotated["rotated"]) == ["primary", "secondary"]
        time.sleep(0.1)
    app.endpoint.deployments.add("m2-a1")
    app.publish(live="m2-a1", traffic={"m2-a1": 100})
    app.endpoint.deployments.discard("m1-a1")
    time.sleep(0.2)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert min(counts) > 10
    assert len(set(app.endpoint.live_keys) & {"p0", "s0"}) == 0


def test_rotation_over_http(app: App) -> None:
    def rotate(name: str) -> Any:
        return call(doors.rotate_key, request(route={"name": name}))

    assert body_of(rotate("bank-abc123"))["in_use"] == "primary"
    assert app.endpoint.regenerated == ["secondary", "primary"]
    assert score().status_code == 200
    assert problem(rotate("other")) == (404, "unknown-endpoint")
    app.publish(auth_mode="aad_token")
    app.directory.refresh("bank")
    assert problem(rotate("bank-abc123")) == (409, "no-keys-in-use")


def test_rotation_never_destroys_the_only_key_that_works(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.services.scoring.endpoints.SETTLE_SECONDS", 0.3)
    app.endpoint.live_keys = ["other", "s0"]
    app.endpoint.keys = lambda endpoint: ("p0", "s0")  # type: ignore[method-assign]
    with pytest.raises(Transient, match="doesn't take its primary key"):
        app.endpoints.rotate("bank-abc123")
    assert app.endpoint.regenerated == []
