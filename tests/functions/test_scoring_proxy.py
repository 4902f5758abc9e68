"""The scoring proxy over real sockets: what callers see when all is well, and when the endpoint is in trouble."""

from __future__ import annotations

import json
import ssl
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functions import scoring as doors
from shared import bootstrap
from shared.adapters.telemetry import NoTelemetry
from shared.correlation import Exchange
from shared.domain.errors import Transient
from shared.domain.run.serving import Target
from tests.support.scoring_support import (
    ROW,
    SCHEMA,
    App,
    Endpoint,
    Scripted,
    body_of,
    call,
    certificate,
    request,
    serve,
)

TWO = {"data": [dict(row) for row in SCHEMA.example]}
JSON_HEADERS = {"azureml-model-deployment": "m1-a1"}


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


# -- all is well -------------------------------------------------------------------------------------------------


def test_two_records_get_two_labels_and_the_version_that_gave_them(app: App) -> None:
    response = score()
    assert response.status_code == 200
    assert body_of(response) == {"result": ["yes", "no"]}
    assert response.headers["x-dropml-model"] == "bank:1"
    assert response.headers["x-dropml-run"] == "bank-1-a1"
    sent = json.loads(app.endpoint.seen[-1]["body"])["input_data"]
    assert sent["columns"] == ["age", "job", "euribor3m", "member"]
    assert sent["data"] == [[57, "technician", 1.299, True], [30, "admin.", 4.86, None]]


def test_the_answer_comes_in_the_shape_asked_for(app: App) -> None:
    assert body_of(score(params={"shape": "list"})) == ["yes", "no"]
    as_csv = score(headers={"accept": "text/csv"})
    assert as_csv.get_body() == b"prediction\r\nyes\r\nno\r\n"
    assert as_csv.mimetype.startswith("text/csv")
    assert problem(score(params={"shape": "table"})) == (400, "unknown-shape")


@pytest.mark.parametrize(
    ("accept", "is_csv"),
    [
        ("text/csv, application/json", True),
        ("application/json, text/csv", False),
        ("application/json;q=0.1, text/csv", True),
        ("Text/CSV; header=present; Q=0.9, */*;q=0.1", True),
        ("text/csv;q=0, application/json", False),
        ("text/csv;q=0", False),
        ("text/html, text/csv;q=0.5", True),
        ("text/csv;q=0.5, */*", False),
        ("text/csv;q=much", True),
    ],
)
def test_csv_goes_to_whoever_would_rather_have_it(app: App, accept: str, is_csv: bool) -> None:
    assert score(headers={"accept": accept}).mimetype.startswith("text/csv") is is_csv


def test_csv_in(app: App) -> None:
    text = b"job,age,euribor3m,member\ntechnician,57,1.3,\nadmin.,30,4.8,true\n"
    assert body_of(score(text, headers={"content-type": "text/csv"})) == {"result": ["yes", "no"]}


def test_an_unseen_category_is_a_warning(app: App) -> None:
    response = score([{**ROW, "job": "astronaut"}])
    assert response.headers["x-dropml-warnings"] == "1"
    assert body_of(response)["warnings"][0]["field"] == "job"
    assert body_of(score([{**ROW, "job": "astronaut"}], params={"shape": "list"})) == ["yes"]


HALF = "\ud800"
TABLE = {"columns": list(ROW), "data": [list(ROW.values())]}


@pytest.mark.parametrize(
    "body",
    [
        [{**ROW, "job": HALF}],
        [{**ROW, HALF: 1}],
        {"data": [{HALF: 1}]},
        {HALF: [ROW]},
        {"data": HALF},
        {"input_data": {**TABLE, HALF: 1}},
        {"input_data": {**TABLE, "columns": [HALF, *list(ROW)[1:]]}},
        {"input_data": {**TABLE, "columns": [HALF, HALF]}},
        HALF,
        [HALF],
    ],
    ids=ascii,
)
@pytest.mark.parametrize("accept", ["application/json", "text/csv"])
def test_half_a_character_anywhere_in_a_body_is_the_callers_mistake(app: App, body: Any, accept: str) -> None:
    response = score(body, headers={"accept": accept})
    assert response.status_code in (400, 422)
    assert response.get_body().decode()
    assert not app.endpoint.seen


@pytest.mark.parametrize("text", ["age,job\n1,\ud800\n", "age,\udfff\n1,x\n"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_or_in_a_csv(app: App, text: str, encoding: str) -> None:
    response = score(text.encode(encoding, "surrogatepass"), headers={"content-type": "text/csv"})
    assert response.status_code == 400
    assert "line" in body_of(response)["detail"]


def test_the_request_id_goes_through_and_back(app: App) -> None:
    response = score(headers={"x-request-id": "mine-7"})
    assert response.headers["x-request-id"] == "mine-7"
    seen = app.endpoint.seen[-1]["headers"]
    assert (seen["x-request-id"], seen["x-ms-client-request-id"]) == ("mine-7", "mine-7")
    made = score(headers={"x-request-id": "no\nway"}).headers["x-request-id"]
    assert made == app.endpoint.seen[-1]["headers"]["x-request-id"] != "no\nway"


def test_a_callers_trace_is_the_request_id_that_the_endpoint_keeps(app: App) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    told = score(headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"}).headers["x-request-id"]
    assert told == app.endpoint.seen[-1]["headers"]["x-request-id"] == str(uuid.UUID(trace))
    for no_trace in ("", f"00-{'0' * 32}-b7ad6b7169203331-01", f"00-{trace}", "00-x-y-01"):
        made = score(headers={"traceparent": no_trace}).headers["x-request-id"]
        assert uuid.UUID(made) != uuid.UUID(trace)
        assert made == str(uuid.UUID(made)), "an endpoint keeps no other form"


class Kept(NoTelemetry):
    """Keeps what it is told of requests."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, int, tuple[Exchange, ...]]] = []

    def track_request(self, name: str, **told: Any) -> None:
        self.requests.append((told["operation"], told["status"], tuple(told["exchanges"])))


def test_what_the_endpoint_was_asked_is_told_with_the_request(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept()
    monkeypatch.setattr(bootstrap, "telemetry", lambda: kept)
    score(headers={"x-request-id": "r1"})
    score([{"age": "no number"}], headers={"x-request-id": "r2"})
    (name, status, (asked,)), (_, refused, nothing) = kept.requests
    assert (name, status, refused, nothing) == ("r1", 200, 422, ())
    assert (asked.deployment, asked.status) == ("m1-a1", 200)
    assert asked.endpoint
    assert asked.seconds > 0


def test_a_caller_cannot_choose_the_deployment_or_see_its_key(app: App) -> None:
    app.endpoint.deployments.add("m2-a1")
    response = score(headers={"azureml-model-deployment": "m2-a1", "authorization": "Bearer x"})
    assert app.endpoint.seen[-1]["headers"]["azureml-model-deployment"] == "m1-a1"
    assert response.headers["x-dropml-model"] == "bank:1"
    assert b"p0" not in response.get_body()


def test_deployments_are_drawn_by_the_weights(app: App) -> None:
    app.endpoint.deployments.add("m2-a1")
    app.publish(traffic={"m1-a1": 90, "m2-a1": 10})
    app.directory.refresh("bank")
    drawn = Counter(score().headers["x-dropml-model"] for _ in range(300))
    assert 8 <= drawn["bank:2"] <= 65  # 30 expected; 5 standard deviations either way
    assert set(drawn) == {"bank:1", "bank:2"}


def test_one_dataset_needs_no_name_and_two_do(app: App) -> None:
    assert body_of(call(doors.score_only, request(TWO))) == {"result": ["yes", "no"]}
    app.publish("wine")
    app.directory._listed = None
    assert problem(call(doors.score_only, request(TWO))) == (400, "dataset-required")


# -- the caller's mistakes cost no call ----------------------------------------------------------------------------


def test_a_bad_row_is_told_before_the_network_is_used(app: App) -> None:
    response = score([ROW, {**ROW, "age": "old"}])
    assert problem(response) == (422, "invalid-rows")
    error = body_of(response)["errors"][0]
    assert (error["row"], error["field"], error["code"]) == (1, "age", "wrong-type")
    assert app.endpoint.seen == []


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b"{", {}, (400, "invalid-json")),
        (b"<a/>", {"content-type": "application/xml"}, (415, "unsupported-media-type")),
        ([ROW] * 5001, {}, (413, "too-many-rows")),
        (b" " * (4 * 1024 * 1024 + 1), {}, (413, "body-too-large")),
        ([{**ROW, "job": "x" * 1_600_000}], {}, (413, "body-too-large")),
        ([ROW], {"x-dropml-deadline-ms": "soon"}, (400, "invalid-deadline")),
        ([ROW], {"x-dropml-deadline-ms": "7"}, (400, "invalid-deadline")),
    ],
)
def test_refusals(app: App, body: Any, headers: dict[str, str], expected: tuple[int, str]) -> None:
    assert problem(score(body, headers=headers)) == expected
    assert app.endpoint.seen == []


def test_a_large_request_is_told_the_size_that_was_sent(app: App) -> None:
    body = json.dumps([{**ROW, "job": "ü" * 400_000}], ensure_ascii=False).encode()
    for sent in (body, b" " * (4 * 1024 * 1024 + 1)):
        assert f"The request is {len(sent)} bytes" in body_of(score(sent))["detail"]


def test_an_unknown_dataset_is_404(app: App) -> None:
    assert problem(score(dataset="nope")) == (404, "no-live-model")


def test_a_fault_of_ours_is_hidden_but_has_an_id(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Any) -> Any:
        raise RuntimeError("secret p0")

    monkeypatch.setattr(app.scoring, "score", broken)
    response = score(headers={"x-request-id": "r1"})
    assert (response.status_code, response.headers["x-request-id"]) == (500, "r1")
    assert b"secret" not in response.get_body()


# -- trouble at the endpoint ---------------------------------------------------------------------------------------


def test_an_idle_connection_closed_by_the_endpoint_fails_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(Endpoint(idle_seconds=0.05)) as endpoint:
        app = App(endpoint)
        app.publish()
        monkeypatch.setattr(bootstrap, "scoring", lambda: app.scoring)
        monkeypatch.setattr(bootstrap, "telemetry", NoTelemetry)
        for pause in (0.0, 0.1, 0.05, 0.049, 0.051, 0.05, 0.0):
            time.sleep(pause)
            assert score().status_code == 200


def test_a_connection_closed_without_an_answer_is_tried_again(app: App) -> None:
    assert score().status_code == 200
    app.endpoint.script = [Scripted(hang_up=True)]
    assert score().status_code == 200


def test_an_endpoint_that_is_gone_is_503_in_time() -> None:
    with serve(Endpoint()) as endpoint:
        app = App(endpoint)
        app.publish()
    started = time.monotonic()
    with pytest.raises(Transient) as caught:
        app.calls.score(app.scoring.entry("bank").target, "m1-a1", b"{}", deadline=app.calls.deadline(2))
    assert caught.value.error_code == "endpoint-unreachable"
    assert time.monotonic() - started < 2


def test_throttling_is_waited_out_within_the_deadline(app: App) -> None:
    app.endpoint.script = [
        Scripted(429, headers={"Retry-After": "0.1"}),
        Scripted(503, headers={"Retry-After": "0"}),
    ]
    assert score().status_code == 200
    app.endpoint.script = [Scripted(429, headers={"Retry-After": "30"})]
    response = score()
    assert problem(response) == (503, "endpoint-busy")
    assert response.headers["Retry-After"] == "30"


def test_the_deadline_bounds_a_hanging_endpoint(app: App) -> None:
    app.endpoint.script = [Scripted(delay=1.0)]
    started = time.monotonic()
    assert problem(score(headers={"x-dropml-deadline-ms": "200"})) == (504, "deadline-exceeded")
    assert time.monotonic() - started < 0.8


def test_retries_have_a_budget(app: App) -> None:
    app.calls.budget._left = 0
    app.endpoint.script = [Scripted(429, headers={"Retry-After": "0"})]
    assert problem(score()) == (503, "endpoint-busy")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            Scripted(424, b'{"message": "bad row"}', {"ms-azureml-model-error-statuscode": "400"}),
            (422, "model-refused"),
        ),
        (Scripted(424, b"boom", {"ms-azureml-model-error-statuscode": "500"}), (502, "model-error")),
        (Scripted(424), (502, "model-error")),
        (Scripted(403), (502, "endpoint-unauthorized")),
        (Scripted(408), (504, "deadline-exceeded")),
        (Scripted(413), (413, "body-too-large")),
        (Scripted(500, b"x"), (502, "endpoint-error")),
        (Scripted(200, b"<html>"), (502, "bad-endpoint-answer")),
        (Scripted(200, b'["no"]'), (502, "bad-endpoint-answer")),
    ],
)
def test_each_answer_of_the_endpoint_has_its_meaning(
    app: App, answer: Scripted, expected: tuple[int, str]
) -> None:
    app.endpoint.script = [answer]
    assert problem(score()) == expected


def test_a_vanished_deployment_is_looked_up_again(app: App) -> None:
    assert score().headers["x-dropml-model"] == "bank:1"
    app.endpoint.deployments = {"m2-a1"}
    app.publish(live="m2-a1", traffic={"m2-a1": 100})
    assert score().headers["x-dropml-model"] == "bank:2"


def test_tls_is_verified_against_the_configured_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in Azure, where endpoints speak https; REQUESTS_CA_BUNDLE names another authority."""
    ca = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    with serve(Endpoint(), tls=context) as endpoint:
        target = Target("bank-abc123", f"{endpoint.url}/score")
        body = b'{"input_data": {"columns": ["age"], "index": [0], "data": [[60]]}}'
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ca))
        calls = App(endpoint).calls
        for _ in range(2):  # a new connection, and a pooled one
            answer = calls.score(target, "m1-a1", body, deadline=calls.deadline(5))
            assert (answer.status, answer.body) == (200, b'["yes"]')
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        calls = App(endpoint).calls
        with pytest.raises(Transient, match="SSLError"):
            calls.score(target, "m1-a1", body, deadline=calls.deadline(5))


# -- the endpoint's own pages --------------------------------------------------------------------------------------


def test_the_endpoints_swagger_passes_through(app: App) -> None:
    response = call(doors.endpoint_swagger, request(method="GET", route={"name": "bank-abc123"}))
    assert body_of(response)["swagger"] == "2.0"
    wrong = request(method="GET", route={"name": "bank-abc123"}, params={"version": "4"})
    assert problem(call(doors.endpoint_swagger, wrong)) == (400, "unknown-version")


def test_a_script_that_does_not_describe_itself_is_described_by_the_dataset(app: App) -> None:
    said = {"type": "object", "example": {}}
    app.endpoint.swagger = json.dumps({"swagger": "2.0", "definitions": {"ServiceInput": said}}).encode()
    response = call(doors.endpoint_swagger, request(method="GET", route={"name": "bank-abc123"}))
    taken = body_of(response)["definitions"]["ServiceInput"]
    assert list(taken["properties"]["input_data"]["items"]["properties"]) == [c.name for c in SCHEMA.columns]
    assert taken["example"]["input_data"][0] == dict(SCHEMA.example[0])


def test_a_short_benchmark(app: App) -> None:
    options = {"requests": 40, "concurrency": 4, "rows": 3}
    response = call(doors.benchmark_endpoint, request(options, route={"name": "bank-abc123"}))
    measured = body_of(response)
    assert (measured["requests"], measured["errors"], measured["model"]) == (40, {}, "bank:1")
    assert 0 < measured["latency_ms"]["p50"] <= measured["latency_ms"]["p99"]
    assert measured["requests_per_second"] > 0
    for bad in ({"requests": 501}, {"requests": True}, {"seconds": 5}, [1]):
        response = call(doors.benchmark_endpoint, request(bad, route={"name": "bank-abc123"}))
        assert problem(response) == (400, "invalid-options")
