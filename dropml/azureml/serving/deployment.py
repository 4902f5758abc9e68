"""One deployment: a model being loaded, checked, served and drained."""

import asyncio
import contextlib
import functools
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson

from dropml.azureml.serving import answers
from dropml.azureml.serving.config import DeploymentConfig
from dropml.azureml.serving.contract import RunError
from dropml.azureml.serving.logs import DeploymentLog
from dropml.azureml.serving.parity import ParityCache
from dropml.azureml.serving.worker import Worker, WorkerError, is_signature_error
from scorer import PARITY_LIMIT, load

HANG_SECONDS = 30.0  # after its timeout, a request that still runs in a child has that child ended
INLINE_SECONDS = 0.005  # what a request may hold the event loop; longer ones go to a thread
_WARM_UP_ROUNDS = 20
Form = Literal["compiled", "reference"]


class TooManyRequestsError(Exception):
    """More requests at once than the deployment's settings allow."""


@dataclass(slots=True, eq=False)
class Deployment:
    """State of one version of a deployment. Used from the event loop only."""

    config: DeploymentConfig
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
    worker: Worker | None = None
    inline_rows: int = 0
    active: int = 0
    closed: bool = False
    success_head: bytes = b""
    name_lines: bytes = b""
    _waiters: list[asyncio.Future[None]] = field(default_factory=list)
    _restart: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        name = self.config.name.encode()
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

    # loading

    async def load(self, cache: ParityCache) -> None:
        """Load the compiled form if it agrees with the reference, else the reference. Sets `status`."""
        started = time.monotonic()
        self.log.info(f"Loading model {self.config.model} for deployment {self.config.name}")
        try:
            await self._load(cache)
        except Exception as error:  # noqa: BLE001 - any failure of a model is its deployment's failure
            self.status = "failed"
            self.error = f"{self.config.model} could not be loaded: {_sentence(error)}"
            self.log.error(self.error)
            await self._end_worker()
            return
        if self.closed:  # removed while it was loading
            await self._end_worker()
        self.status = "ready"
        self.log.info(
            f"Model {self.config.model} is ready as its {self.form} form after "
            f"{time.monotonic() - started:.2f} s, largest difference of forms {self.parity}"
        )

    async def _load(self, cache: ParityCache) -> None:
        model_dir = self.config.model_dir
        if not (model_dir / "MLmodel").is_file():
            raise FileNotFoundError(f"{model_dir} holds no MLflow model (no file MLmodel)")
        # A damaged compiled form can end the process that reads it (LightGBM's library calls terminate), so
        # the child reads it first; here it is loaded once it has been found sound.
        self.note = await self._check(cache)
        if self.note is None:
            try:
                loop = asyncio.get_running_loop()
                self.scorer = await loop.run_in_executor(self.pool, load, model_dir, "compiled")
            except Exception as error:  # noqa: BLE001
                self.note = f"no compiled form ({_sentence(error)}); the reference form serves"
        if self.note is None:
            await self._use_compiled()
        else:
            self.log.error(self.note)
            await self._use_reference()

    async def _check(self, cache: ParityCache) -> str | None:
        """Why the compiled form may not serve, or None."""
        self.parity = cache.get(self.config.model_dir)
        if self.parity is None:
            self.worker = Worker(self.config.model_dir)
            await self.worker.start()
            try:
                self.parity = await self.worker.parity()
            except WorkerError as error:
                absent = str(error).startswith("CompiledFormError: ")
                what = "no compiled form" if absent else "the forms could not be compared"
                return f"{what} ({error}); the reference form serves"
            cache.put(self.config.model_dir, self.parity)
        if self.parity <= PARITY_LIMIT:  # False for NaN too
            return None
        return (
            f"the compiled form differs from the reference by {self.parity:.3g}, more than {PARITY_LIMIT:g}; "
            "the reference form serves"
        )

    async def _use_compiled(self) -> None:
        await self._end_worker()
        self.form = "compiled"
        scorer = self.scorer
        self.columns, self.types, self.labels = list(scorer.columns), dict(scorer.types), scorer.labels
        self.example = _example(self.config.model_dir)
        loop = asyncio.get_running_loop()
        self.example_result, seconds = await loop.run_in_executor(self.pool, _warm_up, scorer, self.example)
        self.inline_rows = int(INLINE_SECONDS / max(seconds, 1e-6))

    async def _use_reference(self) -> None:
        self.form, self.scorer, self.inline_rows = "reference", None, 0
        if self.worker is None or not self.worker.alive:
            await self._end_worker()
            self.worker = Worker(self.config.model_dir)
            await self.worker.start()
        description = await self.worker.describe()
        self.columns, self.types = description["columns"], description["types"]
        self.labels = description["labels"]
        self.example = _example(self.config.model_dir)
        if self.example is not None:
            self.example_result = await self.worker.predict(self.example["columns"], self.example["data"][:1])

    # scoring

    async def score(self, columns: list[str], data: list[list[Any]]) -> list[Any]:
        """Score in the queue, a thread or the worker.

        Raises TooManyRequestsError, TimeoutError (request_timeout_s passed) and RunError.
        """
        await self._enter()
        work = asyncio.create_task(self._work(columns, data))
        done, _ = await asyncio.wait({work}, timeout=self.config.request_timeout_s)
        if not done:
            # The model goes on and keeps its place, as a container does when its caller has been told 408.
            work.add_done_callback(_consume)
            asyncio.get_running_loop().call_later(HANG_SECONDS, self._end_hanging, work)
            raise TimeoutError
        return work.result()

    async def _work(self, columns: list[str], data: list[list[Any]]) -> list[Any]:
        try:
            if self.worker is not None:
                return await self.worker.predict(columns, data)
            call = functools.partial(self.scorer.predict, columns, data)
            result: list[Any] = await asyncio.get_running_loop().run_in_executor(self.pool, call)
            return result
        except WorkerError as error:
            if self.worker is not None and not self.worker.alive and self._restart is None:
                self.status = "loading"
                self._restart = asyncio.create_task(self._revive())
            raise RunError(f"Encountered Exception: {error}") from None
        except Exception as error:  # noqa: BLE001
            raise run_error(error) from None
        finally:
            self._leave()

    async def _enter(self) -> None:
        # The service lets 2 x max_concurrent_requests in: half of them run, half wait for their turn.
        limit = self.config.max_concurrent_requests
        if self.active < limit:
            self.active += 1
            return
        if len(self._waiters) >= limit:
            raise TooManyRequestsError
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(turn)
        try:
            await asyncio.wait_for(turn, self.config.max_queue_wait_s)
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
            await self._end_worker()
            self.worker = Worker(self.config.model_dir)
            await self.worker.start()
            await self.worker.describe()
            self.status = "ready"
        except (WorkerError, OSError) as error:
            self.status, self.error = "failed", f"the reference form could not be started again: {error}"
            self.log.error(self.error)
        finally:
            self._restart = None

    def _end_hanging(self, work: asyncio.Task[list[Any]]) -> None:
        if not work.done() and self.worker is not None:
            self.worker.kill()

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
        await self._end_worker()
        self.scorer = None

    async def _end_worker(self) -> None:
        worker, self.worker = self.worker, None
        if worker is not None:
            await worker.close()


def run_error(error: Exception) -> RunError:
    """The container's 500 for what a model raised; the log gets MLflow's sentence, or the error's kind."""
    if is_signature_error(error):
        return RunError(f"Encountered Exception: {error}")
    return RunError(f"Encountered Exception: {type(error).__name__}")


def _warm_up(scorer: Any, example: dict[str, Any] | None) -> tuple[list[Any] | None, float]:
    """The example's result and the seconds that one row takes (the best of some rounds)."""
    if example is None:
        return None, INLINE_SECONDS
    columns, rows = example["columns"], example["data"][:1]
    best = float("inf")
    result: list[Any] = []
    for _ in range(_WARM_UP_ROUNDS):
        started = time.perf_counter()
        result = list(scorer.predict(columns, rows))
        best = min(best, time.perf_counter() - started)
        if best > INLINE_SECONDS:
            break
    return result, best


def _example(model_dir: Path) -> dict[str, Any] | None:
    """The model's input example in split orientation, one row of it."""
    try:
        example = orjson.loads((model_dir / "input_example.json").read_bytes())
        return {"columns": example["columns"], "index": [0], "data": example["data"][:1]}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _sentence(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if not isinstance(error, WorkerError) else str(error)


def _consume(task: asyncio.Task[list[Any]]) -> None:
    if not task.cancelled():
        task.exception()  # nobody waits for it any more
