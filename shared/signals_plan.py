"""How what a run does becomes telemetry: behind the write that makes it so, and never in its way."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from shared.domain.run.documents import Run
from shared.domain.run.signals import of_run


class Sink(Protocol):
    """Takes what is to be sent. Never waits."""

    def track_event(
        self,
        name: str,
        properties: Mapping[str, Any] | None = None,
        measurements: Mapping[str, float] | None = None,
        *,
        operation: str = "",
    ) -> None: ...
    def track_metric(
        self, name: str, value: float, properties: Mapping[str, Any] | None = None, *, operation: str = ""
    ) -> None: ...


def of_runs(sink: Callable[[], Sink], log: Callable[..., None]) -> Callable[[Run], None]:
    """Sends and logs what a run's pending lines say. What is wrong with a signal costs that run's signals alone."""

    def tell(run: Run) -> None:
        try:
            for signal in of_run(run):
                if signal.value is None:
                    log(signal.name, run_id=signal.run_id, **signal.properties)
                    sink().track_event(
                        signal.name, signal.properties, signal.measurements, operation=signal.run_id
                    )
                else:
                    sink().track_metric(signal.name, signal.value, signal.properties, operation=signal.run_id)
        except Exception:  # the lifecycle goes on whatever is wrong with a number
            logging.getLogger("dropml").exception("no telemetry could be made of run %s", run.run_id)

    return tell


def measuring(sink: Callable[[], Sink]) -> Callable[..., None]:
    """Sends one metric of a run: its name, its value, and what it is about."""

    def measure(name: str, value: float, /, **about: object) -> None:
        sink().track_metric(name, value, about, operation=str(about.get("run", "")))

    return measure
