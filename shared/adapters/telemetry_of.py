"""The telemetry that the settings ask for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from shared.adapters.telemetry import NoTelemetry, Telemetry
from shared.adapters.telemetry_address import SCOPE, wants_token
from shared.correlation import OPERATION
from shared.domain.errors import DropMLError

#: What goes wrong with sending is not sent.
OWN_LOG = "shared.adapters.telemetry"


class Exceptions(logging.Handler):
    """Sends what is logged as an error with its trace, as an exception of the operation under way."""

    def __init__(self, telemetry: NoTelemetry) -> None:
        super().__init__(logging.ERROR)
        self._telemetry = telemetry

    def emit(self, record: logging.LogRecord) -> None:
        if not record.exc_info or record.exc_info[0] is None or record.name == OWN_LOG:
            return
        try:
            kind, error, _ = record.exc_info
            trace = record.exc_text or logging.Formatter().formatException(record.exc_info)
            about = {"logger": record.name, "told": record.getMessage()}
            self._telemetry.track_exception(
                kind.__name__, str(error), trace, about, operation=OPERATION.get()
            )
        except Exception:  # noqa: BLE001 - as every handler: what can't be told costs that line alone
            self.handleError(record)


def _token(credential: Callable[[], Any]) -> str:
    return str(credential().get_token(SCOPE).token)


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
        token = partial(_token, credential) if credential and wants_token(authentication()) else None
        telemetry = Telemetry(text, token=token)
        logging.getLogger().addHandler(Exceptions(telemetry))
        return telemetry
    except DropMLError as error:
        logging.getLogger("dropml").error("no telemetry: %s %s", error.message, error.remedy)
        return NoTelemetry()
