"""Run functions: the context they get, what is in flight, and the time limit of host.json."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure.functions as func

from dropml.functions_host.indexing import FunctionDefinition

log = logging.getLogger("Host.Results")
_RETRY_WARNING = "Soon retries will not be supported for function '%s' (%s). For more information https://aka.ms/func-retry-policies"


class InvocationContext(func.Context):
    """What a function gets as `context`."""

    def __init__(
        self,
        definition: FunctionDefinition,
        invocation_id: str,
        trace: tuple[str, str] = ("", ""),
        retry: tuple[int, int] = (0, 0),
    ) -> None:
        self._definition = definition
        self._invocation_id = invocation_id
        self._trace = SimpleNamespace(trace_parent=trace[0], trace_state=trace[1], attributes={})
        self._retry = SimpleNamespace(retry_count=retry[0], max_retry_count=retry[1], exception=None)

    @property
    def invocation_id(self) -> str:
        return self._invocation_id

    @property
    def thread_local_storage(self) -> Any:
        return _thread_storage

    @property
    def function_name(self) -> str:
        return self._definition.name

    @property
    def function_directory(self) -> str:
        return str(Path.cwd())

    @property
    def trace_context(self) -> Any:
        return self._trace

    @property
    def retry_context(self) -> Any:
        return self._retry


_thread_storage = threading.local()


@dataclass(eq=False)
class Invocation:
    """One run. `abandon` is called if the host must end while it still runs, from another thread."""

    definition: FunctionDefinition
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: float = field(default_factory=time.monotonic)
    abandon: Callable[[], None] | None = None

    @property
    def log_name(self) -> str:
        return f"Functions.{self.definition.name}"


class Invoker:
    """Runs handlers: sync ones on the calling thread, async ones on the host's event loop."""

    def __init__(self, timeout_s: float | None) -> None:
        self.timeout_s = timeout_s
        self.loop: asyncio.AbstractEventLoop | None = None  # set when the host's loop runs
        self._running: dict[Invocation, None] = {}  # in the order in which they began
        self._warned: set[str] = set()

    @property
    def running(self) -> list[Invocation]:
        return list(self._running)

    def overdue(self) -> Invocation | None:
        """The oldest run that is past functionTimeout, if any."""
        oldest = next(iter(self.running), None)
        if oldest is None or self.timeout_s is None or time.monotonic() - oldest.started < self.timeout_s:
            return None
        return oldest

    def run(
        self,
        definition: FunctionDefinition,
        value: Callable[[], Any],
        reason: str,
        *,
        stop: threading.Event,
        abandon: Callable[[], None] | None = None,
    ) -> bool:
        """Run a timer or blob function with its retry policy on this thread; True if it succeeded.

        `value` builds the trigger's parameter anew for each run. Failures are logged, never raised.
        """
        retries = 0
        while True:
            invocation = Invocation(definition, abandon=abandon)
            log.info("Executing '%s' (Reason='%s', Id=%s)", invocation.log_name, reason, invocation.id)
            if self._run_once(invocation, value, retries):
                return True
            policy = definition.retry
            if policy is None or not policy.another(retries):
                return False
            self._warn_of_retries(definition)
            delay = policy.delay(retries)
            log.info(
                "Waiting for `%.1f s` before retrying function execution. Next attempt: '%d'.",
                delay,
                retries + 1,
            )
            if stop.wait(delay):
                return False
            retries += 1

    def _warn_of_retries(self, definition: FunctionDefinition) -> None:
        if definition.trigger_type != "timerTrigger" and definition.name not in self._warned:
            self._warned.add(definition.name)
            log.warning(_RETRY_WARNING, definition.name, definition.trigger_type)

    def _run_once(self, invocation: Invocation, value: Callable[[], Any], retries: int) -> bool:
        definition = invocation.definition
        limit = definition.retry.max_retries if definition.retry else 0
        context = InvocationContext(definition, invocation.id, retry=(retries, limit))
        self.begin(invocation)
        error: BaseException | None = None
        try:
            arguments = call_arguments(definition, value(), context)
            if definition.is_async:
                self._await(definition.handler(**arguments))
            else:
                _thread_storage.invocation_id = invocation.id
                definition.handler(**arguments)
        except (Exception, SystemExit) as caught:  # noqa: BLE001 - whatever the app raises is its failure
            error = caught
        finally:
            self.end(invocation, error)
        return error is None

    def _await(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        if self.loop is None:
            raise RuntimeError("the host's event loop does not run")
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def begin(self, invocation: Invocation) -> None:
        self._running[invocation] = None

    def end(self, invocation: Invocation, error: BaseException | None) -> None:
        """Take it off the list and log how it went."""
        self._running.pop(invocation, None)
        took = (time.monotonic() - invocation.started) * 1000
        if error is None:
            log.info(
                "Executed '%s' (Succeeded, Id=%s, Duration=%.0fms)", invocation.log_name, invocation.id, took
            )
        else:
            log.error(
                "Executed '%s' (Failed, Id=%s, Duration=%.0fms)",
                invocation.log_name,
                invocation.id,
                took,
                exc_info=error,
            )


def call_arguments(definition: FunctionDefinition, value: Any, context: InvocationContext) -> dict[str, Any]:
    """Keyword arguments of the handler."""
    arguments = {definition.parameter: value}
    if definition.wants_context:
        arguments["context"] = context
    return arguments
