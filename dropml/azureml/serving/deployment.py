"""One deployment: who may score when, with what, and how it ends."""

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import orjson

from dropml.azureml.serving import answers
from dropml.azureml.serving.contract import RunError
from dropml.azureml.serving.logs import DeploymentLog
from dropml.azureml.serving.own_script import OwnScript, RefusalError
from dropml.azureml.serving.reference_process import ReferenceProcess, ReferenceProcessError
from dropml.azureml.serving.script_process import Reply, ScriptError
from dropml.azureml.serving.script_service import ScriptService, State
from dropml.azureml.serving.settings import DeploymentSettings
from scorer import SignatureError

if TYPE_CHECKING:
    from scorer.request import Asked

HANG_SECONDS = 30.0  # after its timeout, a request that still runs in a child has that child ended
INLINE_SECONDS = 0.005  # what a request may hold the event loop; longer ones go to a thread
Form = Literal["compiled", "reference", "script"]
_T = TypeVar("_T")
#: Files beside a scoring script, by version (azureml_inference_server_http/server/swagger.py).
_SWAGGERS = {
    "2": ("swagger.json", "swagger2.json"),
    "2.0": ("swagger.json", "swagger2.json"),
    "3": ("swagger3.json",),
    "3.0": ("swagger3.json",),
    "3.1": ("swagger3.1.json",),
}


class TooManyRequestsError(Exception):
    """More requests at once than the deployment's settings allow."""


@dataclass(slots=True, eq=False)
class Deployment:
    """State of one version of a deployment. Used from the event loop only."""

    settings: DeploymentSettings
    pool: ThreadPoolExecutor
    log: DeploymentLog
    status: State = "loading"
    form: Form | None = None
    parity: float | None = None
    error: str | None = None
    note: str | None = None
    columns: list[str] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)
    labels: list[Any] | None = None
    example: dict[str, Any] | None = None
    example_result: Any = None
    scorer: Any = None
    reference: ReferenceProcess | None = None
    script: ScriptService | None = None
    own: OwnScript | None = None
    inline_rows: int = 0
    active: int = 0
    closed: bool = False
    success_head: bytes = b""
    name_lines: bytes = b""
    _waiters: list[asyncio.Future[None]] = field(default_factory=list)
    _restart: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        name = self.settings.name.encode()
        self.name_lines = b"azureml-model-deployment: %b\r\nazureml-model-session: %b\r\n" % (name, name)
        self.success_head = b"".join(
            (
                answers.STATUS[200],
                answers.JSON,
                self.name_lines,
                answers.SERVER_VERSION,
                b"x-ms-run-function-failed: False\r\n",
            )
        )

    def describe(self) -> dict[str, Any]:
        """The entry of `GET /_admin/status`."""
        keys = ("status", "error", "note", "form", "parity")
        return {key: getattr(self, key) for key in keys}

    @property
    def model_dir(self) -> Path:
        """Of a deployment without a scoring script, which always has a model."""
        assert self.settings.model_dir is not None
        return self.settings.model_dir

    def own_swagger(self, version: str) -> dict[str, Any] | None:
        """The description of its interface that a scoring script brings along, if it does."""
        if self.own is not None:
            return next(
                (self.own.swaggers[name] for name in _SWAGGERS.get(version, ()) if name in self.own.swaggers),
                None,
            )
        if self.script is None:
            return None
        for path in (self.script.app_root / name for name in _SWAGGERS.get(version, ())):
            with contextlib.suppress(OSError, ValueError):
                found: dict[str, Any] = orjson.loads(path.read_bytes())
                return found
        return None

    # scoring

    async def score(self, columns: list[str], data: list[list[Any]]) -> list[Any]:
        """Score in the queue, a thread or the child of the reference form.

        Raises TooManyRequestsError, TimeoutError (request_timeout_s passed) and RunError.
        """
        return await self._in_turn(functools.partial(self._predict, columns, data))

    async def think(self, work: Callable[["Asked"], _T], asked: "Asked") -> _T:
        """What our own script does in this process, in a thread. Raises as `score`, and what `work` raises."""
        return await self._in_turn(functools.partial(self._threaded, work, asked))

    async def _threaded(self, work: Callable[["Asked"], _T], asked: "Asked") -> _T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self.pool, work, asked)
        except RefusalError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a model's own code raises is that deployment's failure
            raise run_error(error) from None

    async def call(self, head: dict[str, Any], body: bytes) -> Reply:
        """Have the scoring script answer a request. Raises as `score`."""
        return await self._in_turn(functools.partial(self._ask_script, head, body))

    async def _in_turn(self, ask: Callable[[], Awaitable[_T]]) -> _T:
        await self._enter()
        work = asyncio.ensure_future(self._work(ask))
        done, _ = await asyncio.wait({work}, timeout=self.settings.request_timeout_s)
        if not done:
            # The model goes on and keeps its place, as a container does when its caller has been told 408.
            work.add_done_callback(_consume)
            asyncio.get_running_loop().call_later(HANG_SECONDS, self._end_hanging, work)
            raise TimeoutError
        return work.result()

    async def _work(self, ask: Callable[[], Awaitable[_T]]) -> _T:
        try:
            return await ask()
        finally:
            self._leave()

    async def _ask_script(self, head: dict[str, Any], body: bytes) -> Reply:
        try:
            if self.script is None:
                raise ScriptError("the deployment is closed")
            return await self.script.ask(head, body)
        except ScriptError as error:
            raise RunError(f"Encountered Exception: {error}") from None

    async def _predict(self, columns: list[str], data: list[list[Any]]) -> list[Any]:
        try:
            if self.reference is not None:
                return await self.reference.predict(columns, data)
            call = functools.partial(self.scorer.predict, columns, data)
            result: list[Any] = await asyncio.get_running_loop().run_in_executor(self.pool, call)
            return result
        except ReferenceProcessError as error:
            if self.reference is not None and not self.reference.alive and self._restart is None:
                self.status = "loading"
                self._restart = asyncio.create_task(self._revive())
            raise RunError(f"Encountered Exception: {error}") from None
        except Exception as error:  # noqa: BLE001 - whatever a model's own code raises is that deployment's failure
            raise run_error(error) from None

    async def _enter(self) -> None:
        # The service lets 2 x max_concurrent_requests in: half of them run, half wait for their turn.
        limit = self.settings.max_concurrent_requests
        if self.active < limit:
            self.active += 1
            return
        if len(self._waiters) >= limit:
            raise TooManyRequestsError
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(turn)
        try:
            await asyncio.wait_for(turn, self.settings.max_queue_wait_s)
        except TimeoutError:
            if turn.cancelled():
                raise TooManyRequestsError from None
        finally:
            with contextlib.suppress(ValueError):
                self._waiters.remove(turn)

    def _leave(self) -> None:
        for turn in self._waiters:
            if not turn.done():
                turn.set_result(None)  # the place is handed over: active stays
                return
        self.active -= 1

    async def _revive(self) -> None:
        try:
            self.log.error("The process of the reference form has ended; it is started again")
            await (await self.start_reference()).describe()
            self.status = "ready"
        except (ReferenceProcessError, OSError) as error:
            self.status, self.error = "failed", f"the reference form could not be started again: {error}"
            self.log.error(self.error)
        finally:
            self._restart = None

    def _end_hanging(self, work: asyncio.Future[_T]) -> None:
        child = self.reference or self.script
        if not work.done() and child is not None:
            child.kill()

    # ending

    async def drain(self) -> None:
        """Wait until nothing is in flight, then free everything."""
        while self.active:
            await asyncio.sleep(0.02)
        await self.close()

    async def close(self) -> None:
        """Free everything now."""
        self.closed = True
        if self._restart is not None:
            self._restart.cancel()
        await self.end_children()
        self.scorer = self.own = None

    async def start_script(self) -> None:
        """The process of the scoring script. Raises ScriptError, MountError, OriginError, OSError."""
        self.script = ScriptService(self.settings, self.log, self._changed)
        await self.script.start()

    def _changed(self, status: State, error: str | None) -> None:
        self.status, self.error = status, error

    async def end_children(self) -> None:
        """End whatever processes it has."""
        await self.end_reference()
        script, self.script = self.script, None
        if script is not None:
            await script.close()

    async def start_reference(self) -> ReferenceProcess:
        """A fresh child for the reference form."""
        await self.end_reference()
        self.reference = ReferenceProcess(self.model_dir)
        await self.reference.start()
        return self.reference

    async def end_reference(self) -> None:
        """End the child of the reference form, if there is one."""
        reference, self.reference = self.reference, None
        if reference is not None:
            await reference.close()


def run_error(error: Exception) -> RunError:
    """The container's 500 for what a model raised; the log gets MLflow's sentence, or the error's kind."""
    if isinstance(error, SignatureError):
        return RunError(f"Encountered Exception: {error}")
    return RunError(f"Encountered Exception: {type(error).__name__}")


def _consume(task: asyncio.Future[_T]) -> None:
    if not task.cancelled():
        task.exception()  # nobody waits for it any more
