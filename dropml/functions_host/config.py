"""Settings of the app (local.settings.json, environment) and of the host (host.json)."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from dropml.functions_host.errors import BindingError, ConfigError

log = logging.getLogger("Host.Startup")

MAX_HOST_ID = 32
STORAGE_SETTING = "AzureWebJobsStorage"
HOST_ID_SETTING = "AzureFunctionsWebHost__hostid"
DEFAULT_BODY_LIMIT = 104_857_600  # the host's MaxRequestBodySize, 100 MiB
DEFAULT_TIMEOUT_S = 30 * 60.0
WORKER_THREADS = 1000  # PYTHON_THREADPOOL_THREAD_COUNT as the host sets it where the app does not
_TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})(?:\.\d+)?")
_PERCENT = re.compile(r"%([^%\s]+)%")


@dataclass(frozen=True)
class LocalSettings:
    """What local.settings.json says: app settings, and CORS for the local host."""

    values: Mapping[str, str] = field(default_factory=dict)
    cors: tuple[str, ...] = ()
    cors_credentials: bool = False


def read_local_settings(path: Path) -> LocalSettings:
    """Read a local.settings.json. Raises ConfigError if it is absent, not JSON, encrypted or not flat strings."""
    document = _read_json(path, "Copy local.settings.json.example, or name another file with --settings.")
    if document.get("IsEncrypted"):
        raise ConfigError(
            f"{path}: IsEncrypted is true; run `func settings decrypt`, or write the values plainly."
        )
    values = document.get("Values", {})
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: Values must be an object of strings.")
    for name, value in values.items():
        if not isinstance(value, str):
            raise ConfigError(
                f"{path}: Values.{name} is {json.dumps(value)}; app settings are strings, quote it."
            )
    host = document.get("Host", {})
    origins = tuple(origin.strip() for origin in str(host.get("CORS", "")).split(",") if origin.strip())
    return LocalSettings(values, origins, bool(host.get("CORSCredentials", False)))


def apply_settings(settings: LocalSettings) -> list[str]:
    """Put the values into the environment, where existing variables win (as in Core Tools); names those."""
    kept = [name for name, value in settings.values.items() if os.environ.get(name, value) != value]
    for name, value in settings.values.items():
        os.environ.setdefault(name, value)
    return kept


@dataclass(frozen=True)
class HostConfig:
    """The part of host.json that this host honours. Times are seconds; None means unbounded."""

    route_prefix: str = "api"
    function_timeout_s: float | None = DEFAULT_TIMEOUT_S
    poison_blob_threshold: int = 5
    max_degree_of_parallelism: int = 8
    max_outstanding_requests: int | None = None
    max_concurrent_requests: int | None = None
    log_levels: Mapping[str, str] = field(default_factory=dict)


def read_host_json(app_dir: Path) -> HostConfig:
    """Read host.json of the app. Raises ConfigError if it is absent or the real host would refuse it."""
    path = app_dir / "host.json"
    document = _read_json(path, 'A function app needs one: at least {"version": "2.0"}.')
    if document.get("version") != "2.0":
        raise ConfigError(
            f'{path}: "version" must be the string "2.0", not {json.dumps(document.get("version"))}.'
        )
    extensions = document.get("extensions", {})
    http, blobs = extensions.get("http", {}), extensions.get("blobs", {})
    threshold = int(blobs.get("poisonBlobThreshold", 5))
    if threshold < 1:
        raise ConfigError(
            f"{path}: extensions.blobs.poisonBlobThreshold must be at least 1, not {threshold}."
        )
    levels = document.get("logging", {}).get("logLevel", {})
    return HostConfig(
        route_prefix=str(http.get("routePrefix", "api")).strip("/"),
        function_timeout_s=_function_timeout(document.get("functionTimeout"), path),
        poison_blob_threshold=threshold,
        max_degree_of_parallelism=int(blobs.get("maxDegreeOfParallelism", 8 * (os.cpu_count() or 1))),
        max_outstanding_requests=_bound(http.get("maxOutstandingRequests", -1)),
        max_concurrent_requests=_bound(http.get("maxConcurrentRequests", -1)),
        log_levels={str(name): str(level) for name, level in levels.items()},
    )


def _bound(value: Any) -> int | None:
    return None if int(value) < 0 else int(value)


def _function_timeout(value: Any, path: Path) -> float | None:
    if value is None:
        return DEFAULT_TIMEOUT_S
    if str(value) == "-1":
        return None
    seconds = parse_time_span(str(value))
    if not seconds:
        raise ConfigError(
            f'{path}: functionTimeout is {json.dumps(value)}; write "HH:MM:SS", or "-1" for none.'
        )
    return seconds


def parse_time_span(text: str) -> float | None:
    """Seconds of a .NET TimeSpan "[d.]HH:MM:SS", None if it isn't one."""
    match = _TIME_SPAN.fullmatch(text.strip())
    if not match:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def host_id(app_dir: Path) -> str:
    """The id that receipts, locks and queues of this app carry: at most 32 lower-case letters, digits, dashes.

    Setting `AzureFunctionsWebHost__hostid`, else the folder's name and a hash of its path.
    """
    given = os.environ.get(HOST_ID_SETTING)
    if given:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", given) or len(given) > MAX_HOST_ID:
            raise ConfigError(
                f"{HOST_ID_SETTING} is {given!r}: at most {MAX_HOST_ID} lower-case letters, digits"
                " and single dashes between them."
            )
        return given
    stem = re.sub(r"[^a-z0-9]+", "-", app_dir.name.lower()).strip("-")[:20] or "app"
    return f"{stem}-{hashlib.sha256(str(app_dir).encode()).hexdigest()[:10]}"


def time_zone() -> tzinfo:
    """Zone of timer schedules: UTC as in Azure, unless WEBSITE_TIME_ZONE or TZ names an IANA zone."""
    wanted = os.environ.get("WEBSITE_TIME_ZONE")
    name = wanted or os.environ.get("TZ") or "UTC"
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        if not wanted:  # TZ has other forms too, and a machine may have it for reasons of its own
            log.warning("TZ is %r, which is no zone such as Europe/Berlin: timers run by UTC", name)
            return UTC
        raise ConfigError(f"WEBSITE_TIME_ZONE is {name!r}: not a time zone such as Europe/Berlin.") from error


def resolve_percent(text: str, what: str) -> str:
    """Replace each %NAME% by the app setting NAME. Raises BindingError if one isn't set."""

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if found is None:
            raise BindingError(
                f"'%{match[1]}%' in {what} does not resolve to a value: add app setting {match[1]}."
            )
        return found

    return _PERCENT.sub(value, text)


def is_disabled(function_name: str) -> bool:
    """True if app setting AzureWebJobs.<name>.Disabled (or with __ for the dots) says so."""
    settings = {name.lower(): value for name, value in os.environ.items()}
    for separator in (".", "__"):
        value = settings.get(f"azurewebjobs{separator}{function_name.lower()}{separator}disabled", "")
        if value.lower() in ("true", "1"):
            return True
    return False


def setting_seconds(name: str, default: float) -> float:
    """A positive number of seconds from an app setting. Raises ConfigError if it isn't one."""
    text = os.environ.get(name)
    if text is None:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86_400 * 7:
        raise ConfigError(f"{name} is {text!r}: write a positive number of seconds.")
    return seconds


def _read_json(path: Path, remedy: str) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path} does not exist. {remedy}") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path} must hold a JSON object.")
    return document
