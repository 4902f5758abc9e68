"""What reaches Application Insights, and what a sink that fails may cost."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dropml.azureml.serving.telemetry import RequestItem, Telemetry
from tests.support.serving_support import (
    one_model,
    payload,
    running,
    wait_until,
)


class Sink:
    """An ingestion endpoint that keeps envelopes; `status` is what it answers."""

    def __init__(self) -> None:
        self.envelopes: list[dict[str, Any]] = []
        self.status, self.refused = 200, 0
        self.open = threading.Event()  # until then calls hang
        self.open.set()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                sink.open.wait(60)
                if sink.status == 200:
                    sink.envelopes += json.loads(body)
                else:
                    sink.refused += 1
                self.send_response(sink.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v2.1/track"

    def wait_for(self, count: int) -> None:
        wait_until(lambda: len(self.envelopes) >= count)


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.server.shutdown()
    sink.server.server_close()


KEY = "11111111-2222-3333-4444-555555555555"


def test_requests_of_a_deployment_with_app_insights_are_reported(tmp_path: Path, sink: Sink) -> None:
    with one_model(tmp_path, app_insights=True) as endpoint:
        endpoint.settings |= {"app_insights_url": sink.url, "instrumentation_key": KEY}
        endpoint.reload()
        ids = [
            endpoint.score(payload(50), x_ms_client_request_id=f"run-{number}").headers["x-request-id"]
            for number in range(3)
        ]
        endpoint.score({"nothing": 1})
        sink.wait_for(4)
    first, failed = sink.envelopes[0], sink.envelopes[3]
    assert len(sink.envelopes) == 4
    assert first["name"] == "Microsoft.ApplicationInsights.11111111222233334444555555555555.Request"
    assert first["iKey"] == KEY
    assert first["time"].endswith("Z")
    assert first["tags"]["ai.operation.id"] == ids[0].replace("-", "")
    assert first["tags"]["ai.cloud.role"] == "bank-1a2b3c"
    assert first["data"]["baseType"] == "RequestData"
    data = first["data"]["baseData"]
    assert (data["ver"], data["name"], data["responseCode"], data["success"]) == (2, "/score", "200", True)
    assert data["duration"].startswith("0.00:00:00.")
    assert data["properties"]["Request Id"] == ids[0]
    assert data["properties"]["Client Request Id"] == "run-0"
    assert data["properties"]["Deployment Name"] == "m1"
    assert failed["data"]["baseData"]["responseCode"] == "400"
    assert failed["data"]["baseData"]["success"] is False
    assert "admin." not in json.dumps(sink.envelopes)


def test_what_is_left_is_sent_at_the_end_and_without_app_insights_nothing_is(
    tmp_path: Path, sink: Sink
) -> None:
    with one_model(tmp_path, app_insights=True) as endpoint:
        endpoint.settings |= {"app_insights_url": sink.url, "instrumentation_key": KEY}
        endpoint.reload()
        endpoint.score(payload(50))
        endpoint.stop()
        assert len(sink.envelopes) == 1
    endpoint.settings["deployments"]["m1"]["app_insights"] = False
    with running(tmp_path, endpoint.settings) as endpoint:
        endpoint.score(payload(50))
    assert len(sink.envelopes) == 1


def test_a_sink_that_hangs_or_refuses_delays_no_request_and_loses_nothing_at_first(
    tmp_path: Path, sink: Sink
) -> None:
    with one_model(tmp_path, app_insights=True) as endpoint:
        endpoint.settings |= {"app_insights_url": sink.url, "instrumentation_key": KEY}
        endpoint.reload()
        sink.status = 503
        sink.open.clear()
        for _ in range(100):
            assert endpoint.score(payload(50)).status_code == 200
        assert (sink.envelopes, sink.refused) == ([], 0)  # every caller was answered while it hung
        sink.open.set()
        wait_until(lambda: sink.refused > 0)
        sink.status = 200
        sink.wait_for(100)
    assert len({one["data"]["baseData"]["id"] for one in sink.envelopes}) == 100


def test_the_telemetry_queue_is_bounded() -> None:
    telemetry = Telemetry("http://127.0.0.1:9/v2.1/track", KEY, "bank")
    item = RequestItem(1.7e9, 0.001, "POST", "/score", 200, b"a", b"", "m1", "bank:1")
    for _ in range(25_000):
        telemetry.add(item)
    assert telemetry.lost >= 5_000
    telemetry.close(3)
