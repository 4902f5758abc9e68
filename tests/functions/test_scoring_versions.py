"""Two versions share the traffic and were trained on columns of different types: each is asked in its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from functions import scoring as doors
from shared import bootstrap
from shared.adapters.telemetry import NoTelemetry
from shared.domain.documents import to_json
from shared.domain.schema import Column, Schema
from tests.support.scoring_support import App, Endpoint, Scripted, body_of, call, request, serve

OLD = Schema(
    "y", (Column("age", "integer"), Column("code", "string"), Column("gone", "number", nullable=True))
)
NEW = Schema("y", (Column("code", "integer"), Column("age", "number", nullable=True)))
CHAMPION, CHALLENGER = "m1-a1", "m2-a1"


def versions() -> dict[str, Any]:
    return {
        CHAMPION: {"run_id": "bank-1-a1", "model": "bank:1", "schema": to_json(OLD)},
        CHALLENGER: {"run_id": "bank-2-a1", "model": "bank:2"},
    }


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    with serve(Endpoint(deployments={CHAMPION, CHALLENGER})) as endpoint:
        app = App(endpoint)
        app.publish(schema=to_json(NEW), traffic={CHAMPION: 50, CHALLENGER: 50}, deployments=versions())
        monkeypatch.setattr(bootstrap, "scoring", lambda: app.scoring)
        monkeypatch.setattr(bootstrap, "telemetry", NoTelemetry)
        yield app


def score(*rows: dict[str, Any]) -> Any:
    return call(doors.score, request(list(rows), route={"dataset": "bank"}))


def asked(app: App) -> dict[str, list[dict[str, Any]]]:
    """What each deployment was sent, as records."""
    found: dict[str, list[dict[str, Any]]] = {}
    for each in app.endpoint.seen:
        table = json.loads(each["body"])["input_data"]
        records = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
        found.setdefault(each["headers"]["azureml-model-deployment"], []).extend(records)
    return found


def test_each_gets_its_own_columns_in_its_own_types(app: App) -> None:
    for _ in range(60):
        assert body_of(score({"age": 57.0, "code": 7})) == {"result": ["yes"]}
    seen = asked(app)
    assert seen.keys() == {CHAMPION, CHALLENGER}
    for old in seen[CHAMPION]:
        assert json.dumps(old) == '{"age": 57, "code": "7", "gone": null}'
    for new in seen[CHALLENGER]:
        assert json.dumps(new) == '{"code": 7, "age": 57.0}'


def test_a_version_that_cannot_take_a_row_is_not_asked_for_it(app: App) -> None:
    for _ in range(40):
        response = score({"age": 57.0, "code": 7}, {"age": 30.5, "code": 8})
        assert body_of(response) == {"result": ["yes", "no"]}
        assert response.headers["x-dropml-run"] == "bank-2-a1"
    assert asked(app).keys() == {CHALLENGER}


def test_a_champion_that_answers_for_a_failed_canary_is_asked_in_its_types(app: App) -> None:
    app.endpoint.deployments = {CHAMPION, CHALLENGER}
    app.publish(schema=to_json(NEW), traffic={CHAMPION: 1, CHALLENGER: 10_000_000}, deployments=versions())
    app.endpoint.script = [Scripted(500, b"boom")]
    assert body_of(score({"age": 57.0, "code": 7})) == {"result": ["yes"]}
    assert asked(app)[CHAMPION] == [{"age": 57, "code": "7", "gone": None}]


def test_a_version_that_is_gone_leaves_the_row_to_the_one_of_now(app: App) -> None:
    app.publish(schema=to_json(NEW), traffic={CHAMPION: 100}, deployments=versions())
    app.scoring.entry("bank")
    app.endpoint.deployments = {CHALLENGER}
    app.publish(schema=to_json(NEW), live=CHALLENGER, traffic={CHALLENGER: 100}, deployments=versions())
    assert body_of(score({"age": 57, "code": 7})) == {"result": ["yes"]}
    assert asked(app)[CHALLENGER] == [{"code": 7, "age": 57}]
