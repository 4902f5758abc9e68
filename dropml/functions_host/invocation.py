"""Run functions: what is in flight, how a run ends, and what ends the whole process."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from dropml.functions_host.config import WORKER_THREADS
from dropml.functions_host.context import (
    CHANCE,
    InvocationContext,
    RetryContext,
    RpcException,
    TraceContext,
    current_function,
    thread_storage,
)
from dropml.functions_host.indexing import FunctionDefinition

log = logging.getLogger("Host.Results")
_RETRY_WARNING = "Soon retries will not be supported for function '%s' (%s). For more information https://aka.ms/func-retry-policies"


class WorkerEndedError(Exception):
    """A function ended its process. In Azure that is the worker's: every run in it has failed, and a new one starts."""


@dataclass(eq=False)
class Invocation:
    """One run. `abandon` is called if the host must end while it still runs, from another thread."""

    definition: FunctionDefinition
    id: str = field(default_factory=lambda: str(uuid.UUID(int=CHANCE.getrandbits(128), version=4)))
    started: float = field(default_factory=time.monotonic)
    abandon: Callable[[], None] | None = None
    quiet: bool = False  # it runs so often that only its failures are news

    @property
    def level(self) -> int:
        return logging.DEBUG if self.quiet else logging.INFO

    @property
    def log_name(self) -> str:
        return f"Functions.{self.definition.name}"


class Invoker:
    """Runs handlers: sync ones on the calling thread, at most `threads` at once, async ones on the host's event loop."""

    def __init__(self, timeout_s: float | None, threads: int = WORKER_THREADS) -> None:
        self.timeout_s = timeout_s
        self._places = threading.Semaphore(threads)
        self.loop: asyncio.AbstractEventLoop | None = None  # set when the host's loop runs
        self._running: dict[Invocation, None] = {}  # in the order in which they began
        self._warned: set[str] = set()
        self._ended_by: str | None = None

    @property
    def running(self) -> list[Invocation]:
        return list(self._running)

    def fatal(self) -> str | None:
        """Why this process must be replaced, where it must: a run past functionTimeout, or one that ended its worker."""
        if self._ended_by is not None:
            return self._ended_by
        oldest = next(iter(self.running), None)
        if oldest is None or self.timeout_s is None or time.monotonic() - oldest.started < self.timeout_s:
            return None
        return (
            f"Timeout value of {self.timeout_s:.0f} s exceeded by function '{oldest.log_name}'"
            f" (Id: '{oldest.id}'). Initiating cancellation."
        )

    def call(self, invocation: Invocation, arguments: dict[str, Any]) -> Any:
        """Run a sync handler on this thread. Raises whatever it raises, WorkerEndedError where it ends its process."""
        with self._places:
            thread_storage.invocation_id = invocation.id
            token = current_function.set(invocation.definition.name)
            try:
                return invocation.definition.handler(**arguments)
            except (SystemExit, KeyboardInterrupt) as error:
                raise self._worker_ended(invocation, error) from error
            finally:
                current_function.reset(token)

    async def call_async(self, invocation: Invocation, arguments: dict[str, Any]) -> Any:
        """Run an async handler on this loop; raises as `call`. Nothing that it raises ends the loop."""
        current_function.set(invocation.definition.name)
        try:
            return await invocation.definition.handler(**arguments)
        except (SystemExit, KeyboardInterrupt) as error:
            raise self._worker_ended(invocation, error) from error

    def _worker_ended(self, invocation: Invocation, error: BaseException) -> WorkerEndedError:
        self._ended_by = (
            f"Function '{invocation.log_name}' (Id: '{invocation.id}') ended its worker with {error!r}."
        )
        return WorkerEndedError(self._ended_by)

    def run(
        self,
        definition: FunctionDefinition,
        value: Callable[[], Any],
        reason: str,
        *,
        stop: threading.Event,
        abandon: Callable[[], None] | None = None,
        quiet: bool = False,
    ) -> bool:
        """Run a timer or blob function with its retry policy on this thread; True if it succeeded.

        `value` builds the trigger's parameter anew for each run. Failures are logged, never raised, but for
        WorkerEndedError: then the run stays in flight, to be given back by `abandon`.
        """
        retries, error = 0, None
        while True:
            invocation = Invocation(definition, abandon=abandon, quiet=quiet)
            log.log(
                invocation.level,
                "Executing '%s' (Reason='%s', Id=%s)",
                invocation.log_name,
                reason,
                invocation.id,
            )
            error = self._run_once(invocation, value, retries, error)
            if error is None:
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

    def _run_once(
        self, invocation: Invocation, value: Callable[[], Any], retries: int, before: BaseException | None
    ) -> BaseException | None:
        """What it failed with, None if it succeeded."""
        definition = invocation.definition
        limit = definition.retry.max_retries if definition.retry else 0
        retry = RetryContext(retries, limit, RpcException.of(before))
        context = InvocationContext(definition.name, invocation.id, TraceContext.begin(), retry)
        self.begin(invocation)
        error: BaseException | None = None
        try:
            arguments = call_arguments(definition, value(), context)
            if definition.is_async:
                returned = self._await(self.call_async(invocation, arguments))
            else:
                returned = self.call(invocation, arguments)
            if returned is not None:
                raise RuntimeError(
                    f"function {definition.name!r} without a $return binding returned a non-None value"
                )
        except WorkerEndedError:
            raise
        except BaseException as caught:  # noqa: BLE001 - whatever the app raises is its failure
            error = caught
        self.end(invocation, error)
        return error

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
            log.log(
                invocation.level,
                "Executed '%s' (Succeeded, Id=%s, Duration=%.0fms)",
                invocation.log_name,
                invocation.id,
                took,
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
