"""Telemetry arrives as Application Insights takes it, and never costs a request anything."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any, cast

import pytest
from azure.core.exceptions import ClientAuthenticationError

from shared import bootstrap
from shared.adapters.telemetry import NoTelemetry, Telemetry
from shared.adapters.telemetry_address import parse_connection_string
from shared.adapters.telemetry_envelopes import Envelopes, Item
from shared.adapters.telemetry_of import Exceptions, telemetry_of
from shared.correlation import Exchange, operation
from shared.domain.errors import InvalidConfig, InvalidSetting
from shared.settings import Settings


class Ingestion:
    """Stands where Application Insights listens; keeps what it gets."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.paths: set[str] = set()
        self.tokens: list[str | None] = []
        self.refuse = 0
        ingestion = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                ingestion.paths.add(self.path)
                ingestion.tokens.append(self.headers["Authorization"])
                if ingestion.refuse:
                    ingestion.refuse -= 1
                    self.send_response(503)
                else:
                    ingestion.items += json.loads(body)
                    self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                """Quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def connection_string(self) -> str:
        return f"InstrumentationKey=key-1;IngestionEndpoint=http://127.0.0.1:{self.server.server_port}/"


@pytest.fixture
def ingestion() -> Iterator[Ingestion]:
    ingestion = Ingestion()
    yield ingestion
    ingestion.server.shutdown()
    ingestion.server.server_close()


def test_requests_and_events_arrive_with_their_correlation(ingestion: Ingestion) -> None:
    telemetry = Telemetry(ingestion.connection_string)
    telemetry.track_request(
        "POST /api/score", url="http://host/api/score/bank", status=422, duration_ms=12.5, operation="r1"
    )
    telemetry.track_event("gate", {"decision": "promote", "rows": 2000}, {"new": 0.87}, operation="bank-1-a1")
    telemetry.close()
    assert ingestion.paths == {"/v2.1/track"}
    served, event = ingestion.items
    assert (served["iKey"], served["tags"]["ai.operation.id"]) == ("key-1", "r1")
    assert (served["data"]["baseData"]["success"], served["data"]["baseData"]["responseCode"]) == (
        False,
        "422",
    )
    assert event["data"]["baseData"]["name"] == "gate"
    assert event["data"]["baseData"]["properties"] == {"decision": "promote", "rows": "2000"}
    assert event["data"]["baseData"]["measurements"] == {"new": 0.87}
    assert event["tags"]["ai.operation.id"] == "bank-1-a1"


def test_a_refusal_is_tried_again(ingestion: Ingestion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.adapters.telemetry.PAUSES", (0.05, 0.05, 0.05))
    ingestion.refuse = 2
    telemetry = Telemetry(ingestion.connection_string)
    telemetry.track_event("once")
    until = time.monotonic() + 5
    while not telemetry.sent and time.monotonic() < until:
        time.sleep(0.01)
    assert [item["data"]["baseData"]["name"] for item in ingestion.items] == ["once"]


def test_an_unreachable_service_costs_nothing_and_memory_is_bounded() -> None:
    telemetry = Telemetry("InstrumentationKey=k;IngestionEndpoint=http://127.0.0.1:9/", limit=100)
    started = time.perf_counter()
    for at in range(5000):
        telemetry.track_event("e", {"n": at})
    each = (time.perf_counter() - started) / 5000
    assert each < 0.0005
    assert telemetry.dropped >= 4000
    started = time.monotonic()
    telemetry.close(0.5)
    assert time.monotonic() - started < 3


def test_an_absent_package_costs_the_telemetry_alone_and_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "applicationinsights", None)
    telemetry = Telemetry("InstrumentationKey=k;IngestionEndpoint=http://127.0.0.1:9/", limit=10)
    for at in range(50):
        telemetry.track_event("e", {"n": at})
    telemetry.close()
    assert telemetry.dropped >= 40
    assert "no telemetry: " in caplog.text
    assert "applicationinsights" in caplog.text


def test_connection_strings() -> None:
    public = (
        "InstrumentationKey=k;IngestionEndpoint=https://we.in.applicationinsights.azure.com/;LiveEndpoint=x"
    )
    assert parse_connection_string(public) == (
        "k",
        "https://we.in.applicationinsights.azure.com/v2.1/track",
    )
    assert parse_connection_string("instrumentationkey=k")[1].startswith(
        "https://dc.services.visualstudio.com"
    )
    with pytest.raises(InvalidConfig):
        parse_connection_string("https://example.org")


def wrong_string() -> Settings:
    return replace(Settings(), applicationinsights_connection_string="no key here")


def wrong_settings() -> Settings:
    raise InvalidSetting("CANARY_PERCENT is 250.")


@pytest.mark.parametrize("settings", [wrong_string, wrong_settings])
def test_what_is_wrong_with_the_settings_costs_the_telemetry_alone(
    monkeypatch: pytest.MonkeyPatch, settings: Callable[[], Settings]
) -> None:
    monkeypatch.setattr(bootstrap, "settings", settings)
    bootstrap.telemetry.cache_clear()
    try:
        assert type(bootstrap.telemetry()) is NoTelemetry
    finally:
        bootstrap.telemetry.cache_clear()


class Signs:
    """A credential; `fails` times it gives no token."""

    def __init__(self, fails: int = 0) -> None:
        self.fails = fails
        self.scopes: list[str] = []

    def get_token(self, scope: str) -> SimpleNamespace:
        self.scopes.append(scope)
        if self.fails:
            self.fails -= 1
            raise ClientAuthenticationError("no identity yet")
        return SimpleNamespace(token="t0ken")


@pytest.mark.parametrize(("asked", "told"), [("ClientId=x;Authorization=AAD", "Bearer t0ken"), ("", None)])
def test_a_resource_that_takes_identities_alone_gets_a_token(
    ingestion: Ingestion, asked: str, told: str | None
) -> None:
    signs = Signs()
    telemetry = telemetry_of(lambda: ingestion.connection_string, lambda: asked, lambda: signs)
    telemetry.track_event("run moved", {"state": "failed"})
    telemetry.close(5)
    assert len(ingestion.items) == 1
    assert ingestion.tokens == [told]
    assert signs.scopes == (["https://monitor.azure.com//.default"] if told else [])


def test_without_a_token_telemetry_is_sent_again_and_costs_nothing_else(
    ingestion: Ingestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.adapters.telemetry.PAUSES", (0.0, 0.0, 0.0))
    signs = Signs(fails=2)
    telemetry = Telemetry(ingestion.connection_string, token=lambda: str(signs.get_token("scope").token))
    telemetry.track_event("run moved", {"state": "failed"})
    while not telemetry.sent + telemetry.dropped:
        time.sleep(0.01)
    telemetry.close(5)
    assert (telemetry.sent, telemetry.dropped) == (1, 0)
    assert ingestion.tokens == ["Bearer t0ken"]


def test_every_request_has_the_envelope_that_the_library_makes() -> None:
    def item(**changes: Any) -> Any:
        arguments = {
            "name": "POST /api/score",
            "url": "http://host/api/score/bank",
            "success": True,
            "duration": 12.5,
            "response_code": 200,
            "http_method": "POST",
            "properties": {"dataset": "bank", "run": "bank-1-a1"},
            "measurements": None,
        }
        return Item("request", arguments | changes, "r1")

    envelopes = Envelopes("key-1")
    envelopes.make(item(url="http://host/another", properties={"other": "x"}))
    for changes in (
        {},
        {"success": False, "response_code": 503, "properties": {"code": "overloaded"}},
        {"duration": 90_061_001.9},
        {"duration": 0.2},
    ):
        asked = item(**changes)
        (ours,) = cast("Any", envelopes.make(asked))
        arguments = {k: v for k, v in asked.arguments.items() if k not in ("properties", "measurements")}
        theirs: Any = envelopes.by_library(asked, {**arguments, "properties": asked.arguments["properties"]})
        theirs["data"]["baseData"].pop("id")
        assert len(ours["data"]["baseData"].pop("id")) == 32
        assert ours == theirs


def test_an_exchange_with_an_endpoint_is_a_dependency_of_its_request() -> None:
    asked = (Exchange("ep-bank", "m1-a1", 0, 0.25), Exchange("ep-bank", "m1-a1", 200, 1.5))
    arguments = {
        "name": "POST /api/score",
        "url": "http://host/api/score/bank",
        "success": True,
        "duration": 1800.0,
        "response_code": 200,
        "http_method": "POST",
        "properties": {"dataset": "bank"},
        "measurements": None,
    }
    guid = "0af76519-16cd-43dd-8448-eb211c80319c"
    served, lost, answered = cast("Any", Envelopes("key-1").make(Item("request", arguments, guid, asked)))
    for each in (served, lost, answered):
        assert each["tags"]["ai.operation.id"] == "0af7651916cd43dd8448eb211c80319c", "as the endpoint's own"
        assert each["iKey"] == "key-1"
    for each in (lost, answered):
        assert each["tags"]["ai.operation.parentId"] == served["data"]["baseData"]["id"]
        assert (each["name"], each["data"]["baseType"]) == (
            "Microsoft.ApplicationInsights.RemoteDependency",
            "RemoteDependencyData",
        )
    told = [each["data"]["baseData"] for each in (lost, answered)]
    assert [(each["target"], each["resultCode"], each["success"], each["duration"]) for each in told] == [
        ("ep-bank", "0", False, "00:00:00.250"),
        ("ep-bank", "200", True, "00:00:01.500"),
    ]
    assert told[0]["properties"] == {"dataset": "bank", "deployment": "m1-a1"}


def test_metrics_and_what_nobody_foresaw_arrive_under_their_operation(ingestion: Ingestion) -> None:
    telemetry = Telemetry(ingestion.connection_string)
    handler = Exceptions(telemetry)
    own = logging.getLogger("tests.telemetry")
    own.addHandler(handler)
    telemetry.track_metric("drop_to_live_seconds", 61.5, {"dataset": "bank"}, operation="bank-1-a1")
    try:
        with operation("bank-1-a1"):
            own.error("no trace, no exception")
            try:
                raise ValueError("password=hunter22hunter22 is wrong")
            except ValueError:
                own.exception("a step failed")
    finally:
        own.removeHandler(handler)
        telemetry.close()
    metric, failure = ingestion.items
    assert {each["tags"]["ai.operation.id"] for each in ingestion.items} == {"bank-1-a1"}
    (measured,) = metric["data"]["baseData"]["metrics"]
    assert (measured["name"], measured["value"]) == ("drop_to_live_seconds", 61.5)
    assert metric["data"]["baseData"]["properties"] == {"dataset": "bank"}
    (told,) = failure["data"]["baseData"]["exceptions"]
    assert (failure["data"]["baseType"], told["typeName"]) == ("ExceptionData", "ValueError")
    assert "test_metrics_and_what_nobody_foresaw" in told["stack"]
    about = failure["data"]["baseData"]["properties"]
    assert about["logger"] == "tests.telemetry"
    assert about["told"].startswith("a step failed")
    assert "hunter22" not in json.dumps(failure)
