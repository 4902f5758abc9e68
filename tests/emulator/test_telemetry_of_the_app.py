"""What the application sends is taken by the emulator's ingestion, and found by its operation."""

from __future__ import annotations

import logging
import socket
from pathlib import Path
from typing import Any

from shared.adapters.telemetry import Telemetry
from shared.adapters.telemetry_of import Exceptions, telemetry_of
from shared.correlation import Exchange, operation
from shared.signals_plan import of_runs
from tests.services.test_lifecycle import drop
from tests.support.emulator_support import emulator
from tests.support.memory import World

TRACE = "0af7651916cd43dd8448eb211c80319c"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_all_that_the_app_sends_arrives_under_one_id(tmp_path: Path) -> None:
    port = free_port()
    with emulator(tmp_path, None, "--http-port", str(port)) as running:
        key = "00000000-0000-0000-0000-00000000abcd"
        address = f"InstrumentationKey={key};IngestionEndpoint=http://127.0.0.1:{port}"
        telemetry, root = telemetry_of(lambda: address), logging.getLogger()
        try:
            exchanges = [Exchange("ep-bank", "m1-a1", 200, 0.02)]
            telemetry.track_request(
                "POST /api/score",
                url="http://host/api/score/bank",
                status=200,
                duration_ms=25.0,
                properties={"dataset": "bank"},
                operation="0af76519-16cd-43dd-8448-eb211c80319c",
                exchanges=exchanges,
            )
            world = World()
            run = world.run(drop(world))
            of_runs(lambda: telemetry, world.log)(run.record(run.created_at, "opened"))
            telemetry.track_metric("live_metric", 0.9, {"metric": "accuracy"}, operation=run.run_id)
            with operation(run.run_id):
                try:
                    raise KeyError("nobody foresaw it")
                except KeyError:
                    root.exception("a step failed")
        finally:
            for handler in [h for h in root.handlers if isinstance(h, Exceptions)]:
                root.removeHandler(handler)
            telemetry.close(10)
        assert isinstance(telemetry, Telemetry)
        recent = telemetry.recent
        assert {each.kind for each in recent} == {"request", "event", "metric", "exception"}
        assert [each.time for each in recent] == sorted((each.time for each in recent), reverse=True)

        def shown(**filters: str) -> dict[str, Any]:
            items = running.call("GET", "/_emulator/telemetry", params=filters).json()["items"]
            return {each["item"]["data"]["baseType"]: each["item"]["data"]["baseData"] for each in items}

        call = shown(operation_id=TRACE)
        assert set(call) == {"RequestData", "RemoteDependencyData"}
        assert call["RemoteDependencyData"]["target"] == "ep-bank"
        of_the_run = shown(operation_id=run.run_id)
        assert set(of_the_run) == {"EventData", "MetricData", "ExceptionData"}
        assert of_the_run["EventData"]["name"] == "run_state"
        assert of_the_run["MetricData"]["metrics"][0]["value"] == 0.9
        assert of_the_run["ExceptionData"]["exceptions"][0]["typeName"] == "KeyError"
