"""What `run` is called with: the three ways in which azureml-inference-server-http 1.5.1 reads a request (`input_parsers.py`)."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any

from werkzeug.wrappers import Request

from dropml.azureml.serving import script_api

Arguments = dict[str, Any]
Parser = Callable[[Request], Arguments]


class InputError(Exception):
    """The request is refused before `run`, with this status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class SignatureOfRunError(Exception):
    """`run` is declared in a way that the server does not call."""


def parser(run: Callable[..., Any], parameters: list[inspect.Parameter]) -> tuple[Parser, str]:
    """How `run` wants its input, and the server's sentence about it. Raises SignatureOfRunError."""
    first = parameters[0].name
    typed = _is_typed(run)
    if script_api.raw and typed:
        raise SignatureOfRunError("run() cannot be decorated with both @rawhttp and @input_schema")
    if script_api.raw:
        said = "run() is decorated with @rawhttp. Server will invoke it with the flask request object."
        return lambda request: {first: request}, said
    if typed:
        names = ", ".join(p.name for p in parameters)
        said = f"run() is decorated with @input_schema. Server will invoke it with the following arguments: {names}."
        return lambda request: _typed(request, parameters), said
    said = "run() is not decorated. Server will invoke it with the input in JSON string."
    return lambda request: {first: _text(request)}, said


def _is_typed(run: Callable[..., Any]) -> bool:
    # A script without the package can't be decorated with it.
    try:
        from inference_schema.schema_util import is_schema_decorated
    except ImportError:
        return False
    return bool(is_schema_decorated(run))


def _method(request: Request) -> str:
    if request.method not in ("GET", "POST"):
        raise InputError(405, "Method not allowed")
    return str(request.method)


def _text(request: Request) -> str:
    if _method(request) == "GET":
        return json.dumps(_from_query(request))
    try:
        return str(request.get_data(), "utf-8")
    except UnicodeDecodeError as error:
        raise InputError(400, f"Input cannot be decoded as UTF-8: {error}") from None


def _typed(request: Request, parameters: list[inspect.Parameter]) -> Arguments:
    given = _from_query(request) if _method(request) == "GET" else _from_body(request)
    found = {p.name: given.get(p.name, p.default) for p in parameters}
    for name, value in found.items():
        if value is inspect.Parameter.empty:
            raise InputError(400, f"A value is not provided for the {name!r} parameter.")
    return found


def _from_body(request: Request) -> dict[str, Any]:
    if not request.is_json:
        raise InputError(415, "Expects Content-Type to be application/json")
    body = request.get_data()
    try:
        found = json.loads(body)
    except json.JSONDecodeError as error:
        if body:
            raise InputError(400, f"POST body could not be decoded as JSON: {error}") from None
        raise InputError(400, "POST body is empty. Expecting a JSON dictionary.") from None
    if not isinstance(found, dict):
        raise InputError(400, "POST body should be a JSON dictionary.")
    return found


def _from_query(request: Request) -> dict[str, Any]:
    """Each parameter as JSON where it is some; a list of those that are given more than once."""
    found: dict[str, Any] = {}
    for name, texts in request.args.lists():
        values = [_as_json(text) for text in texts]
        found[name] = values[0] if len(values) == 1 else values
    return found


def _as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
