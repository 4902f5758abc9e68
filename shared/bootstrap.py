"""Builds each adapter and service once, at its first use. Nothing is built at import."""

from __future__ import annotations

import json
import logging
import os
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from shared.settings import settings

if TYPE_CHECKING:
    from shared.adapters.arm import Arm
    from shared.adapters.azureml import AzureMLAdapter
    from shared.adapters.blobs import DataStore, JsonStore, LedgerStore
    from shared.adapters.pipelines import PipelinesAdapter
    from shared.services.intake.intake import Intake
    from shared.services.run.lifecycle import Context
    from shared.services.run.runs import Runs
    from shared.services.scoring.calling import EndpointCalls


def log(message: str, /, **fields: Any) -> None:
    """One line, machine-readable, correlated by run."""
    logging.getLogger("dropml").info("%s %s", message, json.dumps(fields, default=str))


def observe(message: str, /, **fields: Any) -> None:
    """A log line and, where Application Insights is set up, an event of the same name; never blocks."""
    from shared import bootstrap_scoring

    log(message, **fields)
    properties = {name: str(value) for name, value in fields.items()}
    bootstrap_scoring.telemetry().track_event(message, properties, operation=str(fields.get("run_id", "")))


@lru_cache(maxsize=1)
def credential() -> Any:
    from shared.adapters import identity

    return identity.credential(settings().credential)


@lru_cache(maxsize=1)
def blob_service() -> Any:
    from shared.adapters.blobs import blob_service_client

    return blob_service_client(os.environ, credential)


@lru_cache(maxsize=1)
def documents() -> JsonStore:
    from shared.adapters.blobs import JsonStore

    return JsonStore(blob_service().get_container_client(settings().state_container))


@lru_cache(maxsize=1)
def ledger() -> LedgerStore:
    from shared.adapters.blobs import LedgerStore

    return LedgerStore(blob_service().get_container_client(settings().state_container))


@lru_cache(maxsize=1)
def data() -> DataStore:
    from shared.adapters.blobs import DataStore

    return DataStore(blob_service())


@lru_cache(maxsize=1)
def runs() -> Runs:
    from shared.services.run.runs import Runs

    return Runs(documents(), ledger(), time.time)


@lru_cache(maxsize=1)
def arm() -> Arm:
    from shared.adapters.arm import Arm

    return Arm(settings().arm_endpoint, credential())


@lru_cache(maxsize=1)
def azureml() -> AzureMLAdapter:
    from shared.adapters.azureml import AzureMLAdapter

    return AzureMLAdapter(settings(), credential(), arm())


@lru_cache(maxsize=1)
def pipelines() -> PipelinesAdapter:
    from shared.adapters.pipelines import PipelinesAdapter

    return PipelinesAdapter(settings(), azureml(), arm())


@lru_cache(maxsize=1)
def endpoint_calls() -> EndpointCalls:
    from shared.adapters.endpoint import EndpointHttp
    from shared.adapters.endpoint_keys import EndpointKeys
    from shared.services.scoring.calling import EndpointCalls
    from shared.services.scoring.keys import KeyRing

    return EndpointCalls(EndpointHttp(), KeyRing(EndpointKeys(arm(), settings().workspace_id, credential())))


@lru_cache(maxsize=1)
def context() -> Context:
    from shared.adapters.snapshots import Snapshots
    from shared.services.run.lifecycle import Context
    from shared.services.scoring.endpoint_scorer import EndpointScorer

    return Context(
        settings=settings(),
        runs=runs(),
        azureml=azureml(),
        scorer=EndpointScorer(endpoint_calls()),
        data=Snapshots(data(), settings()),
        clock=time.time,
        log=observe,
    )


@lru_cache(maxsize=1)
def intake() -> Intake:
    from shared.domain.config import from_settings
    from shared.services.intake.intake import Intake

    return Intake(context(), data(), from_settings(settings()))
