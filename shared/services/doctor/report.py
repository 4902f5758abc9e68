"""What the doctor finds: a line a check, with the command that mends it; each check bounded in time, all at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from shared.domain.errors import DropMLError
from shared.redaction import redact
from shared.services.flight import Flight

Status = Literal["ok", "warning", "failed", "unknown"]
#: Seconds that one check may take; all go on at the same time, so the whole takes little more.
PATIENCE_S = 20.0


@dataclass(frozen=True)
class Finding:
    """One line. `unknown` is what can't be seen from here; `remedy` is a sentence or a command, empty where all is well."""

    check: str
    status: Status
    message: str
    remedy: str = ""


@dataclass(frozen=True)
class ReportView:
    """`healthy` where nothing failed; `seconds` is what it took."""

    healthy: bool
    findings: tuple[Finding, ...]
    seconds: float


Check = Callable[[], Finding]


def ok(check: str, message: str) -> Finding:
    return Finding(check, "ok", message)


def examine(checks: Mapping[str, Check], patience: float = PATIENCE_S) -> ReportView:
    """Every check's finding, in their order; one that raises or doesn't end in time is a finding, too."""
    begun = time.monotonic()
    flights = {name: Flight(check, f"doctor-{name}") for name, check in checks.items()}
    findings = tuple(
        _landed(name, flight, patience - (time.monotonic() - begun), patience)
        for name, flight in flights.items()
    )
    failed = any(finding.status == "failed" for finding in findings)
    return ReportView(not failed, findings, round(time.monotonic() - begun, 3))


def _landed(name: str, flight: Flight[Finding], seconds: float, patience: float) -> Finding:
    if not flight.wait(seconds):
        return Finding(
            name, "failed", f"No answer within {patience:.0f} s.", "Look at the network and the firewalls."
        )
    try:
        found = flight.result()
    except DropMLError as error:
        return Finding(name, "failed", redact(error.message), redact(error.remedy))
    except Exception as error:  # noqa: BLE001 - a check that breaks is a finding, and hides no other
        return Finding(
            name, "failed", f"The check itself broke ({type(error).__name__}).", "The app's log says where."
        )
    return found
