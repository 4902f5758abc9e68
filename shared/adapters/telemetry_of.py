"""The telemetry that the settings ask for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from shared.adapters.telemetry import NoTelemetry, Telemetry
from shared.adapters.telemetry_address import SCOPE, wants_token
from shared.domain.errors import DropMLError


def telemetry_of(
    connection: Callable[[], str],
    authentication: Callable[[], str] = str,
    credential: Callable[[], Any] | None = None,
) -> NoTelemetry:
    """`connection` and `authentication` answer the settings of these names, `credential` makes what signs in where they ask.

    What keeps it from working is logged, and costs the telemetry alone: wrong settings are told by the call itself.
    """
    try:
        text = connection()
        if not text:
            return NoTelemetry()
        if credential is None or not wants_token(authentication()):
            return Telemetry(text)
        return Telemetry(text, token=lambda: str(credential().get_token(SCOPE).token))
    except DropMLError as error:
        logging.getLogger("dropml").error("no telemetry: %s %s", error.message, error.remedy)
        return NoTelemetry()
