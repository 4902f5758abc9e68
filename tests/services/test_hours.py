"""Somebody asks in the morning how the endpoint did overnight: calls, errors and latency, by the hour."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.domain.canary import BOUNDS, Tally
from shared.domain.errors import InvalidInput, Upstream
from shared.domain.rows.predictions import Prediction
from shared.domain.run.serving import ServingEntry
from shared.services.monitoring import hours
from shared.services.monitoring.hours import Hours, TrafficView, traffic
from tests.support.memory import MemoryDocuments
from tests.support.scoring_support import App, Endpoint, Scripted, serve

#: 2026-11-29, 22:30 UTC.
EVENING = 1795991400.0
FOUND = Prediction(result=["yes"])


@dataclass
class Night:
    """Processes that count, and the moment at which each writes."""

    documents: MemoryDocuments = field(default_factory=MemoryDocuments)
    now: float = EVENING
    wrote: threading.Event = field(default_factory=threading.Event)

    def process(self, name: str = "host-1") -> Hours:
        return Hours(self.documents, name, clock=lambda: self.now, wait=lambda _: self._wait())

    def _wait(self) -> None:
        self.wrote.wait(10)

    def seen(self, entry: ServingEntry, calls: int, most: int = 24) -> TrafficView:
        """What is shown, once so many calls of this entry are written."""
        self.wrote.set()
        until = time.monotonic() + 10
        while (view := traffic(entry, self.documents, self.now, most)).whole.calls < calls:
            assert time.monotonic() < until, "the calls were not written"
            time.sleep(0.01)
        self.wrote.clear()
        return view


@pytest.fixture
def night() -> Iterator[Night]:
    night = Night()
    yield night
    night.wrote.set()


@pytest.fixture
def app() -> Iterator[App]:
    with serve(Endpoint(deployments={"m1-a1"})) as endpoint:
        yield App(endpoint)


def entry_of(app: App) -> ServingEntry:
    app.publish()
    return app.scoring.entry("bank")


def test_each_hour_has_its_calls_and_the_night_is_shown_over_midnight(night: Night, app: App) -> None:
    entry, counts = entry_of(app), night.process()
    for _ in range(3):
        counts.answered(entry, "m1-a1", 0.004, FOUND, 1)
    night.now += 2 * 3600  # 00:30 of the next day
    counts.answered(entry, "m2-a1", 0.3, FOUND, 1)
    counts.failed(entry, "m2-a1")
    view = night.seen(entry, 5)
    called = {each.at: (each.calls, each.errors, each.deployments) for each in view.hours if each.calls}
    assert called == {
        EVENING - 1800: (3, 0, {"m1-a1": 3}),
        EVENING + 5400: (2, 1, {"m2-a1": 2}),
    }
    assert (len(view.hours), view.hours[-1].at, view.whole.errors) == (24, EVENING + 5400, 1)
    assert (view.whole.p50_ms, view.whole.p95_ms) == (5, 500)
    assert night.documents.get(next(iter(night.documents.list("hours/bank/2026-11-30/")))) is not None


def test_what_lies_before_the_span_is_not_counted(night: Night, app: App) -> None:
    entry, counts = entry_of(app), night.process()
    counts.answered(entry, "m1-a1", 0.004, FOUND, 1)
    night.now += 6 * 3600
    counts.answered(entry, "m1-a1", 0.004, FOUND, 1)
    assert night.seen(entry, 2).whole.calls == 2
    assert night.seen(entry, 1, most=6).whole.calls == 1
    assert night.seen(entry, 2, most=7).whole.calls == 2


def test_processes_add_up_and_one_that_is_started_again_loses_nothing(night: Night, app: App) -> None:
    entry = entry_of(app)
    for name in ("host-1", "host-2", "host-1"):
        night.process(name).answered(entry, "m1-a1", 0.004, FOUND, 1)
    assert night.seen(entry, 3).whole.deployments == {"m1-a1": 3}


def test_a_document_that_cannot_be_read_hides_no_other(night: Night, app: App) -> None:
    entry = entry_of(app)
    night.process().answered(entry, "m1-a1", 0.004, FOUND, 1)
    night.documents.create("hours/bank/2026-11-29/torn.json", {"hours": [1]})
    assert night.seen(entry, 1).whole.calls == 1


def test_while_storage_fails_the_calls_wait(night: Night, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    entry, counts = entry_of(app), night.process()
    tried = threading.Event()
    put = night.documents.put

    def failing(path: str, doc: Any) -> None:
        tried.set()
        raise Upstream("Storage is away.")

    monkeypatch.setattr(night.documents, "put", failing)
    counts.answered(entry, "m1-a1", 0.004, FOUND, 1)
    night.wrote.set()
    assert tried.wait(10)
    assert traffic(entry, night.documents, night.now).whole.calls == 0
    monkeypatch.setattr(night.documents, "put", put)
    until = time.monotonic() + 10
    while counts._writing and time.monotonic() < until:
        time.sleep(0.01)
    counts.answered(entry, "m1-a1", 0.004, FOUND, 1)
    assert night.seen(entry, 2).whole.calls == 2


def test_every_call_through_the_proxy_is_counted_though_nothing_shares_the_traffic(
    night: Night, app: App
) -> None:
    entry, app.scoring.hours = entry_of(app), night.process()
    assert not entry.counted
    body = b'{"input_data": {"columns": ["age"], "index": [0], "data": [[60]]}}'
    for _ in range(4):
        app.scoring.predict(entry, body, 1, app.calls.deadline(5))
    refused = Scripted(424, b'{"message": "it raised"}', {"ms-azureml-model-error-statuscode": "500"})
    app.endpoint.script = [refused]
    with pytest.raises(Upstream):
        app.scoring.predict(entry, body, 1, app.calls.deadline(5))
    assert night.seen(entry, 5).whole.errors == 1


@pytest.mark.parametrize("said", ["0", "169", "-1", "x", "1.5", "٣", "9999999"])
def test_a_span_that_is_none_is_refused(said: str) -> None:
    with pytest.raises(InvalidInput, match="1 to 168"):
        hours.asked({"hours": said})
    assert (hours.asked({}), hours.asked({"hours": "168"})) == (24, 168)


def test_how_long_most_answers_took() -> None:
    tally = Tally()
    assert tally.within(0.95) is None
    for seconds in [0.004] * 19 + [3.0]:
        tally.answered(seconds, None, 1)
    assert (tally.within(0.5), tally.within(0.95), tally.within(0.96)) == (5, 5, 5000)
    slow = Tally()
    slow.answered(60, None, 1)
    assert slow.within(0.95) == 2 * BOUNDS[-1]
