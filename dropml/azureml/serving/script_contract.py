"""A scoring script as azureml-inference-server-http 1.5.1 runs it (`server/user_script.py`, `server/routes.py`)."""

from __future__ import annotations

import importlib.util
import inspect
import logging
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from werkzeug.wrappers import Response

from dropml.azureml.serving.contract import RUN_FAILED
from dropml.azureml.serving.script_api import AMLRequest, AMLResponse
from dropml.azureml.serving.script_inputs import InputError, Parser, SignatureOfRunError, parser

log = logging.getLogger("azmlinfsrv")
_INTERNAL = "An unexpected internal error occurred. Check the logs for more info."


class RunTimeoutError(Exception):
    """`run` was not done within SCORING_TIMEOUT_MS."""


class UserScript:
    """The loaded script. `init` and `answer` may be called from the main thread only."""

    def __init__(self, module: ModuleType, timeout_ms: int) -> None:
        for name in ("init", "run"):
            if not hasattr(module, name):
                raise SignatureOfRunError(
                    f"User script at {module.__file__} does not have a {name}() function defined."
                )
        self.init: Callable[[], Any] = module.init
        driver = getattr(module, "driver_module", None)
        self._run = driver.run if isinstance(driver, ModuleType) and hasattr(driver, "run") else module.run
        self._timeout_ms = timeout_ms
        self._wants_headers, self._parse = self._analyse()

    def _analyse(self) -> tuple[bool, Parser]:
        parameters = [*inspect.signature(self._run).parameters.values()]
        if any(p.kind not in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters):
            raise SignatureOfRunError("run() cannot accept positional-only arguments, *args, or **kwargs.")
        own = [p for p in parameters if p.name != "request_headers"]
        if not own:
            other = ' other than "request_headers"' if parameters else " for input data"
            raise SignatureOfRunError(f"run() needs to accept an argument{other}.")
        parse, said = parser(self._run, own)
        log.info(said)
        return len(own) < len(parameters), parse

    def answer(self, head: dict[str, Any], body: bytes) -> Response:
        """What the server answers to a request for /score."""
        request = _request(head, body)
        try:
            arguments = self._parse(request)
        except InputError as error:
            if request.method == "OPTIONS":
                return AMLResponse("", 200)
            return _refusal(error.status, str(error))
        if self._wants_headers:
            arguments["request_headers"] = dict(request.headers)
        started = time.perf_counter()
        try:
            with _limited(self._timeout_ms):
                result = self._run(**arguments)
        except RunTimeoutError:
            _encountered()
            return _refusal(500, f"Scoring timeout after {self._timeout_ms} ms", failed=True)
        except Exception:  # noqa: BLE001 - whatever a script raises is its answer
            _encountered()
            return _refusal(500, RUN_FAILED, failed=True)
        response = _response(result)
        response.headers["x-ms-run-fn-exec-ms"] = f"{(time.perf_counter() - started) * 1000:.3f}"
        return response


def load_script(app_root: Path, entry: str, timeout_ms: int) -> UserScript:
    """Run the script's module. Raises what it raises, and SignatureOfRunError."""
    path = app_root / entry
    spec = importlib.util.spec_from_file_location("entry_module", path)
    if spec is None or spec.loader is None:
        raise SignatureOfRunError(f"The scoring script {entry} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    log.info("Found user script at %s", path)
    return UserScript(module, timeout_ms)


def _request(head: dict[str, Any], body: bytes) -> AMLRequest:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": head["method"],
        "PATH_INFO": "/score",
        "QUERY_STRING": head["query"],
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "5001",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
        "CONTENT_LENGTH": str(len(body)),
    }
    for name, value in head["headers"].items():
        key = name.upper().replace("-", "_")
        environ["CONTENT_TYPE" if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    return AMLRequest(environ)


def _response(result: Any) -> Response:
    if isinstance(result, Response):
        log.info("run() output is HTTP Response")
        if result.status_code >= 500:
            result.headers["x-ms-run-function-failed"] = "True"
        return result
    try:
        return AMLResponse(result, 200, json_str=True)
    except Exception:  # noqa: BLE001 - a type that JSON hasn't, or a circle
        _encountered()
        return _refusal(500, _INTERNAL)


def _refusal(status: int, message: str, *, failed: bool = False) -> Response:
    return AMLResponse({"message": message}, status, json_str=True, run_function_failed=failed)


def _encountered() -> None:
    log.error("Encountered Exception: %s", traceback.format_exc())


@contextmanager
def _limited(timeout_ms: int) -> Iterator[None]:
    def over(_number: int, _frame: FrameType | None) -> None:
        raise RunTimeoutError

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, timeout_ms / 1000)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
