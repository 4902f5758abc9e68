"""A caller of an endpoint that sleeps is told when to come again, and wakes it by that; nothing is sent to it meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from functions import scoring as doors
from shared import bootstrap
from shared.adapters.telemetry import NoTelemetry
from shared.services.monitoring.last_calls import LastCalls, last_call
from tests.support.scoring_support import ROW, App, Endpoint, body_of, call, request, serve


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    with serve(Endpoint(deployments={"m1-a1"})) as endpoint:
        app = App(endpoint)
        app.scoring.told = LastCalls(
            app.documents, logging.getLogger("test").info, behind=lambda work: work()
        )
        monkeypatch.setattr(bootstrap, "scoring", lambda: app.scoring)
        monkeypatch.setattr(bootstrap, "telemetry", NoTelemetry)
        yield app


def test_one_that_sleeps_is_woken_and_its_caller_comes_again(app: App) -> None:
    app.publish(asleep=True, traffic={})
    response = call(doors.score, request([ROW], route={"dataset": "bank"}))
    assert response.status_code == 503
    assert body_of(response)["code"] == "waking"
    assert response.headers["Retry-After"] == "30"
    assert app.endpoint.seen == []
    assert list(app.documents.list("wake/")) == ["wake/bank"]
    assert list(app.documents.list("open/runs/")) == ["open/runs/bank"]


def test_a_bad_row_wakes_nobody(app: App) -> None:
    app.publish(asleep=True, traffic={})
    response = call(doors.score, request([{"age": "old"}], route={"dataset": "bank"}))
    assert response.status_code == 422
    assert list(app.documents.list("wake/")) == []


def test_one_that_is_awake_answers_and_the_call_is_written_down(app: App) -> None:
    app.publish()
    response = call(doors.score, request([ROW], route={"dataset": "bank"}))
    assert response.status_code == 200
    assert last_call(app.documents, "bank") is not None
    assert list(app.documents.list("wake/")) == []
