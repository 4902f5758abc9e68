"""The telemetry that the settings ask for."""

from __future__ import annotations

import logging
from collections.abc import Callable

from shared.adapters.telemetry import NoTelemetry, Telemetry
from shared.domain.errors import DropMLError


def telemetry_of(connection: Callable[[], str]) -> NoTelemetry:
    """What keeps it from working is logged, and costs the telemetry alone: wrong settings are told by the call itself."""
    try:
        text = connection()
        return Telemetry(text) if text else NoTelemetry()
    except DropMLError as error:
        logging.getLogger("dropml").error("no telemetry: %s %s", error.message, error.remedy)
        return NoTelemetry()
