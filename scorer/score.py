"""The entry script of a deployment: `init` and `run` by the contract of azureml-inference-server-http.

Source of the contract: azureml_inference_server_http/server/user_script.py and input_parsers.py, 1.5.1. The server loads this
file by its path, calls `init` once, then `run` with each request's body as text; what `run` returns becomes JSON. Raising
is answered as 500 without a word, so what is wrong with a request is returned as an AMLResponse.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any


def _load_package(folder: Path) -> None:
    """`scorer`, from this file's folder: Azure mounts uploaded code under a name of its own choice."""
    where = [str(folder)]
    spec = importlib.util.spec_from_file_location(
        "scorer", folder / "__init__.py", submodule_search_locations=where
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} holds no package")
    package = importlib.util.module_from_spec(spec)
    sys.modules["scorer"] = package
    spec.loader.exec_module(package)


if "scorer" not in sys.modules:
    _load_package(Path(__file__).resolve().parent)

from scorer.answer import THRESHOLD, Answer, Served, answer, standing  # noqa: E402 - found only now that the package is loaded
from scorer.errors import RequestError  # noqa: E402 - found only now that the package is loaded
from scorer.folder import find_model, model_name  # noqa: E402 - found only now that the package is loaded
from scorer.forms import load_form  # noqa: E402 - found only now that the package is loaded
from scorer.request import read  # noqa: E402 - found only now that the package is loaded
from scorer.swagger import publish  # noqa: E402 - found only now that the package is loaded

_model: Served | None = None
_name: str | None = None
_threshold: float | None = None


def init() -> None:
    """Load the model in AZUREML_MODEL_DIR. Raises NoModelError, ThresholdError, and what loading raises: the deployment
    fails with it.
    """
    global _model, _name, _threshold  # noqa: PLW0603 - the contract is two functions of a module
    root = Path(os.environ.get("AZUREML_MODEL_DIR", ""))
    started = time.monotonic()
    _name = model_name(root)
    folder = find_model(root)
    _model = load_form(folder, print)
    _threshold = standing(os.environ.get(THRESHOLD), _model)
    _describe(_model, folder)
    print(f"{_name or 'the model'} is ready after {time.monotonic() - started:.2f} s", flush=True)


def _describe(model: Served, folder: Path) -> None:
    """What the server serves as swagger; a deployment whose code can't be written to serves without."""
    title = os.environ.get("SERVICE_NAME") or _name or "model"
    try:
        publish(model, folder, Path(__file__).resolve().parent, title)
    except OSError as error:
        print(f"No swagger of the columns: {error}", flush=True)


def run(raw_data: Any) -> Any:
    """The answer to one request: text or bytes of JSON, or what was decoded from it."""
    if _model is None:
        raise RuntimeError("init has not been called, or has failed")
    try:
        found: Answer = answer(_model, read(raw_data, _model), _threshold)
    except RequestError as error:
        return _refusal(error)
    found["model"] = _name
    return found


def _refusal(error: RequestError) -> Any:
    """As the server answers errors: its own response with the status. Where there is no server, the error is raised."""
    try:
        from azureml_inference_server_http.api.aml_response import AMLResponse
    except ImportError:
        raise error from None
    print(f"{error.status} {error.code}", flush=True)
    if error.__cause__ is not None:  # the model's own code refused: where, only its trace tells
        print("".join(traceback.format_exception(error.__cause__)), flush=True)
    return AMLResponse(error.body, error.status, json_str=True)
