"""One deployment: who may score when, with what, and how it ends."""

import asyncio
import contextlib
import functools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from dropml.azureml.serving import answers
from dropml.azureml.serving.contract import RunError
from dropml.azureml.serving.logs import DeploymentLog
from dropml.azureml.serving.reference_process import ReferenceProcess, ReferenceProcessError
from dropml.azureml.serving.settings import DeploymentSettings
from scorer import SignatureError

HANG_SECONDS = 30.0  # after its timeout, a request that still runs in a child has that child ended
INLINE_SECONDS = 0.005  # what a request may hold the event loop; longer ones go to a thread
Form = Literal["compiled", "reference"]


class TooManyRequestsError(Exception):
    """More requests at once than the deployment's settings allow."""


@dataclass(slots=True, eq=False)
class Deployment:
    """State of one version of a deployment. Used from the event loop only."""

    settings: DeploymentSettings
    pool: ThreadPoolExecutor
    log: DeploymentLog
    status: Literal["loading", "ready", "failed"] = "loading"
    form: Form | None = None
    parity: float | None = None
    error: str | None = None
    note: str | None = None
    columns: list[str] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)
    labels: list[Any] | None = None
    example: dict[str, Any] | None = None
    example_result: list[Any] | None = None
    scorer: Any = None
    reference: ReferenceProcess | None = None
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

    # scoring

    async def score(self, columns: list[str], data: list[list[Any]]) -> list[Any]:
        """Score in the queue, a thread or the child of the reference form.

        Raises TooManyRequestsError, TimeoutError (request_timeout_s passed) and RunError.
        """
        await self._enter()
        work = asyncio.create_task(self._work(columns, data))
        done, _ = await asyncio.wait({work}, timeout=self.settings.request_timeout_s)
        if not done:
            # The model goes on and keeps its place, as a container does when its caller has been told 408.
            work.add_done_callback(_consume)
            asyncio.get_running_loop().call_later(HANG_SECONDS, self._end_hanging, work)
            raise TimeoutError
        return work.result()

    async def _work(self, columns: list[str], data: list[list[Any]]) -> list[Any]:
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
        except Exception as error:  # noqa: BLE001
            raise run_error(error) from None
        finally:
            self._leave()

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

    def _end_hanging(self, work: asyncio.Task[list[Any]]) -> None:
        if not work.done() and self.reference is not None:
            self.reference.kill()

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
        await self.end_reference()
        self.scorer = None

    async def start_reference(self) -> ReferenceProcess:
        """A fresh child for the reference form."""
        await self.end_reference()
        self.reference = ReferenceProcess(self.settings.model_dir)
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


def _consume(task: asyncio.Task[list[Any]]) -> None:
    if not task.cancelled():
        task.exception()  # nobody waits for it any more
