"""What scoring scripts import from azureml-inference-server-http: `rawhttp`, `AMLRequest`, `AMLResponse`.

Written to its 1.5.1 (`api/aml_request.py`, `api/aml_response.py`) over Werkzeug, which its Flask classes extend too, so that a
script's own `flask.Response` is taken as well.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from werkzeug.wrappers import Request, Response

_PACKAGE = "azureml_inference_server_http"
#: Where scripts of azureml-contrib-services, its predecessor, look for the same.
_OLDER = "azureml.contrib.services"

#: What was decorated with `rawhttp`: as in the server, one is enough for `run` to be given requests as they came.
raw: list[Callable[..., Any]] = []


def rawhttp(function: Callable[..., Any]) -> Callable[..., Any]:
    """`run` wants the request itself, not its body."""
    raw.append(function)
    return function


class AMLRequest(Request):
    """What `run` is given where it is decorated with `rawhttp`."""


class AMLResponse(Response):
    """An answer with a status and headers of the script's choice."""

    default_mimetype = "text/html"

    def __init__(
        self,
        message: Any,
        status_code: int,
        response_headers: Mapping[str, str] | None = None,
        json_str: bool = False,
        run_function_failed: bool = False,
    ) -> None:
        headers = response_headers or {}
        if message is None or json_str:
            text = json.dumps({} if message is None else message)
            super().__init__(text, status=status_code, mimetype="application/json")
        else:
            super().__init__(message, status=status_code)
            if "Content-Type" in headers:
                self.headers.remove("Content-Type")
        self.headers["x-ms-run-function-failed"] = str(run_function_failed)
        for name, values in headers.items():
            for value in values.split(","):
                self.headers.add(name, value.strip())


def install() -> None:
    """Put them where scripts import them from."""
    requests = _module(f"{_PACKAGE}.api.aml_request", rawhttp=rawhttp, AMLRequest=AMLRequest)
    responses = _module(f"{_PACKAGE}.api.aml_response", AMLResponse=AMLResponse)
    api = _module(f"{_PACKAGE}.api", aml_request=requests, aml_response=responses, __path__=[])
    _module(_PACKAGE, api=api, __path__=[])
    sys.modules[f"{_OLDER}.aml_request"] = requests
    sys.modules[f"{_OLDER}.aml_response"] = responses


def _module(name: str, **contents: Any) -> ModuleType:
    found = sys.modules[name] = ModuleType(name)
    vars(found).update(contents)
    return found
