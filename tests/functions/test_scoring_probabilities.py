"""Probabilities for those who ask, from deployments that have them; everybody else's answers stay as they were."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from functions import scoring as doors
from shared import bootstrap
from shared.adapters.telemetry import NoTelemetry
from shared.domain.documents import to_json
from tests.support.scoring_support import ROW, SCHEMA, App, Endpoint, Scripted, body_of, call, request, serve

TWO = {"data": [dict(row) for row in SCHEMA.example]}
CLASSES = ["no", "yes"]
SHARES = [[0.43, 0.57], [0.7, 0.3]]
SCRIPT, NO_CODE = "m1-a1", "m2-a1"


def versions(**script: Any) -> dict[str, Any]:
    return {
        SCRIPT: {"run_id": "bank-1-a1", "model": "bank:1", "mode": "script", **script},
        NO_CODE: {"run_id": "bank-2-a1", "model": "bank:2", "mode": "no_code"},
    }


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    with serve(Endpoint(deployments={SCRIPT, NO_CODE}, scripts={SCRIPT: CLASSES})) as endpoint:
        app = App(endpoint)
        app.publish(deployments=versions())
        monkeypatch.setattr(bootstrap, "scoring", lambda: app.scoring)
        monkeypatch.setattr(bootstrap, "telemetry", NoTelemetry)
        yield app


def score(body: Any = TWO, accept: str = "", **params: str) -> Any:
    headers = {"accept": accept} if accept else None
    return call(doors.score, request(body, route={"dataset": "bank"}, params=params, headers=headers))


def lines(response: Any) -> list[list[str]]:
    return list(csv.reader(io.StringIO(response.get_body().decode())))


def rounded(rows: list[list[Any]]) -> list[list[float]]:
    return [[round(float(value), 6) for value in row] for row in rows]


def problem(response: Any) -> tuple[int, str]:
    doc = body_of(response)
    assert doc["remedy"]
    return response.status_code, doc["code"]


def test_whoever_asks_for_nothing_gets_what_they_always_got(app: App) -> None:
    response = score()
    assert response.get_body() == b'{"result":["yes","no"]}'
    assert "x-dropml-threshold" not in response.headers
    assert json.loads(app.endpoint.seen[-1]["body"])["params"] == {"method": "predict"}, "no more is computed"


def test_probabilities_and_their_classes_stand_beside_the_results(app: App) -> None:
    answer = body_of(score(proba="true"))
    assert (answer["result"], answer["classes"]) == (["yes", "no"], CLASSES)
    assert rounded(answer["probabilities"]) == SHARES
    assert "params" not in json.loads(app.endpoint.seen[-1]["body"])


def test_the_setting_stands_in_for_who_does_not_say(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.scoring, "probabilities", True)
    assert "probabilities" in body_of(score())
    assert score(proba="false").get_body() == b'{"result":["yes","no"]}'
    assert body_of(score(shape="list")) == ["yes", "no"], "a bare list stays one"
    app.publish(live=NO_CODE, traffic={NO_CODE: 100}, deployments=versions())
    app.directory.refresh("bank")
    assert body_of(score()) == {"result": ["yes", "no"]}, "where the model has none there are none"


def test_a_list_has_an_object_a_row_and_csv_a_column_a_class(app: App) -> None:
    first, second = body_of(score(shape="list", proba="TRUE"))
    assert first == {"result": "yes", "probabilities": {"no": pytest.approx(0.43), "yes": 0.57}}
    assert second["result"] == "no"
    for response in (score(shape="csv", proba="true"), score(accept="text/csv", proba="true")):
        header, *rows = lines(response)
        assert header == ["prediction", "probability_no", "probability_yes"]
        assert [row[0] for row in rows] == ["yes", "no"]
        assert rounded([row[1:] for row in rows]) == SHARES
    assert lines(score(shape="csv"))[0] == ["prediction"]


def test_ids_come_along_in_every_shape(app: App) -> None:
    knowing = replace(SCHEMA, passed=("probability_yes",), id="probability_yes")
    app.publish(schema=to_json(knowing), deployments=versions())
    body = [{**row, "probability_yes": f"=c{at}"} for at, row in enumerate(SCHEMA.example)]
    answer = body_of(score(body, proba="true"))
    assert (answer["ids"], answer["classes"]) == (["=c0", "=c1"], CLASSES)
    assert [row["id"] for row in body_of(score(body, shape="list", proba="true"))] == ["=c0", "=c1"]
    header, *rows = lines(score(body, shape="csv", proba="true"))
    assert header == ["probability_yes", "prediction", "probability_no", "probability_yes_2"]
    assert [row[0] for row in rows] == ["'=c0", "'=c1"]


def test_the_threshold_in_force_decides_and_is_named(app: App) -> None:
    app.publish(deployments=versions(threshold=0.25))
    response = score()
    assert body_of(response) == {"result": ["yes", "yes"]}
    assert response.headers["x-dropml-threshold"] == "0.25"
    sent = json.loads(app.endpoint.seen[-1]["body"])["params"]
    assert sent == {"method": "predict", "threshold": 0.25}
    app.endpoint.script = [Scripted(200, b'{"result": ["no", "no"], "threshold": 0.9, "model": "bank:1"}')]
    assert score().headers["x-dropml-threshold"] == "0.9", "what the deployment says goes before"


@pytest.mark.parametrize("parameter", ["proba", "explain"])
def test_a_word_that_is_neither_true_nor_false_is_refused(app: App, parameter: str) -> None:
    response = score(**{parameter: "maybe"})
    assert problem(response) == (400, "invalid-parameter")
    assert body_of(response)["field"] == parameter
    assert not app.endpoint.seen


def test_what_a_no_code_deployment_cannot_answer_is_told_before_it_is_asked(app: App) -> None:
    app.publish(live=NO_CODE, traffic={NO_CODE: 100}, deployments=versions(), updated_at=2.0)
    response = score(proba="true")
    assert problem(response) == (409, "no-probabilities")
    assert "DEPLOYMENT_MODE=script" in body_of(response)["remedy"]
    assert problem(score(explain="true")) == (409, "no-explanation")
    assert not app.endpoint.seen


def test_a_document_of_an_earlier_release_names_no_mode(app: App) -> None:
    app.publish(deployments={SCRIPT: {"run_id": "bank-1-a1", "model": "bank:1"}})
    app.endpoint.scripts = {}
    assert problem(score(proba="true")) == (409, "no-probabilities")
    assert body_of(score()) == {"result": ["yes", "no"]}


@pytest.mark.parametrize(
    "answer", [b'["yes", "no"]', b'{"result": ["yes", "no"]}', b'{"result": [1.5, 2], "model": "bank:1"}']
)
def test_a_script_that_gives_none_after_all_is_told(app: App, answer: bytes) -> None:
    app.endpoint.script = [Scripted(200, answer)]
    assert problem(score(proba="true")) == (409, "no-probabilities")


def test_a_regression_answers_intervals_where_its_model_has_them(app: App) -> None:
    app.publish(schema=to_json(replace(SCHEMA, classes=())), deployments=versions())
    answer = b'{"result": [1.5, 2.0], "intervals": [[1, 2], [1.5, 2.5]], "coverage": 0.95, "model": null}'
    app.endpoint.script = [Scripted(200, answer) for _ in range(4)]
    assert body_of(score()) == {"result": [1.5, 2.0]}
    full = {"result": [1.5, 2.0], "intervals": [[1, 2], [1.5, 2.5]], "coverage": 0.95}
    assert body_of(score(proba="true")) == full
    assert body_of(score(proba="true", shape="list"))[0] == {"result": 1.5, "interval": [1, 2]}
    assert lines(score(proba="true", shape="csv"))[:2] == [
        ["prediction", "interval_low", "interval_high"],
        ["1.5", "1", "2"],
    ]


def test_while_two_versions_share_the_traffic_the_one_that_can_is_asked(app: App) -> None:
    app.publish(live=NO_CODE, traffic={NO_CODE: 99, SCRIPT: 1}, deployments=versions())
    for _ in range(20):
        response = score(proba="true")
        assert body_of(response)["classes"] == CLASSES
        assert response.headers["x-dropml-model"] == "bank:1"


def test_a_champion_that_answers_for_a_failed_canary_is_asked_the_same(app: App) -> None:
    both = versions() | {
        "m3-a1": {"run_id": "bank-3-a1", "model": "bank:3", "mode": "script", "threshold": 0.2}
    }
    app.endpoint.deployments.add("m3-a1")
    app.endpoint.scripts["m3-a1"] = CLASSES
    app.publish(live="m3-a1", traffic={"m3-a1": 1, SCRIPT: 10_000_000}, deployments=both)
    app.endpoint.script = [Scripted(500, b"boom")]
    response = score(proba="true")
    assert (body_of(response)["result"], body_of(response)["classes"]) == (["yes", "yes"], CLASSES)
    assert response.headers["x-dropml-model"] == "bank:3"
    assert response.headers["x-dropml-threshold"] == "0.2"


def test_a_champion_without_probabilities_does_not_hide_the_canarys_failure(app: App) -> None:
    app.publish(live=NO_CODE, traffic={NO_CODE: 1, SCRIPT: 10_000_000}, deployments=versions())
    app.endpoint.script = [Scripted(500, b"boom")]
    assert problem_code(score(proba="true")) == (502, "endpoint-error")
    app.endpoint.script = [Scripted(500, b"boom")]
    assert body_of(score()) == {"result": ["yes", "no"]}


def problem_code(response: Any) -> tuple[int, str]:
    return response.status_code, body_of(response)["code"]


def test_a_version_that_takes_over_meanwhile_is_asked_in_its_own_way(app: App) -> None:
    app.publish(deployments=versions(threshold=0.4))
    app.scoring.entry("bank")
    app.endpoint.deployments = {NO_CODE}
    app.publish(live=NO_CODE, traffic={NO_CODE: 100}, deployments=versions())
    response = score()
    assert body_of(response) == {"result": ["yes", "no"]}
    assert "x-dropml-threshold" not in response.headers
    assert json.loads(app.endpoint.seen[-1]["body"]).keys() == {"input_data"}


# -- explanations --------------------------------------------------------------------------------------------------

WHY: dict[str, Any] = {"columns": list(ROW), "base": [0.5, 0.5], "values": [[0.1, 0, 0, 0], [0, 0, 0, -0.2]]}
WHY |= {"of": ["yes", "yes"], "method": "Shapley values"}


def test_explanations_are_answered_as_they_are_given(app: App) -> None:
    answer: dict[str, Any] = {"result": ["yes", "no"], "model": "bank:1", "contributions": WHY}
    app.endpoint.script = [Scripted(200, json.dumps(answer).encode())]
    assert body_of(score(explain="true")) == {"result": ["yes", "no"], "contributions": WHY}
    assert json.loads(app.endpoint.seen[-1]["body"])["params"] == {"method": "predict", "explain": True}
    answer = {**answer, "probabilities": SHARES, "classes": CLASSES}
    app.endpoint.script = [Scripted(200, json.dumps(answer).encode())]
    both = body_of(score(explain="true", proba="true"))
    assert both.keys() == {"result", "probabilities", "classes", "contributions"}


def test_twenty_rows_are_explained_and_one_more_is_refused(app: App) -> None:
    response = score([ROW] * 21, explain="true")
    assert problem(response) == (400, "too-many-explanations")
    assert "21 rows; at most 20" in body_of(response)["detail"]
    assert not app.endpoint.seen


def test_explanations_come_in_every_shape(app: App) -> None:
    answer = {"result": ["yes", "no"], "contributions": WHY, "probabilities": SHARES, "classes": CLASSES}
    app.endpoint.script = [Scripted(200, json.dumps(answer).encode()) for _ in range(4)]
    first = body_of(score(explain="true", shape="list"))[0]
    values = dict(zip(ROW, [0.1, 0, 0, 0], strict=True))
    assert first == {"result": "yes", "contributions": {"of": "yes", "base": 0.5, "values": values}}
    assert body_of(score(explain="true", proba="true", shape="list"))[1].keys() == {
        "result",
        "probabilities",
        "contributions",
    }
    header, row, _ = lines(score(explain="true", shape="csv"))
    whys = [f"contribution_{name}" for name in ROW]
    assert header == ["prediction", *whys, "contribution_base", "contribution_of"]
    assert row == ["yes", "0.1", "0", "0", "0", "0.5", "yes"]
    header, *_ = lines(score(explain="true", proba="true", accept="text/csv"))
    assert header[:4] == ["prediction", "probability_no", "probability_yes", whys[0]]


def test_a_deployment_that_explains_nothing_is_told(app: App) -> None:
    app.endpoint.script = [Scripted(200, b'{"result": ["yes", "no"], "model": "bank:1"}')]
    assert problem(score(explain="true")) == (409, "no-explanation")


def test_a_model_that_cannot_be_explained_is_no_fault_of_the_rows(app: App) -> None:
    said = b'{"message": "this model is served from its pickled form", "code": "no-explanation"}'
    app.endpoint.script = [Scripted(424, said, {"ms-azureml-model-error-statuscode": "400"})]
    response = score(explain="true")
    assert problem_code(response) == (409, "no-explanation")
    assert "pickled form" in body_of(response)["detail"]


def test_explaining_has_a_deadline_of_its_own(app: App) -> None:
    app.scoring.limits = replace(app.scoring.limits, explain_seconds=0.05)
    app.endpoint.script = [Scripted(delay=30.0)]
    assert problem_code(score(explain="true")) == (504, "deadline-exceeded")
