"""endpoint.json: what the control plane tells an endpoint process."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_REQUEST_BYTES = 1_572_864  # 1.5 MB, the payload limit of managed online endpoints
AUTH_MODES = ("Key", "AMLToken", "AADToken")


class SettingsError(ValueError):
    """endpoint.json is missing or not valid; the message names the field."""


@dataclass(frozen=True, slots=True)
class ScriptSettings:
    """A scoring script. Its deployment's files are copied below `mounts`, the code as `code_name`, the model as `model_as`."""

    code_dir: Path
    code_name: str
    entry: str  # relative to the code
    model_as: str
    mounts: Path
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ordered:
    """What a test orders of a deployment's answers: `seconds` late, or a failure of its container with the status."""

    seconds: float = 0.0
    status: int = 0


@dataclass(frozen=True, slots=True)
class DeploymentSettings:
    """One deployment. Times are in seconds."""

    name: str
    model_dir: Path | None  # None only with a script
    model: str
    models_dir: Path | None = None  # of all registered models
    request_timeout_s: float = 5.0
    app_insights: bool = False
    log_file: Path | None = None
    max_concurrent_requests: int = 1
    max_queue_wait_s: float = 0.5
    script: ScriptSettings | None = None
    notes: tuple[str, ...] = ()  # for its log: how its environment differs from here
    ordered: Ordered | None = None

    def content(self) -> tuple[object, ...]:
        """What a new version of the deployment is loaded for when it changes."""
        return self.model_dir, self.model, self.script


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """The whole endpoint. Traffic maps deployment names to percentages."""

    name: str
    auth_mode: str
    keys: tuple[str, ...]
    token_secret: str
    admin_secret: str
    traffic: dict[str, float] = field(default_factory=dict)
    mirror_traffic: dict[str, float] = field(default_factory=dict)
    swagger_title: str = ""
    deployments: dict[str, DeploymentSettings] = field(default_factory=dict)
    app_insights_url: str | None = None
    instrumentation_key: str = ""
    max_request_bytes: int = MAX_REQUEST_BYTES


def read_settings(endpoint_dir: Path) -> EndpointSettings:
    """Read and check ENDPOINTDIR/endpoint.json. Raises SettingsError."""
    path = endpoint_dir / "endpoint.json"
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise SettingsError(f"{path} does not exist: the control plane writes it before the start") from None
    except ValueError as error:
        raise SettingsError(f"{path} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise SettingsError(f"{path} should hold a JSON object")
    return parse(document)


def parse(document: dict[str, Any]) -> EndpointSettings:
    """Check a decoded endpoint.json. Raises SettingsError."""
    auth_mode = document.get("auth_mode", "Key")
    if auth_mode not in AUTH_MODES:
        raise SettingsError(f"auth_mode {auth_mode!r} is none of {', '.join(AUTH_MODES)}")
    keys = tuple(key for key in document.get("keys") or () if key)
    if auth_mode == "Key" and not keys:
        raise SettingsError("keys is empty: an endpoint with auth_mode Key needs at least one")
    token_secret = _text(document, "token_secret", required=auth_mode != "Key")
    deployments = {
        name: _deployment(name, value) for name, value in (document.get("deployments") or {}).items()
    }
    return EndpointSettings(
        name=_text(document, "name", required=True),
        auth_mode=auth_mode,
        keys=keys,
        token_secret=token_secret,
        admin_secret=_text(document, "admin_secret", required=True),
        traffic=_weights(document, "traffic", deployments),
        mirror_traffic=_weights(document, "mirror_traffic", deployments),
        swagger_title=_text(document, "swagger_title") or _text(document, "name"),
        deployments=deployments,
        app_insights_url=document.get("app_insights_url") or None,
        instrumentation_key=_text(document, "instrumentation_key"),
        max_request_bytes=int(document.get("max_request_bytes") or MAX_REQUEST_BYTES),
    )


def _text(document: dict[str, Any], key: str, *, required: bool = False) -> str:
    value = document.get(key) or ""
    if not isinstance(value, str) or (required and not value):
        raise SettingsError(f"{key} should be a{' non-empty' if required else ''} string")
    return value


def _weights(
    document: dict[str, Any], key: str, deployments: dict[str, DeploymentSettings]
) -> dict[str, float]:
    weights = {}
    for name, percent in (document.get(key) or {}).items():
        if not isinstance(percent, int | float) or not 0 <= percent <= 100:
            raise SettingsError(f"{key} of {name!r} is {percent!r}; it should be a number from 0 to 100")
        if percent and name not in deployments:
            raise SettingsError(f"{key} names {name!r}, which is no deployment of this endpoint")
        weights[name] = float(percent)
    return weights


def _deployment(name: str, value: dict[str, Any]) -> DeploymentSettings:
    if not isinstance(value, dict) or not (value.get("model_dir") or value.get("script")):
        raise SettingsError(f"deployment {name!r} has neither model_dir nor script")
    return DeploymentSettings(
        name=name,
        model_dir=Path(value["model_dir"]) if value.get("model_dir") else None,
        model=value.get("model") or name,
        models_dir=Path(value["models_dir"]) if value.get("models_dir") else None,
        request_timeout_s=float(value.get("request_timeout_s") or 5.0),
        app_insights=bool(value.get("app_insights")),
        log_file=Path(value["log_file"]) if value.get("log_file") else None,
        max_concurrent_requests=max(1, int(value.get("max_concurrent_requests") or 1)),
        max_queue_wait_s=float(value.get("max_queue_wait_s") or 0.5),
        script=_script(name, value["script"]) if value.get("script") else None,
        notes=tuple(value.get("notes") or ()),
        ordered=Ordered(**value["ordered"]) if value.get("ordered") else None,
    )


def _script(name: str, value: dict[str, Any]) -> ScriptSettings:
    for key in ("code_dir", "code_name", "entry", "model_as", "mounts"):
        if not isinstance(value.get(key), str) or not value[key]:
            raise SettingsError(f"the script of deployment {name!r} has no {key}")
    return ScriptSettings(
        code_dir=Path(value["code_dir"]),
        code_name=value["code_name"],
        entry=value["entry"],
        model_as=value["model_as"],
        mounts=Path(value["mounts"]),
        variables={key: str(text) for key, text in (value.get("variables") or {}).items()},
    )
