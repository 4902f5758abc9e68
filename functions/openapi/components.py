"""Component schemas, generated from the frozen dataclasses that the doors answer with."""

from __future__ import annotations

from functools import lru_cache

from functions.openapi.parts import Doc
from shared.domain.batches import BatchView
from shared.domain.charts import Charts
from shared.domain.evidence import Diff
from shared.domain.problems import Problem
from shared.domain.run.documents import RunDetail
from shared.domain.table.profile.parts import Profile
from shared.services.batches.showing import BatchList
from shared.services.doctor.report import ReportView
from shared.services.monitoring.hours import TrafficView
from shared.services.notify.showing import NotificationList, NotificationView
from shared.services.quarantine.deciding import Decided
from shared.services.quarantine.listing import RefusedList, RefusedView
from shared.services.run.acting.asking import Asked, Paused
from shared.services.run.acting.putting_back import InForce
from shared.services.run.artifacts import ExplanationView, GuardrailsView
from shared.services.run.endpoint_costs import EndpointCostList
from shared.services.run.endpoint_views import EndpointLogView, EndpointView
from shared.services.run.performance import PerformanceView
from shared.services.run.pipeline_views import PipelineRunView
from shared.services.run.run_logs import LogView
from shared.services.run.threshold_views import CurveView, LiveThresholdView
from shared.services.run.views import DatasetList, Leaderboard, LedgerView, RunList
from shared.services.run.what_if import WhatIfView
from shared.services.scoring.benchmark import BenchmarkView
from shared.services.scoring.rotation import RotationView
from shared.services.upkeep.showing import DatasetDetailView, DriftView
from shared.ui.session import SessionView, TicketView

#: Every answer that is a document of ours; what they hold comes along. A component is named for its class, without `View`.
VIEWS: tuple[type, ...] = (
    Problem,
    BatchView,
    BatchList,
    RotationView,
    BenchmarkView,
    RunList,
    RunDetail,
    Leaderboard,
    LedgerView,
    DatasetList,
    DatasetDetailView,
    DriftView,
    Profile,
    CurveView,
    LiveThresholdView,
    PerformanceView,
    Diff,
    WhatIfView,
    RefusedList,
    RefusedView,
    Decided,
    NotificationList,
    NotificationView,
    Asked,
    Paused,
    InForce,
    PipelineRunView,
    EndpointCostList,
    SessionView,
    Charts,
    ExplanationView,
    GuardrailsView,
    LogView,
    EndpointView,
    EndpointLogView,
    TrafficView,
    TicketView,
    ReportView,
)
_PREFIX = "#/components/schemas/"


@lru_cache(maxsize=1)
def components() -> Doc:
    """Name -> JSON Schema of each view and of the types inside it."""
    import msgspec  # not at indexing

    _, made = msgspec.json.schema_components(VIEWS, ref_template=_PREFIX + "{name}")
    return {name.removesuffix("View"): _plain(schema) for name, schema in made.items()}


def _plain(schema: Doc) -> Doc:
    """References by the names of the components; no defaults, for an answer leaves nothing to them."""
    doc: Doc = {}
    for key, value in schema.items():
        if key == "$ref":
            doc[key] = str(value).removesuffix("View")
        elif isinstance(value, dict):
            doc[key] = _plain(value)
        elif isinstance(value, list):
            doc[key] = [_plain(item) if isinstance(item, dict) else item for item in value]
        elif key not in ("default", "title"):
            doc[key] = value
    return doc
