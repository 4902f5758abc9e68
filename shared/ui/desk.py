"""What the views show from, and act through; each part is built at its first use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from shared.domain.gate import Verdict
from shared.domain.run.serving import ServingEntry
from shared.domain.table.profile.parts import Profile
from shared.services.doctor.report import ReportView
from shared.services.documents import Page as EntryPage
from shared.services.notify.showing import NotificationList
from shared.services.quarantine.deciding import Quarantine
from shared.services.run.context import Context
from shared.services.run.index import Page as IndexPage
from shared.services.run.pipeline_runs import PipelineRuns
from shared.services.run.profiles import Profiles
from shared.services.run.store import RunStore
from shared.services.run.summary import RunSummary
from shared.services.run.views import DatasetView
from shared.ui.memo import Memo
from shared.ui.session import Session


class Scores(Protocol):
    """Rows to the live model, as the scoring door takes them."""

    def __call__(self, dataset: str, body: bytes) -> bytes: ...


@dataclass(frozen=True)
class Place:
    """Where the app is reached and files go, for the commands that pages show."""

    #: The API's address as the caller has reached it: `http://127.0.0.1:7071/api`.
    api: str = ""
    incoming: str = "incoming"
    #: Between two looks at something that moves (seconds).
    look_seconds: float = 5.0


@dataclass(frozen=True)
class SentItem:
    """An item of telemetry that was taken. `operation` is the id of the request or the run that it belongs to."""

    at: float
    kind: str
    name: str
    operation: str


@dataclass(frozen=True)
class Sending:
    """Of the telemetry of this process: counts of items, and those that were taken last, the newest first."""

    connected: bool = False
    sent: int = 0
    dropped: int = 0
    last: tuple[SentItem, ...] = ()


@dataclass(frozen=True)
class Champion:
    """Of a run in service: what was settled before it went live."""

    model: str | None
    algorithm: str | None
    endpoint: str | None
    numbers: Verdict | None


@dataclass(frozen=True)
class Settled:
    """What one process keeps of runs and datasets between two looks."""

    datasets: Memo[DatasetView] = field(default_factory=lambda: Memo(500))
    champions: Memo[Champion] = field(default_factory=lambda: Memo(500))
    profiles: Memo[Profile] = field(default_factory=lambda: Memo(20))
    #: What timers write about a dataset every few minutes: read once in some seconds, however often a page is looked at.
    told: Memo[object] = field(default_factory=lambda: Memo(500, seconds=5.0))
    #: Listings cost several times what a document does: of a dataset's runs, kept under what changes with any run;
    runs: Memo[IndexPage[RunSummary]] = field(default_factory=lambda: Memo(200, seconds=60.0))
    #: of datasets, and of what waits to be told. They are as of these seconds ago, and new behind an act done on the pages.
    entries: Memo[EntryPage] = field(default_factory=lambda: Memo(50, seconds=2.0))
    notices: Memo[NotificationList] = field(default_factory=lambda: Memo(10, seconds=2.0))
    #: What a training left: it is written once.
    artifacts: Memo[object] = field(default_factory=lambda: Memo(100))

    def moved(self) -> None:
        """Somebody has done something: what was listed before is old."""
        self.entries.forget()
        self.notices.forget()


@dataclass(frozen=True)
class Desk:
    context: Callable[[], Context]
    quarantine: Callable[[], Quarantine]
    profiles: Callable[[], Profiles]
    pipelines: Callable[[], PipelineRuns]
    #: The dataset that an endpoint serves. Raises NotFound.
    entry: Callable[[str], ServingEntry]
    #: What the app has and lacks; asks Azure and takes seconds.
    doctor: Callable[[], ReportView]
    scores: Scores
    sending: Callable[[], Sending]
    #: When a timer came last (unix seconds), as far as it was written down.
    came: Callable[[str], float | None]
    place: Place = field(default_factory=Place)
    settled: Settled = field(default_factory=Settled)

    @property
    def store(self) -> RunStore:
        return self.context().store

    @property
    def now(self) -> float:
        return self.context().clock()


@dataclass(frozen=True)
class Visit:
    """One request: what the path names after its first word, the query or the form, and who asks."""

    session: Session
    names: tuple[str, ...] = ()
    said: Mapping[str, str] = field(default_factory=dict)
