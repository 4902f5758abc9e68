"""The door of every HTTP function: what callers put into path, query, headers and body can't get past it unchecked."""

from __future__ import annotations

import asyncio
import gzip
import inspect
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from itertools import islice
from typing import Any

import pytest

from functions import acts, health, parameters, pipelines, runs, scoring
from functions.http import MAX_WORDS, SECURITY_HEADERS, tagged
from functions.parameters import ROUTE
from shared import bootstrap
from shared.adapters.telemetry import NoTelemetry
from shared.domain.errors import InvalidInput, InvalidSetting, NotFound, Transient
from shared.services import bulkhead
from shared.services.bulkhead import Bulkhead
from shared.services.monitoring.probe import Probe
from shared.services.rate_limit import MAX_KEYS, RateLimit
from shared.settings import read, settings
from tests.functions.test_openapi import DOCUMENT, resolved
from tests.support.indexed import indexed_functions
from tests.support.scoring_support import SCHEMA, body_of, call, request

TWO = {"data": [dict(row) for row in SCHEMA.example]}


@pytest.fixture(autouse=True)
def nothing_behind_the_door(monkeypatch: pytest.MonkeyPatch) -> None:
    """What reaches a service fails the test with a 500."""
    for name in ("scoring", "endpoints", "batches", "serving", "store", "context"):
        monkeypatch.setattr(bootstrap, name, lambda: pytest.fail("a service was reached"))
    monkeypatch.setattr(bootstrap, "telemetry", NoTelemetry)


def problem(response: Any) -> tuple[int, str]:
    assert response.mimetype == "application/problem+json"
    doc = body_of(response)
    assert doc["status"] == response.status_code
    return response.status_code, doc["code"]


@pytest.mark.parametrize("value", ["../state", "a/b", "..", "a\nb", "a" * 65, "a\x00", "%2e%2e", "\ud800"])
@pytest.mark.parametrize(
    ("function", "name"),
    [
        (runs.show_run, "id"),
        (runs.show_leaderboard, "id"),
        (runs.show_ledger, "id"),
        (runs.retry_run, "id"),
        (acts.promote_run, "id"),
        (acts.cancel_run, "id"),
        (acts.approve_run, "id"),
        (acts.reject_run, "id"),
        (pipelines.show_pipeline_run, "id"),
        (scoring.show_batch, "id"),
        (scoring.endpoint_swagger, "name"),
        (scoring.rotate_key, "name"),
        (scoring.benchmark_endpoint, "name"),
        (scoring.docs_asset, "file"),
    ],
)
def test_an_id_that_nothing_can_have_names_nothing(
    function: Callable[..., Any], name: str, value: str
) -> None:
    response = call(function, request(route={"dataset": "bank", name: value}))
    assert problem(response) == (404, "not-found")


@pytest.mark.parametrize("value", ["a\nb", "a\x00", "\ud800", "x" * 1025, "\u2028"])
@pytest.mark.parametrize("function", [scoring.score, scoring.create_batch, pipelines.trigger_pipeline])
def test_a_name_that_no_file_can_have_is_no_dataset(function: Callable[..., Any], value: str) -> None:
    assert problem(call(function, request(TWO, route={"dataset": value}))) == (404, "not-found")


def test_every_parameter_of_a_route_has_a_rule() -> None:
    routes = [
        binding.get_dict_repr().get("route", "")
        for function in indexed_functions()
        for binding in function.get_bindings()
    ]
    named = {part[1:-1].lstrip("*") for route in routes for part in route.split("/") if part.startswith("{")}
    assert named == set(ROUTE)


@pytest.mark.parametrize(
    "params", [{"limit": "1" * 5000}, {"state": "a\nb"}, {"dataset": "\ud800"}, {"x": "y" * 2001}]
)
def test_a_query_parameter_without_measure_is_refused(params: dict[str, str]) -> None:
    response = call(runs.list_runs, request(method="GET", params=params))
    assert problem(response) == (400, "invalid-parameter")


def keyed() -> list[tuple[Callable[..., Any], str, str]]:
    """Of each function that is asked with a key: itself, its method and its route."""
    found = []
    for function in indexed_functions():
        for binding in (each.get_dict_repr() for each in function.get_bindings()):
            if binding["type"] == "httpTrigger" and binding["authLevel"].name == "FUNCTION":
                found.append((function.get_user_function(), binding["methods"][0].name, binding["route"]))
    return found


def asked_with(route: str, method: str, params: dict[str, str]) -> Any:
    """A request at that route, whose path names something."""
    named = {"n": "1"}
    parts = {part[1:-1]: named.get(part[1:-1], "x") for part in route.split("/") if part.startswith("{")}
    return request(method=method, route=parts, params=params)


@pytest.mark.parametrize(("function", "method", "route"), keyed())
def test_a_parameter_that_a_call_does_not_read_is_refused(
    function: Callable[..., Any], method: str, route: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("sate", "Limit", "nextcursor"):
        answer = call(function, asked_with(route, method, {name: "x"}))
        assert problem(answer) == (400, "unknown-parameter")
        assert body_of(answer)["field"] == name
    told: list[set[str]] = []

    def only(req: Any, *known: str) -> None:
        told.append(set(known))
        raise NotFound("No further.")

    monkeypatch.setattr(parameters, "only", only)
    call(function, asked_with(route, method, {}))
    if f"/api/{route}" in DOCUMENT["paths"]:  # scoring and its batches are described by dataset
        described = resolved(DOCUMENT["paths"][f"/api/{route}"][method.lower()].get("parameters", []))
        assert told == [{each["name"] for each in described if each["in"] == "query"}]


@pytest.mark.parametrize("name", ["code", "Code", "clientId", "CLIENTID"])
def test_what_the_host_reads_itself_is_taken_everywhere(name: str) -> None:
    parameters.only(request(params={name: "x"}))
    with pytest.raises(InvalidInput, match="There is no parameter"):
        parameters.only(request(params={name: "x", f"{name}s": "x"}))


def test_a_misspelt_parameter_is_told_with_the_one_that_was_meant() -> None:
    for name, meant in (("sate", "state"), ("State", "state"), ("datset", "dataset")):
        told = body_of(call(runs.list_runs, request(method="GET", params={name: "live"})))
        assert f"(did you mean {meant}?)" in told["detail"]
        assert "dataset, state, limit, cursor" in told["remedy"]


@pytest.mark.parametrize("value", ["text/csv\r\nX: y", "a" * 1001, "text/\x00csv", "text/ä"])
@pytest.mark.parametrize("name", ["content-type", "accept", "if-none-match"])
def test_a_header_is_short_and_printable(name: str, value: str) -> None:
    for function in (scoring.score, runs.list_runs, scoring.create_batch):
        response = call(function, request(TWO, route={"dataset": "bank"}, headers={name: value}))
        assert problem(response) == (400, "invalid-header")
        assert body_of(response)["field"] == name


@pytest.mark.parametrize(
    "function", [health.health, scoring.docs, scoring.docs_asset, runs.show_run, scoring.score]
)
def test_every_answer_carries_the_security_headers(
    function: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    well = Probe(lambda: None)
    monkeypatch.setattr(health, "probe", lambda: well)
    route = {
        scoring.docs_asset: {"file": "docs.js"},
        runs.show_run: {"id": "../x"},
        scoring.score: {"dataset": "a\nb"},
    }
    headers = call(function, request(route=route.get(function, {}))).headers
    for name, value in SECURITY_HEADERS.items():
        if function in (scoring.docs, scoring.docs_asset) and name in (
            "Cache-Control",
            "Content-Security-Policy",
        ):
            assert headers[name] != value
        else:
            assert headers[name] == value
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_a_key_that_is_used_too_often_is_told_to_wait_and_others_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    limit = RateLimit(2.0, clock=lambda: now[0])
    monkeypatch.setattr(bootstrap, "rate_limit", lambda: limit)

    def status(**asked: Any) -> int:
        return int(call(scoring.score, request(route={"dataset": "\n"}, **asked)).status_code)

    mine: Any = {"headers": {"x-functions-key": "mine"}}
    assert [status(**mine) for _ in range(6)] == [404] * 4 + [429] * 2
    refused = call(scoring.score, request(route={"dataset": "bank"}, **mine))
    assert problem(refused) == (429, "rate-limited")
    assert refused.headers["Retry-After"] == "1"
    assert "mine" not in refused.get_body().decode()
    assert status(headers={"x-functions-key": "another"}) == 404
    assert status(params={"code": "mine"}) == 429, "the same key, sent the other way"
    assert call(scoring.docs, request(method="GET", **mine)).status_code == 200
    now[0] = 0.5
    assert [status(**mine) for _ in range(2)] == [404, 429]


@pytest.mark.parametrize(
    "asked",
    [
        {"params": {"code": "mine,junk-{n}"}},
        {"params": {"CODE": "mine"}},
        {"params": {"Code": "mine,mine"}},
        {"headers": {"x-functions-key": "mine,junk-{n}"}},
    ],
)
def test_a_key_sent_twice_or_in_another_spelling_is_no_other_key(
    asked: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host checks the first of several; the others are anybody's to invent."""
    limit = RateLimit(2.0, clock=lambda: 0.0)
    monkeypatch.setattr(bootstrap, "rate_limit", lambda: limit)

    def status(n: int) -> int:
        sent: Any = {part: {k: v.format(n=n) for k, v in given.items()} for part, given in asked.items()}
        return int(call(scoring.score, request(route={"dataset": "\n"}, **sent)).status_code)

    for _ in range(4):
        limit.check("mine")
    assert [status(n) for n in range(3)] == [429] * 3


def test_a_body_of_words_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a call does with a few words, it does not with a hundred megabytes, of which Python makes gigabytes."""
    monkeypatch.setattr(bootstrap, "pipeline_runs", lambda: pytest.fail("a service was reached"))
    body = json.dumps({"note": "x" * MAX_WORDS}).encode()
    for function in (
        acts.cancel_run,
        pipelines.trigger_pipeline,
        runs.set_threshold,
        scoring.benchmark_endpoint,
    ):
        response = call(function, request(body, route={"dataset": "bank"}))
        assert problem(response) == (413, "body-too-large")


def test_keys_without_end_are_forgotten_in_the_order_of_use() -> None:
    limit = RateLimit(1.0, clock=lambda: 0.0)
    for at in range(MAX_KEYS + 5):
        limit.check(f"key-{at}")
    assert len(limit._buckets) == MAX_KEYS


def test_calls_that_wait_for_storage_leave_workers_for_scoring(monkeypatch: pytest.MonkeyPatch) -> None:
    workers, release = Bulkhead(8, 0.5), threading.Event()
    monkeypatch.setattr(bootstrap, "workers", lambda: workers)
    monkeypatch.setattr(bulkhead, "PATIENCE", 0.05)
    monkeypatch.setattr(bootstrap, "store", lambda: release.wait(30))
    asked = request(method="GET", route={"id": "bank-1-a1"})
    with ThreadPoolExecutor(20) as pool:
        held = [pool.submit(call, runs.show_run, asked) for _ in range(20)]
        ended = islice(as_completed(held, timeout=60), 16)
        refused = [problem(answer.result()) for answer in ended]
        with workers.place("score bank", "The dataset 'bank'"):
            assert refused == [(503, "overloaded")] * 16, "four places, and room is left"
        release.set()


@pytest.mark.parametrize(
    ("given", "met"),
    [
        ('"b"', True),
        ('"a", "b"', True),
        ('"a","b"', True),
        ('W/"b"', True),
        ('W/"a", W/"b"', True),
        ("*", True),
        (" * ", True),
        ('"a"', False),
        ('"a,b"', False),
        ('"a,"b', False),
        ("b", False),
        ("", False),
    ],
)
def test_if_none_match_may_name_several_etags_weak_ones_or_any(given: str, met: bool) -> None:
    headers = {"if-none-match": given}
    assert tagged(request(headers=headers), {}, '"b"').status_code == (304 if met else 200)
    assert tagged(request(headers=headers), {}, 'W/"b"').status_code == (304 if met else 200)
    assert tagged(request(headers=headers), {}, '"b"').headers["ETag"] == '"b"'


@pytest.mark.parametrize("key", ["", "a b", "x" * 65, "../k", "k\n"])
@pytest.mark.parametrize("function", [scoring.create_batch, pipelines.trigger_pipeline])
def test_an_idempotency_key_has_one_form_everywhere(function: Callable[..., Any], key: str) -> None:
    asked = request(TWO, route={"dataset": "bank"}, headers={"Idempotency-Key": key})
    assert problem(call(function, asked)) == (400, "invalid-idempotency-key")


@pytest.mark.parametrize("given", ["a\r\nSet-Cookie: x", "x" * 129, "ä", ""])
@pytest.mark.parametrize("function", [runs.show_run, health.health, scoring.docs])
def test_a_request_id_comes_back_only_when_it_can_stand_in_a_header(
    function: Callable[..., Any], given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "probe", lambda: Probe(lambda: None))
    route = {"id": "../x"} if function is runs.show_run else {}
    response = call(function, request(route=route, headers={"x-request-id": given}))
    assert response.headers["x-request-id"] != given
    kept = call(function, request(route=route, headers={"x-request-id": "trace-1"}))
    assert kept.headers["x-request-id"] == "trace-1"


@pytest.mark.parametrize("encoding", ["gzip", "br", "GZIP", "gzip, br"])
@pytest.mark.parametrize("function", [scoring.score, scoring.create_batch, scoring.benchmark_endpoint])
def test_a_compressed_body_is_refused_by_the_name_of_its_encoding(
    function: Callable[..., Any], encoding: str
) -> None:
    body = gzip.compress(json.dumps(TWO).encode())
    asked = request(body, route={"dataset": "bank"}, headers={"Content-Encoding": encoding})
    response = call(function, asked)
    assert problem(response) == (415, "unsupported-encoding")
    assert encoding in body_of(response)["detail"]


def test_wrong_settings_are_told_to_whoever_has_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_PERCENT", "250")
    monkeypatch.setenv("ENDPOINT_AUTH", "basic")
    settings.cache_clear()
    monkeypatch.setattr(bootstrap, "store", settings)
    response = call(runs.list_runs, request(method="GET"))
    settings.cache_clear()
    assert problem(response) == (500, "invalid-setting")
    told = body_of(response)
    assert "CANARY_PERCENT is '250'; it takes a whole number from 0 to 100." in told["detail"]
    assert "ENDPOINT_AUTH is 'basic'" in told["detail"]
    assert "CANARY_PERCENT" in told["remedy"]


# -- health ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        NotFound("The container of health.json does not exist.", code="container-not-found"),
        Transient("Storage answered 503.", code="storage-unavailable"),
        InvalidSetting("CANARY_PERCENT is '250'."),
        ValueError("a secret"),
    ],
)
def test_health_is_200_or_503_and_tells_strangers_nothing(
    fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise fault

    sick = Probe(fails)
    monkeypatch.setattr(health, "probe", lambda: sick)
    odd = request(
        method="GET", params={"x": "y" * 5000}, headers={"Content-Encoding": "gzip", "x-request-id": "r1"}
    )
    response = call(health.health, odd)
    assert problem(response) == (503, "unhealthy")
    assert response.headers["Retry-After"] == "1"
    told = body_of(response)
    assert {key: told[key] for key in ("title", "detail", "request_id")} == {
        "title": "Not available now",
        "detail": "Not able to work now.",
        "request_id": "r1",
    }
    well = Probe(lambda: None)
    monkeypatch.setattr(health, "probe", lambda: well)
    assert body_of(call(health.health, odd)) == {"status": "healthy"}


def test_health_asks_storage_through_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    def documents() -> None:
        read({"CANARY_PERCENT": "250"})

    monkeypatch.setattr(bootstrap, "documents", documents)
    health.probe.cache_clear()
    assert call(health.health, request(method="GET")).status_code == 503
    health.probe.cache_clear()


def test_many_who_ask_are_one_question_and_a_hung_one_is_not_waited_for() -> None:
    asked: list[int] = []
    release, now = threading.Event(), [0.0]

    def hangs() -> None:
        asked.append(1)
        release.wait(30)

    async def flood(probe: Probe) -> None:
        assert await asyncio.gather(*(probe.passes() for _ in range(500))) == [False] * 500
        assert len(asked) == 1
        assert await probe.passes() is False, "what is known is told at once"
        release.set()
        while not await probe.passes():
            now[0] += 3.0
            await asyncio.sleep(0)

    asyncio.run(flood(Probe(hangs, keep=2.0, patience=0.05, clock=lambda: now[0])))


def test_an_answer_is_kept_for_a_while() -> None:
    asked: list[int] = []
    now = [0.0]

    async def ask(probe: Probe) -> None:
        assert [await probe.passes(), await probe.passes()] == [True, True]
        assert len(asked) == 1
        now[0] = 7.5
        assert await probe.passes()
        assert len(asked) == 2

    asyncio.run(ask(Probe(partial(asked.append, 1), keep=2.0, patience=30.0, clock=lambda: now[0])))


def test_nobody_waits_for_a_slow_answer_after_a_good_one() -> None:
    now, slow, release = [0.0], threading.Event(), threading.Event()

    def asks() -> None:
        if slow.is_set():
            release.wait(30)

    async def ask(probe: Probe) -> None:
        assert await probe.passes()
        slow.set()
        now[0] = 2.5
        assert await probe.passes(), "a moment ago it did"
        await asyncio.sleep(0.3)
        assert not await probe.passes(), "by now there should be an answer"
        slow.clear()
        release.set()
        while not await probe.passes():
            await asyncio.sleep(0)

    asyncio.run(ask(Probe(asks, keep=2.0, patience=0.2, clock=lambda: now[0])))


def test_health_needs_no_worker() -> None:
    """A sync function waits for one: where all wait for storage, that would be long."""
    handler = health.health._function.get_user_function()
    assert inspect.iscoroutinefunction(handler)


def test_a_location_is_a_uri_whatever_the_dataset_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    class Taken:
        id = "r1"

        def trigger(self, dataset: str, *_: object) -> Taken:
            return self

        def create(self, dataset: str, *_: object) -> Taken:
            return self

    monkeypatch.setattr(bootstrap, "pipeline_runs", Taken)
    monkeypatch.setattr(bootstrap, "batches", Taken)
    for function, path in (
        (pipelines.trigger_pipeline, "/api/pipelines/%E5%A3%B2%20a%2Fb/runs/k1"),
        (scoring.create_batch, "/api/score/%E5%A3%B2%20a%2Fb/batch/r1"),
    ):
        body = TWO if function is scoring.create_batch else b"{}"
        asked = request(body, route={"dataset": "売 a/b"}, headers={"Idempotency-Key": "k1"})
        response = call(function, asked)
        assert response.status_code == 202
        assert response.headers["Location"] == path
