"""Runs asked for by hand: `POST /admin/functions/<name>` with {"input": "..."}."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import Any

from azure.core.exceptions import AzureError

from dropml.functions_host.bindings import blob_value, http_request, timer_request
from dropml.functions_host.indexing import HTTP, TIMER, FunctionDefinition
from dropml.functions_host.invocation import Invoker, WorkerEndedError
from dropml.functions_host.triggers import Triggers

log = logging.getLogger("Host.Admin")


class ManualRuns:
    """Starts functions outside their triggers; status blobs, receipts and queues are not touched."""

    def __init__(self, invoker: Invoker, triggers: Triggers, stop: threading.Event) -> None:
        self._invoker = invoker
        self._triggers = triggers
        self._stop = stop

    def start(self, function: FunctionDefinition, value: str) -> None:
        """Run on a thread of its own. `value`: "container/blob" for a blob function, the body for an HTTP one."""
        threading.Thread(target=self._run, args=(function, value), daemon=True).start()

    def _run(self, function: FunctionDefinition, value: str) -> None:
        with contextlib.suppress(WorkerEndedError):
            self._invoker.run(
                function,
                lambda: self._parameter(function, value),
                "This function was programmatically called via the host APIs.",
                stop=self._stop,
            )

    def _parameter(self, function: FunctionDefinition, value: str) -> Any:
        if function.trigger_type == TIMER:
            return timer_request(function, None, past_due=False)
        if function.trigger_type == HTTP:
            return http_request("POST", f"http://localhost/{function.name}", {}, {}, {}, value.encode())
        trigger = next(trigger for trigger in self._triggers.blobs if trigger.function is function)
        container, slash, name = value.partition("/")
        if not slash or not name:
            raise ValueError(f'input of a blob function must be "container/blob", not {value!r}')
        blob = trigger.account.blobs.get_blob_client(container, name)
        try:
            properties = blob.get_blob_properties()
        except AzureError as error:
            raise ValueError(f"blob {value!r} cannot be read: {type(error).__name__}") from error
        names = trigger.pattern.match(container, name) or {}
        return blob_value(function, trigger.account.connection, blob, properties, names)
