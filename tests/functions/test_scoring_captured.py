"""A call of the proxy is captured with the rows as its model got them, and costs its caller nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from functions import scoring as doors
from shared import bootstrap
from shared.domain.rows.predictions import Prediction
from shared.domain.run.serving import ServingEntry
from shared.services.monitoring.capture import Capture, CaptureLimits
from tests.support.memory import MemoryDocuments
from tests.support.scoring_support import ROW, App, Endpoint, Scripted, body_of, call, request, serve

Told = tuple[str, str, Sequence[str], list[list[object]], list[Any]]


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.calls: list[Told] = []

    def scored(
        self,
        entry: ServingEntry,
        run_id: str,
        names: Sequence[str],
        rows: Sequence[Sequence[object]],
        found: Prediction,
    ) -> None:
        self.calls.append((entry.slug, run_id, names, [list(row) for row in rows], list(found.result)))


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    with serve(Endpoint()) as endpoint:
        app = App(endpoint)
        app.publish(deployments={"m1-a1": {"run_id": "bank-1-a1", "model": "bank:1"}})
        monkeypatch.setattr(bootstrap, "scoring", lambda: app.scoring)
        yield app


def score(app: App, body: Any) -> Any:
    return call(doors.score, request(body, route={"dataset": "bank"}))


def test_rows_are_captured_as_the_model_got_them(app: App) -> None:
    told = Listener()
    app.scoring.capture = told
    answer = body_of(score(app, {"data": [ROW, {**ROW, "age": 60}]}))
    ((slug, run_id, names, rows, results),) = told.calls
    assert (slug, run_id) == ("bank", "bank-1-a1")
    assert [dict(zip(names, row, strict=True))["age"] for row in rows] == [ROW["age"], 60]
    assert results == answer["result"]


def test_what_was_not_answered_is_not_captured(app: App) -> None:
    told = Listener()
    app.scoring.capture = told
    assert score(app, {"data": [{"no": "row"}]}).status_code == 422
    app.endpoint.script = [Scripted(424, b"no", {"ms-azureml-model-error-statuscode": "500"})] * 3
    assert score(app, {"data": [ROW]}).status_code >= 400
    assert told.calls == []


def test_a_storage_that_hangs_holds_up_no_call(app: App) -> None:
    class Hanging(MemoryDocuments):
        def put(self, path: str, doc: Any) -> None:
            threading.Event().wait(60)

    class NoPlans:
        def plan(self, slug: str, run_id: str) -> None:
            threading.Event().wait(60)

    app.scoring.capture = Capture(Hanging(), NoPlans(), "one", CaptureLimits(), wait=lambda _: None)
    started = time.monotonic()
    for _ in range(20):
        assert score(app, {"data": [ROW]}).status_code == 200
    assert time.monotonic() - started < 30, "one hung write alone takes a minute"
