"""Builds the doctor out of what `shared.bootstrap` has, and the timers' ticks that it looks at. Nothing at import."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shared import bootstrap
from shared.once import Once
from shared.settings import Settings, settings

if TYPE_CHECKING:
    from shared.adapters.telemetry import Telemetry
    from shared.services.doctor.report import Check, ReportView
    from shared.services.ticks import Ticks


@Once
def ticks() -> Ticks:
    from shared.services.ticks import Ticks

    return Ticks(bootstrap.store(), bootstrap.log)


def came(timer: str) -> None:
    """Write down that a timer came; whatever keeps it from that, the timer's work goes on."""
    from shared.services.guard import guarded

    guarded(bootstrap.log, "a timer's tick is not written down", lambda: ticks().came(timer))


def sender() -> Telemetry | None:
    """What sends telemetry; None where none is sent."""
    from shared.adapters.telemetry import Telemetry

    found = bootstrap.telemetry()
    return found if isinstance(found, Telemetry) else None


def examine(version: str, *, quota: bool = False) -> ReportView:
    """Every check at once. What is wrong with the settings is raised: without them nothing else can be asked."""
    from shared.services.doctor import report

    now = settings()
    return report.examine(_of_the_app(now, version) | _of_storage(now) | _of_azure(now, quota))


def _of_the_app(now: Settings, version: str) -> dict[str, Check]:
    from shared.adapters.checkup import Identity
    from shared.services.doctor import app

    named = {
        "AZURE_SUBSCRIPTION_ID": now.azure_subscription_id,
        "AZURE_RESOURCE_GROUP": now.azure_resource_group,
        "AZUREML_WORKSPACE": now.azureml_workspace,
    }
    schedules = {name: os.environ.get(f"{name.upper()}_SCHEDULE", "") for name in ("lifecycle", "sweep")}
    return {
        "settings": app.settings(named, version),
        "identity": app.identity(lambda: Identity(bootstrap.credential())),
        "telemetry": app.telemetry(bool(now.applicationinsights_connection_string), sender()),
        "timer advance": app.timer("advance", schedules["lifecycle"], ticks()),
        "timer sweep": app.timer("sweep", schedules["sweep"], ticks()),
    }


def _of_storage(now: Settings) -> dict[str, Check]:
    from shared.adapters.checkup import BlobAccount, QueueAccount
    from shared.services.doctor import storage

    account = BlobAccount(os.environ, bootstrap.credential)
    queues = QueueAccount(os.environ, bootstrap.credential)
    ours = (now.data_container, now.quarantine_container, now.state_container, now.batch_container)
    checks = {f"container {name}": storage.container(account, name, writes=True) for name in ours}
    incoming = now.incoming_container
    return {
        f"container {incoming}": storage.container(account, incoming, writes=False),
        **checks,
        "queues": storage.queues(account.name, queues),
        "failed files": storage.poison(account.name, queues),
    }


def _of_azure(now: Settings, quota: bool) -> dict[str, Check]:
    from shared.adapters.checkup import BlobAccount
    from shared.services.doctor.azure import AzureChecks, Place

    place = Place(
        now.workspace_id,
        now.azure_subscription_id,
        now.azure_resource_group,
        now.azureml_workspace,
        now.datastore,
        now.data_container,
        now.azureml_compute,
        now.blob_source == "EventGrid",
        BlobAccount(os.environ, bootstrap.credential).name,
        now.event_topic,
        now.instance_type,
    )
    return AzureChecks(place, bootstrap.arm()).checks(quota=quota)
