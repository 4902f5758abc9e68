"""The scoring side of `shared.bootstrap`: built at first use, and free of everything heavy."""

from __future__ import annotations

import logging
import os
import socket
import time
from functools import lru_cache
from typing import TYPE_CHECKING

from shared import bootstrap
from shared.settings import settings

if TYPE_CHECKING:
    from shared.adapters.serving_directory import StoredServing
    from shared.adapters.telemetry import NoTelemetry
    from shared.services.batches.batch import Batches
    from shared.services.monitoring.tallies import CanaryWatch
    from shared.services.scoring.endpoints import Endpoints
    from shared.services.scoring.scoring import Scoring


@lru_cache(maxsize=1)
def serving() -> StoredServing:
    from shared.adapters.serving_directory import StoredServing

    return StoredServing(bootstrap.documents())


@lru_cache(maxsize=1)
def scoring() -> Scoring:
    from shared.services.scoring.scoring import Limits, Scoring

    limits = Limits(settings().score_timeout_seconds, settings().score_max_rows)
    return Scoring(serving(), bootstrap.endpoint_calls(), limits, canary_watch())


@lru_cache(maxsize=1)
def canary_watch() -> CanaryWatch:
    from shared.services.monitoring.tallies import CanaryWatch

    return CanaryWatch(bootstrap.documents(), f"{socket.gethostname()}-{os.getpid()}")


@lru_cache(maxsize=1)
def endpoints() -> Endpoints:
    from shared.services.scoring.endpoints import Endpoints

    return Endpoints(serving(), bootstrap.endpoint_calls())


@lru_cache(maxsize=1)
def batches() -> Batches:
    from shared.adapters.batch_files import BlobBatchFiles
    from shared.services.batches.batch import Batches

    files = BlobBatchFiles(bootstrap.blob_service())
    container = settings().batch_container
    return Batches(scoring(), bootstrap.documents(), files, container, time.time, batch_sources())


def batch_sources() -> frozenset[str]:
    """Containers that a batch may be read from."""
    return frozenset({settings().batch_container, settings().incoming_container})


@lru_cache(maxsize=1)
def telemetry() -> NoTelemetry:
    """A connection string that can't be read is logged, and costs the telemetry alone."""
    from shared.adapters.telemetry import NoTelemetry, Telemetry
    from shared.domain.errors import InvalidConfig

    text = settings().applicationinsights_connection_string
    try:
        return Telemetry(text) if text else NoTelemetry()
    except InvalidConfig as error:
        logging.error("no telemetry: %s %s", error.message, error.remedy)
        return NoTelemetry()
