"""The app itself: what its settings lack, whether its timers come, whether telemetry leaves it, who it is to Azure."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from shared.services.doctor.report import Check, Finding, ok

#: Seconds after which a timer that doesn't come is a finding.
PATIENCE = {"advance": 600.0, "sweep": 3600.0}


class Ticks(Protocol):
    def last(self, timer: str) -> float | None: ...


class Counted(Protocol):
    """Telemetry's own counts (`shared.adapters.telemetry`)."""

    @property
    def sent(self) -> int: ...
    @property
    def dropped(self) -> int: ...


class Tokens(Protocol):
    """`shared.adapters.checkup.Identity`; raises DropMLError."""

    def minutes(self) -> float:
        """For how long a token that Azure's management takes is valid."""


def settings(named: dict[str, str], version: str) -> Check:
    """`named`: what must be set, and what it is set to. That all are well-formed is known by whoever asks."""

    def look() -> Finding:
        missing = [name for name, value in named.items() if not value]
        if missing:
            values = " ".join(f"{name}=VALUE" for name in missing)
            command = (
                f"az functionapp config appsettings set --name APP --resource-group GROUP --settings {values}"
            )
            return Finding("settings", "failed", f"Not set: {', '.join(missing)}.", command)
        return ok("settings", f"every one can be read; the app's version is {version}.")

    return look


def identity(tokens: Callable[[], Tokens]) -> Check:
    def look() -> Finding:
        return ok("identity", f"Azure gives a token, valid for {tokens().minutes():.0f} minutes.")

    return look


def timer(name: str, schedule: str, ticks: Ticks, clock: Callable[[], float] = time.time) -> Check:
    check = f"timer {name}"

    def look() -> Finding:
        last = ticks.last(name)
        restart = "Restart the app; `az functionapp restart --name APP --resource-group GROUP`."
        if last is None:
            return Finding(
                check,
                "warning",
                f"No tick was written down yet; it comes by {schedule}.",
                f"Ask again in a few minutes. {restart}",
            )
        age = max(0.0, clock() - last)
        if age > PATIENCE[name]:
            return Finding(
                check, "failed", f"It came last {age / 60:.0f} minutes ago; it should by {schedule}.", restart
            )
        return ok(check, f"came {age:.0f} s ago ({schedule}; written down every five minutes).")

    return look


def telemetry(connected: bool, counted: Counted | None) -> Check:
    def look() -> Finding:
        if not connected:
            command = (
                "Set APPLICATIONINSIGHTS_CONNECTION_STRING to that of the Application Insights resource."
            )
            return Finding("telemetry", "warning", "None is sent: no connection string is set.", command)
        if counted is None:
            return Finding(
                "telemetry",
                "failed",
                "The connection string can't be used.",
                "Copy it whole from the resource.",
            )
        if counted.dropped:
            message = f"{counted.dropped} items could not be sent by this process, {counted.sent} were taken."
            return Finding(
                "telemetry",
                "warning",
                message,
                "The app's log says what Application Insights answered; the role is Monitoring Metrics Publisher.",
            )
        return ok("telemetry", f"{counted.sent} items were taken of this process, none lost.")

    return look
