"""One endpoint in trouble is its own callers' trouble: it holds a share of the workers, and after a while none."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from functions import scoring as doors
from shared import bootstrap
from shared.adapters.arm import Arm
from shared.adapters.endpoint_keys import EndpointKeys
from shared.adapters.telemetry import NoTelemetry
from shared.domain.errors import NotFound, Transient, Upstream
from shared.domain.problems import CircuitOpen, DeadlineExceeded, Overloaded
from shared.domain.run.serving import Target
from shared.services import bulkhead
from shared.services.bulkhead import Bulkhead
from shared.services.scoring.breaker import BreakerLimits, Breakers
from tests.support.scoring_support import SCHEMA, App, Endpoint, Scripted, body_of, call, request, serve

TWO = {"data": [dict(row) for row in SCHEMA.example]}
BANK = Target("bank-abc123", "http://elsewhere/score")


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    with serve(Endpoint()) as endpoint:
        app = App(endpoint)
        app.publish()
        monkeypatch.setattr(bootstrap, "scoring", lambda: app.scoring)
        monkeypatch.setattr(bootstrap, "telemetry", NoTelemetry)
        yield app


def score(dataset: str = "bank", **kwargs: Any) -> Any:
    return call(doors.score, request(TWO, route={"dataset": dataset}, **kwargs))


def problem(response: Any) -> tuple[int, str]:
    doc = body_of(response)
    return response.status_code, doc["code"]


# -- a share of the workers ----------------------------------------------------------------------------------------


def test_a_hung_endpoint_leaves_workers_to_the_other_datasets(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulkhead, "PATIENCE", 0.05)
    app.scoring.workers = Bulkhead(10, 0.5)
    hung = threading.Event()

    def hangs(headers: Any, body: bytes) -> Scripted:
        hung.wait(60)
        return Scripted(200, b'["yes", "no"]')

    with serve(Endpoint()) as other, ThreadPoolExecutor(40) as callers:
        other.answer = hangs  # type: ignore[method-assign]
        app.publish("wine")
        bank = app.endpoint.url
        app.endpoint.address = lambda endpoint: f"{other.url if 'wine' in endpoint else bank}/score"  # type: ignore[method-assign]
        calls = [callers.submit(score, "wine") for _ in range(40)]
        refused = [call.result() for call in islice(as_completed(calls, timeout=60), 35)]
        assert score().status_code == 200, "while the other one hangs"
        hung.set()
        assert Counter(call.result().status_code for call in calls) == {503: 35, 200: 5}
    for answer in refused:
        doc = body_of(answer)
        assert (doc["status"], doc["code"], doc["dataset"]) == (503, "overloaded", "wine")
        assert answer.headers["Retry-After"] == "1"


def test_names_made_up_while_storage_hangs_leave_workers_to_real_ones(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits for a document that does not come; a lane for every name would be a worker for every name."""
    monkeypatch.setattr(bulkhead, "PATIENCE", 0.05)
    app.scoring.workers = Bulkhead(10, 0.5)
    assert score().status_code == 200
    release, get = threading.Event(), app.documents.get
    app.documents.get = lambda path: (release.wait(60), get(path))[1]  # type: ignore[method-assign]
    with ThreadPoolExecutor(40) as callers:
        calls = [callers.submit(score, f"ghost{n}") for n in range(40)]
        refused = [call.result() for call in islice(as_completed(calls, timeout=60), 30)]
        assert score().status_code == 200, "what is in service is known"
        release.set()
    assert {problem(answer) for answer in refused} <= {(503, "overloaded"), (503, "storage-unavailable")}


def test_a_lane_holds_its_share_and_never_more_than_are_left_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulkhead, "PATIENCE", 0.0)
    workers = Bulkhead(100, 0.5)
    places = {lane: _fill(workers, lane) for lane in ("a", "b", "c")}
    assert {lane: len(held) for lane, held in places.items()} == {"a": 50, "b": 25, "c": 13}
    for held in places.values():
        for place in held:
            place.__exit__(None, None, None)
    assert workers.held == 0
    assert workers._lanes == {}, "what nobody holds is not remembered"


def _fill(workers: Bulkhead, lane: str) -> list[Any]:
    held: list[Any] = []
    while True:
        place = workers.place(lane, f"The dataset {lane!r}")
        try:
            place.__enter__()
        except Overloaded:
            return held
        held.append(place)


def test_a_burst_of_short_calls_waits_for_its_turn_instead_of_being_refused() -> None:
    workers, together = Bulkhead(10, 0.5), threading.Barrier(7)
    inside, most = [0], [0]
    counting = threading.Lock()

    def short() -> None:
        together.wait(30)
        with workers.place("bank", "The dataset 'bank'"):
            with counting:
                inside[0] += 1
                most.append(inside[0])
            time.sleep(0.01)
            with counting:
                inside[0] -= 1

    with ThreadPoolExecutor(7) as callers:
        for done in [callers.submit(short) for _ in range(7)]:
            done.result()
    assert len(most) == 1 + 7, "each had its turn"
    assert max(most) <= 5
    assert workers.held == 0


# -- a breaker -----------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_circuit_opens_after_failures_in_a_row_and_one_caller_tries_again() -> None:
    clock = Clock()
    breakers = Breakers(BreakerLimits(3, 10.0, 5.0), clock=clock)
    for _ in range(2):
        breakers.failed("bank", "m1", 30.0)
    breakers.answered("bank", "m1")
    for _ in range(3):
        breakers.check("bank", "m1")
        breakers.failed("bank", "m1", 30.0)
    with pytest.raises(CircuitOpen) as told:
        breakers.check("bank", "m1")
    assert told.value.retry_after == 10.0
    breakers.check("bank", "m2")
    clock.now += 10
    breakers.check("bank", "m1")
    with pytest.raises(CircuitOpen):
        breakers.check("bank", "m1")
    breakers.failed("bank", "m1", 0.1)
    with pytest.raises(CircuitOpen):
        breakers.check("bank", "m1")
    clock.now += 10
    breakers.check("bank", "m1")
    breakers.answered("bank", "m1")
    for _ in range(3):
        breakers.check("bank", "m1")


def test_callers_in_a_hurry_open_no_circuit() -> None:
    breakers = Breakers(BreakerLimits(3, 10.0, 5.0))
    for _ in range(50):
        breakers.failed("bank", "m1", 0.05)
    breakers.check("bank", "m1")


def test_a_probe_that_never_comes_back_is_followed_by_another() -> None:
    clock = Clock()
    breakers = Breakers(BreakerLimits(1, 10.0, 5.0), clock=clock)
    breakers.failed("bank", "m1")
    for _ in range(3):
        clock.now += 11
        breakers.check("bank", "m1")


def test_an_endpoint_that_gives_no_answer_is_left_alone_and_found_again(app: App) -> None:
    clock = Clock()
    app.calls.breakers = Breakers(BreakerLimits(2, 10.0, 0.0), clock=clock)
    app.endpoint.delay = 0.6
    hurried = {"x-dropml-deadline-ms": "300"}
    answers = [problem(score(headers=hurried)) for _ in range(4)]
    assert answers == [(504, "deadline-exceeded")] * 2 + [(503, "endpoint-circuit-open")] * 2
    assert len(app.endpoint.seen) == 2
    refused = score()
    assert refused.headers["Retry-After"] == "10"
    assert body_of(refused)["endpoint"] == "bank-abc123"
    app.endpoint.delay, clock.now = 0.0, clock.now + 10
    assert [score().status_code for _ in range(3)] == [200] * 3


# -- deadlines count from arrival ----------------------------------------------------------------------------------


def test_keys_that_do_not_come_are_asked_for_once_and_waited_for_no_longer_than_the_deadline(
    app: App,
) -> None:
    asked: list[str] = []
    release = threading.Event()

    def hangs(endpoint: str) -> tuple[str, str]:
        asked.append(endpoint)
        release.wait(60)
        return "p0", "s0"

    app.endpoint.keys = hangs  # type: ignore[method-assign]
    with ThreadPoolExecutor(20) as callers:
        hurried = {"x-dropml-deadline-ms": "200"}
        answers = [callers.submit(score, headers=hurried) for _ in range(20)]
        assert Counter(problem(answer.result()) for answer in answers) == {(504, "deadline-exceeded"): 20}
    assert asked == ["bank-abc123"]
    release.set()
    assert score().status_code == 200


def test_a_fetch_that_fails_is_told_to_all_who_come_within_a_moment(app: App) -> None:
    asked: list[str] = []

    def fails(endpoint: str) -> tuple[str, str]:
        asked.append(endpoint)
        raise Transient("ARM is away.")

    keys, app.endpoint.keys = app.endpoint.keys, fails  # type: ignore[method-assign]
    assert [problem(score()) for _ in range(20)] == [(503, "upstream-unavailable")] * 20
    assert len(asked) <= 2
    app.endpoint.keys = keys  # type: ignore[method-assign]
    app.calls.keys._states["bank-abc123"].failed_at -= 1.0
    assert score().status_code == 200


# -- the keys go where Azure says ------------------------------------------------------------------------------------


def test_state_cannot_send_the_keys_elsewhere(app: App) -> None:
    with serve(Endpoint()) as thief:
        app.publish(scoring_uri=f"{thief.url}/score")
        app.directory.refresh("bank")
        assert score().status_code == 200
        assert thief.seen == []
    assert len(app.endpoint.seen) == 1


def test_state_cannot_name_what_is_no_endpoint() -> None:
    keys = EndpointKeys(Arm("http://127.0.0.1:1", None), "/subscriptions/s/workspaces/w", None)  # type: ignore[arg-type]
    for name in ("../../x", "a/b", "a?x=1", "a#", "", "%2e%2e"):
        for ask in (keys.keys, keys.address):
            with pytest.raises(NotFound):
                ask(name)


@pytest.mark.parametrize(
    "uri", ["", "ftp://x/score", "file:///etc/passwd", "https://user@host/score", "/score"]
)
def test_an_address_that_is_none_is_told_without_a_key(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer: Callable[..., Any] = lambda *_, **__: {"name": "b", "properties": {"scoringUri": uri}}  # noqa: E731 - typed as what it stands in for
    monkeypatch.setattr(Arm, "call", answer)
    keys = EndpointKeys(Arm("https://arm", None), "/w", None)  # type: ignore[arg-type]
    with pytest.raises(Upstream, match="gives no address"):
        keys.address("bank-abc123")


def test_an_endpoint_that_was_made_anew_elsewhere_is_found(app: App) -> None:
    assert score().status_code == 200
    gone = app.endpoint.url
    with serve(Endpoint()) as moved:
        app.endpoint.url = "http://127.0.0.1:1"
        app.calls.keys._states.clear()
        assert problem(score()) == (503, "endpoint-unreachable")
        app.endpoint.url = moved.url
        app.calls.keys._states["bank-abc123"].found = _old(app)
        until = time.monotonic() + 20
        while score().status_code != 200:
            assert time.monotonic() < until
        assert json.loads(moved.seen[-1]["body"])
    app.endpoint.url = gone


def _old(app: App) -> Any:
    return replace(app.calls.keys._states["bank-abc123"].found, address_at=time.time() - 10)


def test_the_deadline_holds_for_a_document_that_storage_does_not_give(app: App) -> None:
    release = threading.Event()
    get = app.documents.get
    app.documents.get = lambda path: (release.wait(60), get(path))[1]  # type: ignore[method-assign]
    app.directory._first_patience = 0.2
    assert problem(score("wine")) == (503, "storage-unavailable")
    release.set()
    with pytest.raises(DeadlineExceeded):
        app.calls.score(BANK, "m1-a1", b"{}", deadline=app.calls.deadline(-1))
