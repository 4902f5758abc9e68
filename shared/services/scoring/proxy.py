"""Scoring: rows in, one result per row out, from the deployment that the weights drew, and which one it was.

Order of work: find the dataset, read the body, check every row against the live model's schema; only then a network
call is spent.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from shared.domain.errors import InvalidInput, NotFound, Upstream
from shared.domain.problems import ModelRefused, TooLarge
from shared.domain.rows import payloads
from shared.domain.rows.ids import ids_of
from shared.domain.rows.payloads import MIN_DEADLINE_MS, AnswerShape
from shared.domain.rows.predictions import Prediction, read_answer
from shared.domain.rows.refit import body_for
from shared.domain.run.serving import ServingEntry
from shared.domain.schema import Schema
from shared.services.bulkhead import Bulkhead
from shared.services.scoring.calling import EndpointCalls
from shared.services.scoring.statuses import check, is_gone

#: Body limits in bytes: ours, and a managed online endpoint's (https://learn.microsoft.com/azure/machine-learning/
#: how-to-manage-quotas#azure-machine-learning-online-endpoints-and-batch-endpoints: 1.5 MB).
MAX_BODY, MAX_ENDPOINT_BODY = 4 * 1024 * 1024, 1_572_864
#: Workers where no setting says otherwise (`shared.settings`: PYTHON_THREADPOOL_THREAD_COUNT).
DEFAULT_WORKERS = 100
UNNAMED = "Scoring without a dataset's name"
CONTENT_TYPES: dict[AnswerShape, str] = {
    "result": "application/json",
    "list": "application/json",
    "csv": "text/csv",
}


class ServingDirectory(Protocol):
    """What is in service. Answers from memory; never waits for storage when it has an entry."""

    def get(self, dataset: str) -> ServingEntry | None:
        """By dataset name or slug."""

    def all(self) -> list[ServingEntry]: ...

    def refresh(self, dataset: str) -> ServingEntry | None:
        """Read it again now: what was known has turned out wrong."""


class Watch(Protocol):
    """Is told of every call while two versions share the traffic. Never blocks, never raises."""

    def answered(
        self, entry: ServingEntry, deployment: str, seconds: float, result: list[Any], rows: int
    ) -> None: ...
    def failed(self, entry: ServingEntry, deployment: str) -> None: ...


@dataclass(frozen=True)
class ScoreLimits:
    timeout_seconds: float = 30.0
    max_rows: int = 5000
    max_body: int = MAX_BODY


class ScoreRequest(NamedTuple):
    """One request, as the HTTP layer read it. `dataset` None means: the only one."""

    dataset: str | None
    body: bytes
    content_type: str = ""
    accept: str = ""
    shape: str = ""
    deadline_ms: str = ""
    request_id: str = ""


class ScoreAnswer(NamedTuple):
    """What goes back to the caller."""

    body: bytes
    content_type: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Scored:
    """A prediction and the deployment that gave it."""

    prediction: Prediction
    deployment: str
    model: str
    run_id: str


@dataclass
class Scoring:
    """The use case. Thread-safe; one per process."""

    directory: ServingDirectory
    calls: EndpointCalls
    limits: ScoreLimits = field(default_factory=ScoreLimits)
    watch: Watch | None = None
    workers: Bulkhead = field(default_factory=lambda: Bulkhead(DEFAULT_WORKERS))
    #: Whether cells of CSV answers that a spreadsheet would run get an apostrophe in front.
    neutralise: bool = True

    def score(self, request: ScoreRequest) -> ScoreAnswer:
        """Raises the errors of `shared.domain.problems` and NotFound. The deadline counts from here."""
        deadline = self.calls.deadline(self._seconds(request.deadline_ms))
        dataset = request.dataset or ""
        lane, what = f"score {dataset}", f"The dataset {dataset[:80]!r}" if dataset else UNNAMED
        self.workers.enter(lane, what, dataset=request.dataset)
        try:
            return self._scored(request, deadline)
        finally:
            self.workers.leave(lane)

    def _scored(self, request: ScoreRequest, deadline: float) -> ScoreAnswer:
        entry = self.entry(request.dataset)
        shape = answer_shape(request.shape, request.accept)
        if len(request.body) > self.limits.max_body:
            raise too_large(len(request.body), self.limits.max_body)
        payload = payloads.parse(request.body, request.content_type, max_rows=self.limits.max_rows)
        checked = payload.check(entry.validator)
        ids = ids_of(payload, entry.schema)
        body = payloads.encode(checked)
        if len(body) > MAX_ENDPOINT_BODY:
            raise too_large(len(request.body), MAX_ENDPOINT_BODY, as_sent=len(body))
        scored = self.predict(entry, body, len(checked.rows), deadline, request.request_id)
        headers = {"x-dropml-model": scored.model, "x-dropml-run": scored.run_id}
        if checked.total_warnings:
            headers["x-dropml-warnings"] = str(checked.total_warnings)
        answer = payloads.answer(scored.prediction, shape, checked.warnings, ids, neutralise=self.neutralise)
        return ScoreAnswer(answer, CONTENT_TYPES[shape], headers)

    def entry(self, dataset: str | None) -> ServingEntry:
        """The dataset in service. Raises NotFound, or InvalidInput when it must be named."""
        if dataset is not None:
            entry = self.directory.get(dataset)
            if entry is None:
                raise NotFound(
                    f"No model of the dataset {dataset[:80]!r} is in service.",
                    remedy="GET /api/datasets lists the datasets and their state.",
                    code="no-live-model",
                )
            return entry
        entries = self.directory.all()
        if len(entries) == 1:
            return entries[0]
        if not entries:
            raise NotFound(
                "No model is in service yet.",
                remedy="Drop a CSV into the incoming container and wait until its run is live.",
                code="no-live-model",
            )
        names = ", ".join(sorted(entry.slug for entry in entries)[:10])
        raise InvalidInput(
            f"{len(entries)} datasets are in service; say which: {names}.",
            remedy="POST /api/score/{dataset}.",
            code="dataset-required",
        )

    def predict(
        self, entry: ServingEntry, body: bytes, rows: int, deadline: float, request_id: str = ""
    ) -> Scored:
        """Score an encoded body; draws a deployment, and once more when the drawn one is gone.

        A canary that fails costs its callers nothing but time: the live deployment answers in its place.
        """
        drawn, made = _fitted(entry, entry.draw(), body, entry.schema)
        try:
            return self._ask(entry, drawn, made, rows, deadline, request_id)
        except (ModelRefused, Upstream):
            live, made = _fitted(entry, entry.live, body, entry.schema)
            if not entry.shared or drawn == live or self.calls.deadline(0) >= deadline:
                raise
        return self._ask(entry, live, made, rows, deadline, request_id)

    def _ask(
        self, entry: ServingEntry, deployment: str, body: bytes, rows: int, deadline: float, request_id: str
    ) -> Scored:
        started = time.perf_counter()
        try:
            answer = self.calls.score(
                entry.target, deployment, body, deadline=deadline, request_id=request_id
            )
            if is_gone(answer):
                # promoted, rolled back or removed since the entry was read: the document knows the deployments of now
                made_for = entry.schema_of(deployment)
                entry = self.directory.refresh(entry.slug) or entry
                deployment, body = _fitted(entry, entry.draw(), body, made_for)
                answer = self.calls.score(
                    entry.target, deployment, body, deadline=deadline, request_id=request_id
                )
            check(answer, entry.target)
            said = answer.headers.get("azureml-model-deployment") or deployment
            prediction = read_answer(answer.body, rows)
        except (ModelRefused, Upstream):
            if entry.shared and self.watch is not None:
                self.watch.failed(entry, deployment)
            raise
        if entry.shared and self.watch is not None:
            self.watch.answered(entry, said, time.perf_counter() - started, prediction.result, rows)
        version = entry.version(said)
        return Scored(prediction, said, version.model, version.run_id)

    def _seconds(self, deadline_ms: str) -> float:
        if not deadline_ms:
            return self.limits.timeout_seconds
        digits = deadline_ms.lstrip("0") if deadline_ms.isascii() and deadline_ms.isdigit() else ""
        asked = int(digits[:9] or 0)  # nine digits are days already
        if asked < MIN_DEADLINE_MS:
            raise InvalidInput(
                f"The header x-dropml-deadline-ms must be a whole number of at least {MIN_DEADLINE_MS}.",
                remedy=f"Leave it out to allow {self.limits.timeout_seconds:g} s.",
                code="invalid-deadline",
                field="x-dropml-deadline-ms",
            )
        return min(self.limits.timeout_seconds, asked / 1000)


def _fitted(entry: ServingEntry, deployment: str, body: bytes, made_for: Schema) -> tuple[str, bytes]:
    """Whom to ask, and the body in the types of that version's own schema: one that can't take a row is not asked."""
    made = body_for(body, made_for, entry.schema_of(deployment))
    if made is not None:
        return deployment, made
    return entry.newest, body_for(body, made_for, entry.schema) or body


def answer_shape(shape: str, accept: str) -> AnswerShape:
    """`?shape=` wins; else CSV for whoever accepts text/csv, else `result`. Raises InvalidInput."""
    if shape:
        if shape not in CONTENT_TYPES:
            raise InvalidInput(
                f"There is no answer shape {shape[:40]!r}.",
                remedy="Use shape=result, shape=list or shape=csv.",
                code="unknown-shape",
                field="shape",
            )
        return shape
    return "csv" if accept.partition(",")[0].partition(";")[0].strip().lower() == "text/csv" else "result"


def too_large(size: int, limit: int, as_sent: int = 0) -> TooLarge:
    """`size` is the caller's; `as_sent` what it comes to on the way to the endpoint, which is what is limited there."""
    grown = f", and {as_sent} as its endpoint is sent it" if as_sent else ""
    return TooLarge(
        f"The request is {size} bytes{grown}; at most {limit} are taken{' there' if as_sent else ''}.",
        remedy="Send fewer rows, or use POST /api/score/{dataset}/batch.",
        code="body-too-large",
    )
