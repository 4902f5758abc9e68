"""Load function_app.py through the public azure.functions API and check it as the real worker does."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import sys
import traceback
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import azure.functions as func

from dropml.functions_host.config import is_disabled
from dropml.functions_host.errors import AppError
from dropml.functions_host.retries import RetryPolicy

SCRIPT = "function_app.py"
HTTP, TIMER, BLOB = "httpTrigger", "timerTrigger", "blobTrigger"
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_\-]{0,127}")


@dataclass(frozen=True)
class FunctionDefinition:
    """One indexed function: its handler and the trigger's properties as the host gets them (camel case)."""

    name: str
    handler: Callable[..., Any]
    is_async: bool
    trigger: dict[str, Any]
    bindings: list[dict[str, Any]]
    annotation: Any  # of the trigger's parameter, None if it has none
    wants_context: bool
    retry: RetryPolicy | None
    disabled: bool

    @property
    def id(self) -> str:
        return f"Host.Functions.{self.name}"

    @property
    def trigger_type(self) -> str:
        return str(self.trigger["type"])

    @property
    def parameter(self) -> str:
        return str(self.trigger["name"])

    @property
    def deferred(self) -> bool:
        """True if the trigger's parameter is an SDK type such as BlobClient, built from a reference."""
        return bool(self.trigger.get("properties", {}).get("SupportsDeferredBinding"))

    @property
    def generic(self) -> bool:
        """True if the parameter is a plain str or bytes: then it gets what comes over the wire."""
        return self.annotation in (str, bytes) and self.trigger_type != HTTP


def load_app(app_dir: Path) -> list[FunctionDefinition]:
    """Import the app with its folder as working directory and first on sys.path, and index its functions.

    Raises AppError with the app's own traceback if the import fails, or with the rule that a function breaks.
    """
    if not (app_dir / SCRIPT).is_file():
        raise AppError(f"{app_dir / SCRIPT} does not exist: --app must name the folder of a v2 function app.")
    os.chdir(app_dir)
    sys.path.insert(0, str(app_dir))
    module = _import(app_dir)
    try:
        app = _find_app(module)
        functions = [] if app is None else app.get_functions()
        definitions = [_define(function) for function in functions]
    except ValueError as error:
        raise AppError(f"{SCRIPT} cannot be indexed: {error}") from error
    _check_unique(definitions)
    return definitions


def _import(app_dir: Path) -> ModuleType:
    try:
        return importlib.import_module(Path(SCRIPT).stem)
    except SystemExit as error:
        raise AppError(
            f"{SCRIPT} ended the process while being imported (sys.exit({error.code!r}))."
        ) from error
    except Exception as error:
        raise AppError(
            f"{SCRIPT} cannot be imported, so no function of this app can run:\n\n{_traceback(error, app_dir)}"
        ) from error


def _traceback(error: Exception, app_dir: Path) -> str:
    """The traceback from the app's first frame on: the host's and importlib's frames are not the user's."""
    shown = traceback.TracebackException.from_exception(error)
    frames = list(shown.stack)
    own = [i for i, frame in enumerate(frames) if Path(frame.filename).is_relative_to(app_dir)]
    host = Path(__file__).parent
    own = [i for i in own if not Path(frames[i].filename).is_relative_to(host)]
    shown.stack = traceback.StackSummary.from_list(frames[own[0] :] if own else [])
    return "".join(shown.format()).rstrip()


def _find_app(module: ModuleType) -> func.FunctionRegister | None:
    apps = {id(value): value for value in vars(module).values() if isinstance(value, func.FunctionRegister)}
    if len(apps) > 1:
        raise ValueError("it has more than one FunctionApp at its top level; keep one and use blueprints.")
    return next(iter(apps.values()), None)


def _define(function: Any) -> FunctionDefinition:
    name = function.get_function_name()
    if not _NAME.fullmatch(name) or name.lower() == "host":
        raise ValueError(
            f"function name {name!r} is invalid: a letter, then at most 127 letters, digits, _ or -, and not 'host'."
        )
    handler = function.get_user_function()
    try:
        hints = typing.get_type_hints(handler)
    except NameError as error:
        raise ValueError(f"function {name}: a type annotation cannot be resolved: {error}") from error
    bindings = _raw_bindings(function, hints)
    trigger = next((b for b in bindings if str(b["type"]).lower().endswith("trigger")), None)
    if trigger is None or trigger["type"] not in (HTTP, TIMER, BLOB):
        raise ValueError(
            f"function {name} has a {trigger['type'] if trigger else 'binding without a trigger'}: this host runs"
            f" {HTTP}, {TIMER} and {BLOB}."
        )
    for other in bindings:
        if other is not trigger and not (other["type"] == "http" and other["name"] == "$return"):
            raise ValueError(f"function {name}: this host has no {other['type']} binding ({other['name']}).")
    annotation = hints.get(trigger["name"])
    _check_annotation(name, trigger, annotation)
    if trigger["type"] == HTTP and "return" in hints:
        _check_return(name, hints["return"])
    return FunctionDefinition(
        name=name,
        handler=handler,
        is_async=inspect.iscoroutinefunction(handler),
        trigger=trigger,
        bindings=bindings,
        annotation=annotation,
        wants_context=_check_parameters(name, handler, trigger["name"], hints),
        retry=RetryPolicy.from_settings(name, function.get_settings_dict("retry_policy")),
        disabled=is_disabled(name),
    )


def _raw_bindings(function: Any, hints: dict[str, Any]) -> list[dict[str, Any]]:
    """Bindings as JSON objects; once the app has imported an SDK-type extension, that one builds them."""
    extension = sys.modules.get("azurefunctions.extensions.base")
    if extension is None:
        raw = function.get_raw_bindings()
    else:
        types = {name: SimpleNamespace(pytype=hint) for name, hint in hints.items()}
        raw, _ = extension.get_binding_registry().get_raw_bindings(function, types)
    return [json.loads(text) for text in raw]


def converter(definition_or_type: str, *, deferred: bool) -> Any:
    """The library's converter for a binding type, as the worker chooses it."""
    if deferred:
        return sys.modules["azurefunctions.extensions.base"].get_binding_registry().get(definition_or_type)
    return func.get_binding_registry().get(definition_or_type)  # type: ignore[no-untyped-call]


def _check_annotation(name: str, trigger: dict[str, Any], annotation: Any) -> None:
    deferred = bool(trigger.get("properties", {}).get("SupportsDeferredBinding"))
    if annotation is None or annotation is Any:
        return
    if annotation in (str, bytes) and trigger["type"] != HTTP:
        return
    if not isinstance(annotation, type):
        raise ValueError(f"function {name}: parameter {trigger['name']} has no plain type as annotation.")
    if not converter(trigger["type"], deferred=deferred).check_input_type_annotation(annotation):
        raise ValueError(
            f"function {name}: parameter {trigger['name']} is annotated {annotation.__name__}, which a"
            f" {trigger['type']} does not give."
        )


def _check_return(name: str, annotation: Any) -> None:
    if not isinstance(annotation, type):
        raise ValueError(f"function {name}: its return annotation {annotation!r} is no plain type.")
    if not converter("http", deferred=False).check_output_type_annotation(annotation):
        raise ValueError(
            f"function {name}: its return annotation is {annotation.__name__}, which an http output doesn't take."
        )


def _check_parameters(name: str, handler: Callable[..., Any], bound: str, hints: dict[str, Any]) -> bool:
    """True if the handler takes the context. Raises ValueError if its parameters don't fit its bindings."""
    declared = set(inspect.signature(handler).parameters)
    wants_context = "context" in declared and bound != "context"
    if wants_context:
        declared.discard("context")
        if hints.get("context", func.Context) is not func.Context:
            raise ValueError(
                f"function {name}: the context parameter must be of type azure.functions.Context."
            )
    if declared - {bound}:
        raise ValueError(f"function {name}: parameters {sorted(declared - {bound})} have no binding.")
    if bound not in declared:
        raise ValueError(f"function {name}: binding {bound!r} has no parameter of that name.")
    return wants_context


def _check_unique(definitions: list[FunctionDefinition]) -> None:
    seen: dict[str, str] = {}
    for definition in definitions:
        other = seen.setdefault(definition.name.lower(), definition.name)
        if other is not definition.name:
            raise AppError(
                f"{SCRIPT} cannot be indexed: functions {other} and {definition.name} differ only in case;"
                " rename one with @app.function_name()."
            )
