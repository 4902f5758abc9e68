"""Builds each adapter and service once, at its first use and under a lock. Nothing is built at import."""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from typing import TYPE_CHECKING, Any, TypeVar

from shared.correlation import OPERATION
from shared.once import Once
from shared.settings import settings

if TYPE_CHECKING:
    from shared.adapters.arm import Arm
    from shared.adapters.azureml import AzureMLAdapter
    from shared.adapters.data_files import DataStore
    from shared.adapters.documents import JsonStore
    from shared.adapters.ledger import LedgerStore
    from shared.adapters.serving_directory import StoredServing
    from shared.adapters.telemetry import NoTelemetry
    from shared.domain.table.packed import Engine
    from shared.services.batches.taking import Batches
    from shared.services.bulkhead import Bulkhead
    from shared.services.monitoring.tallies import CanaryWatch
    from shared.services.rate_limit import RateLimit
    from shared.services.run.context import Context
    from shared.services.run.housekeeping import Housekeeping
    from shared.services.run.pipeline_runs import PipelineRuns
    from shared.services.run.profiles import Profiles
    from shared.services.run.store import RunStore
    from shared.services.scoring.calling import EndpointCalls
    from shared.services.scoring.endpoints import Endpoints
    from shared.services.scoring.proxy import Scoring
    from shared.services.scoring.rotation import Rotations

T = TypeVar("T")
#: Calls that the host passes on at a time: host.json, extensions.http.maxConcurrentRequests.
HTTP_CALLS = 100


def log(message: str, /, **fields: Any) -> None:
    """One line, machine-readable, correlated by run."""
    logging.getLogger("dropml").info("%s %s", message, json.dumps(fields, default=str))


def observe(message: str, /, **fields: Any) -> None:
    """A log line and, where Application Insights is set up, an event of the same name; never blocks."""
    log(message, **fields)
    properties = {name: str(value) for name, value in fields.items()}
    telemetry().track_event(message, properties, operation=str(fields.get("run_id") or OPERATION.get()))


@Once
def credential() -> Any:
    from shared.adapters import identity

    return identity.credential(settings().credential)


@Once
def blob_service() -> Any:
    from shared.adapters.storage import blob_service_client

    return blob_service_client(os.environ, credential)


@Once
def state_container() -> Any:
    from shared.adapters.storage import DOCUMENTS, blob_service_client

    account = blob_service_client(os.environ, credential, patience=DOCUMENTS)
    return account.get_container_client(settings().state_container)


@Once
def documents() -> JsonStore:
    from shared.adapters.documents import JsonStore

    return JsonStore(state_container())


@Once
def ledger() -> LedgerStore:
    from shared.adapters.ledger import LedgerStore

    return LedgerStore(state_container())


@Once
def data() -> DataStore:
    from shared.adapters.data_files import DataStore

    return DataStore(blob_service())


@Once
def store() -> RunStore:
    from shared.notify_plan import outbox
    from shared.services.run.store import RunStore
    from shared.signals_plan import of_runs

    told = outbox(settings(), documents())
    return RunStore(documents(), ledger(), time.time, told, of_runs(telemetry, log))


@Once
def profiles() -> Profiles:
    from shared.services.run.profiles import Profiles

    return Profiles(store(), data(), settings().data_container)


@Once
def arm() -> Arm:
    from shared.adapters.arm import Arm

    return Arm(settings().arm_endpoint, credential())


@Once
def azureml() -> AzureMLAdapter:
    from shared.adapters.azureml import AzureMLAdapter

    return AzureMLAdapter(settings(), credential(), arm())


@Once
def pipeline_runs() -> PipelineRuns:
    from shared.adapters.pipelines import PipelinesAdapter
    from shared.run_plan import pipeline_bounds
    from shared.services.run.pipeline_runs import PipelineRuns

    adapter = PipelinesAdapter(settings(), azureml(), arm())
    return PipelineRuns(context(), adapter, pipeline_bounds(settings()))


@Once
def upgraded() -> bool:
    """True once what an earlier release's state lacks has been made; asked of storage once a process."""
    from shared.services.run.upgrade import upgrade

    upgrade(context(), pipeline_runs())
    return True


@Once
def housekeeping() -> Housekeeping:
    from shared.services.run.housekeeping import Housekeeping, Keep

    now = settings()
    keep = Keep(now.keep_days, now.data_container, now.batch_container, now.capture_days)
    return Housekeeping(context(), data(), keep)


@Once
def endpoint_calls() -> EndpointCalls:
    from shared.adapters.endpoint import EndpointHttp
    from shared.adapters.endpoint_keys import EndpointKeys
    from shared.services.scoring.breaker import BreakerLimits
    from shared.services.scoring.calling import EndpointCalls
    from shared.services.scoring.keys import KeyRing

    now = settings()
    keys = KeyRing(EndpointKeys(arm(), now.workspace_id, credential()))
    patience = min(5.0, now.score_timeout_seconds / 2)
    breaker = BreakerLimits(now.breaker_failures, now.breaker_seconds, patience)
    return EndpointCalls(EndpointHttp(), keys, breaker=breaker)


@Once
def workers() -> Bulkhead:
    """What HTTP calls may hold; a tenth of the threads is left to timers and triggers."""
    from shared.services.bulkhead import Bulkhead

    now = settings()
    return Bulkhead(max(1, min(HTTP_CALLS, int(now.worker_threads / 1.1))), now.worker_share)


@Once
def rate_limit() -> RateLimit:
    from shared.services.rate_limit import RateLimit

    return RateLimit(settings().rate_limit)


@Once
def context() -> Context:
    from shared import run_plan
    from shared.adapters.preflight import Place, Preflight
    from shared.adapters.snapshots import Snapshots
    from shared.services.run.pulse import Pulse
    from shared.services.scoring.endpoint_scorer import EndpointScorer
    from shared.signals_plan import measuring

    now = settings()
    scorer, pulse = EndpointScorer(endpoint_calls()), Pulse(store(), time.time, observe)
    snapshots = Snapshots(data(), now)
    place = Place(now.workspace_id, now.azure_subscription_id, now.azureml_compute)
    look = Preflight(arm(), place, now.preflight_seconds, log).look
    means = (snapshots, pulse, observe, look, azureml().files, measuring(telemetry))
    return run_plan.context(now, store(), azureml(), scorer, *means)


@Once
def row_engine() -> Engine | None:
    """What reads clean rows fast; without numpy there is none, and all rows are read the exact way."""
    try:
        from shared.adapters.packed_rows import RowEngine
    except ImportError:
        return None
    return RowEngine()


@Once
def serving() -> StoredServing:
    from shared.adapters.serving_directory import StoredServing

    return StoredServing(documents())


@Once
def scoring() -> Scoring:
    from shared import upkeep_plan
    from shared.services.monitoring.hours import Hours
    from shared.services.monitoring.last_calls import LastCalls
    from shared.services.scoring.absent import Absent
    from shared.services.scoring.exchange import ScoreLimits
    from shared.services.scoring.proxy import Scoring

    now = settings()
    limits = ScoreLimits(
        now.score_timeout_seconds, now.score_max_rows, explain_seconds=now.explain_timeout_seconds
    )
    captured = upkeep_plan.capture(now, documents(), ledger(), store(), profiles(), process())
    means = (workers(), neutralises(), now.score_probabilities == "on", captured, LastCalls(documents(), log))
    hours = Hours(documents(), process())
    return Scoring(serving(), endpoint_calls(), limits, canary_watch(), *means, hours, Absent(store()))


def process() -> str:
    """Tells this process from the others that run now."""
    return f"{socket.gethostname()}-{os.getpid()}"


@Once
def canary_watch() -> CanaryWatch:
    from shared.services.monitoring.tallies import CanaryWatch

    return CanaryWatch(documents(), process())


@Once
def endpoints() -> Endpoints:
    from shared.services.scoring.endpoints import Endpoints

    return Endpoints(serving(), endpoint_calls())


@Once
def rotations() -> Rotations:
    from shared.services.scoring.rotation import Rotations

    return Rotations(endpoints(), documents(), time.time)


@Once
def batches() -> Batches:
    from shared.adapters.batch_files import BlobBatchFiles
    from shared.services.batches.taking import Batches

    files, container = BlobBatchFiles(blob_service()), settings().batch_container
    return Batches(
        scoring(), documents(), files, container, time.time, batch_sources(), neutralise=neutralises()
    )


def neutralises() -> bool:
    """Whether CSV that goes out is safe to open in a spreadsheet."""
    return settings().batch_formulas == "neutralise"


def batch_sources() -> frozenset[str]:
    """Containers that a batch may be read from."""
    return frozenset({settings().batch_container, settings().incoming_container})


@Once
def telemetry() -> NoTelemetry:
    from shared.adapters.telemetry_of import telemetry_of

    return telemetry_of(
        lambda: settings().applicationinsights_connection_string,
        lambda: settings().applicationinsights_authentication_string,
        credential,
    )
