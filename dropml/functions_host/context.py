"""What a function gets as `context`, with the fields that the real worker gives it."""

from __future__ import annotations

import random
import re
import threading
import traceback
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

import azure.functions as func

#: Name of the function that runs in this thread or task, for the category of its log lines.
current_function: ContextVar[str | None] = ContextVar("current_function", default=None)
thread_storage = threading.local()
#: For ids, no secrets: each call of the kernel for random bytes gives up the interpreter to another thread. One of its
#: own: what a function seeds is the module's.
CHANCE = random.Random()
_TRACE_PARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})")


@dataclass(frozen=True)
class RpcException:
    """A failure as it goes over the wire; empty where there was none."""

    source: str = ""
    stack_trace: str = ""
    message: str = ""

    @classmethod
    def of(cls, error: BaseException | None) -> RpcException:
        """The failure of the try before this one."""
        if error is None:
            return cls()
        trace = "".join(traceback.format_tb(error.__traceback__))
        return cls(stack_trace=trace, message=f"{type(error).__name__}: {error}")


@dataclass(frozen=True)
class RetryContext:
    """The how-manieth try this is: 0 for the first."""

    retry_count: int = 0
    max_retry_count: int = 0
    rpc_exception: RpcException = field(default_factory=RpcException)


@dataclass(frozen=True)
class TraceContext:
    """W3C trace context; the capitalised names are the worker's deprecated ones."""

    trace_parent: str
    trace_state: str = ""
    attributes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def begin(cls, parent: str = "", state: str = "") -> TraceContext:
        """A new span, in the caller's trace where the call names one."""
        found = _TRACE_PARENT.fullmatch(parent.strip().lower())
        trace, flags = found.groups() if found else (f"{CHANCE.getrandbits(128):032x}", "00")
        return cls(f"00-{trace}-{CHANCE.getrandbits(64):016x}-{flags}", state if found else "")

    @property
    def Traceparent(self) -> str:  # noqa: N802 - the worker's name
        return self.trace_parent

    @property
    def Tracestate(self) -> str:  # noqa: N802 - the worker's name
        return self.trace_state

    @property
    def Attributes(self) -> dict[str, str]:  # noqa: N802 - the worker's name
        return self.attributes


class InvocationContext(func.Context):
    """What a function gets as `context`."""

    def __init__(
        self, function_name: str, invocation_id: str, trace: TraceContext, retry: RetryContext | None = None
    ) -> None:
        self._function_name = function_name
        self._invocation_id = invocation_id
        self._trace = trace
        self._retry = retry or RetryContext()

    @property
    def invocation_id(self) -> str:
        return self._invocation_id

    @property
    def thread_local_storage(self) -> threading.local:  # type: ignore[override]  # the library's type is wrong
        return thread_storage

    @property
    def function_name(self) -> str:
        return self._function_name

    @property
    def function_directory(self) -> str:
        return str(Path.cwd())

    @property
    def trace_context(self) -> TraceContext:  # type: ignore[override]  # same fields, as in the worker
        return self._trace

    @property
    def retry_context(self) -> RetryContext:  # type: ignore[override]  # `rpc_exception`, as in the worker
        return self._retry
