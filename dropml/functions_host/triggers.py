"""Turn indexed functions into triggers: settings resolved, schedules parsed, routes compiled."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from dropml.common.ncrontab import NCronTab, ScheduleError
from dropml.functions_host.blob_paths import BlobPathPattern
from dropml.functions_host.blob_scan import BlobTrigger
from dropml.functions_host.config import HostConfig, resolve_percent
from dropml.functions_host.connections import StorageAccount, resolve
from dropml.functions_host.errors import BindingError
from dropml.functions_host.indexing import BLOB, HTTP, FunctionDefinition
from dropml.functions_host.routes import Route, compile_route
from dropml.functions_host.timers import Schedule, TimerTrigger

RESERVED = ("admin", "runtime")


@dataclass
class Triggers:
    """Everything that can start a function; `errors` names the functions that nothing can."""

    routes: list[Route] = field(default_factory=list)
    timers: list[TimerTrigger] = field(default_factory=list)
    blobs: list[BlobTrigger] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)


def build(functions: Sequence[FunctionDefinition], config: HostConfig, zone: tzinfo) -> Triggers:
    """Build the triggers of all functions; one function's error leaves the others running, as in Azure."""
    triggers = Triggers()
    accounts: dict[str, StorageAccount] = {}
    for function in functions:
        try:
            if function.trigger_type == HTTP:
                triggers.routes.append(_route(function, config))
            elif function.trigger_type == BLOB:
                triggers.blobs.append(_blob(function, accounts))
            else:
                triggers.timers.append(_timer(function, zone))
        except (BindingError, ScheduleError) as error:
            triggers.errors[function.name] = str(error)
    return triggers


def _route(function: FunctionDefinition, config: HostConfig) -> Route:
    template = resolve_percent(str(function.trigger.get("route") or function.name), "route")
    route = compile_route(config.route_prefix, template, function, function.trigger.get("methods") or ())
    if route.template.split("/")[0].lower() in RESERVED:
        raise BindingError(f"route {route.template!r} is reserved for the host.")
    return route


def _timer(function: FunctionDefinition, zone: tzinfo) -> TimerTrigger:
    schedule = Schedule(NCronTab.parse(resolve_percent(str(function.trigger["schedule"]), "schedule")), zone)
    monitored = bool(function.trigger.get("useMonitor", True)) and not schedule.is_sub_minute(
        datetime.now(UTC)
    )
    return TimerTrigger(function, schedule, monitored, bool(function.trigger.get("runOnStartup", False)))


def _blob(function: FunctionDefinition, accounts: dict[str, StorageAccount]) -> BlobTrigger:
    pattern = BlobPathPattern.parse(resolve_percent(str(function.trigger["path"]), "path"))
    connection = resolve_percent(str(function.trigger.get("connection") or ""), "connection")
    if connection not in accounts:
        accounts[connection] = resolve(connection, os.environ)
    source = str(function.trigger.get("source") or "LogsAndContainerScan").lower()
    return BlobTrigger(function, pattern, accounts[connection], event_grid=source == "eventgrid")
