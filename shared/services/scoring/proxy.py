"""Scoring: rows in, one result per row out, from the deployment that the weights drew, and which one it was.

Order of work: find the dataset, read the body, check every row against the live model's schema; only then a network
call is spent.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shared.domain.errors import InvalidInput, NotFound, Upstream
from shared.domain.problems import ModelRefused, Waking
from shared.domain.rows import payloads
from shared.domain.rows.ids import ids_of
from shared.domain.rows.payloads import MIN_DEADLINE_MS
from shared.domain.rows.predictions import Prediction, read_answer
from shared.domain.rows.shapes import answer
from shared.domain.rows.wanted import CONTENT_TYPES, PLAIN, AnswerShape, Wanted, answer_shape, wanted_of
from shared.domain.run.serving import ServingEntry
from shared.services.bulkhead import Bulkhead
from shared.services.scoring.asking import asked, check_given, fitted
from shared.services.scoring.calling import EndpointCalls
from shared.services.scoring.exchange import (
    MAX_ENDPOINT_BODY,
    MAX_NUMBERS,
    ScoreAnswer,
    Scored,
    ScoreLimits,
    ScoreRequest,
    too_large,
    too_many_to_explain,
)
from shared.services.scoring.statuses import check, is_gone

#: Workers where no setting says otherwise (`shared.settings`: PYTHON_THREADPOOL_THREAD_COUNT).
DEFAULT_WORKERS = 100
#: Seconds after which a caller of an endpoint that is being woken shall come again.
WAKING_SECONDS = 30.0
UNNAMED = "Scoring without a dataset's name"


class ServingDirectory(Protocol):
    """What is in service. Answers from memory (`known`: by it alone); never waits for storage when it has an entry."""

    def get(self, dataset: str) -> ServingEntry | None:
        """By dataset name or slug."""

    def known(self, dataset: str) -> bool: ...
    def all(self) -> list[ServingEntry]: ...

    def refresh(self, dataset: str) -> ServingEntry | None:
        """Read it again now: what was known has turned out wrong."""


class Watch(Protocol):
    """Is told of calls and of what became of them. Never blocks, never raises."""

    def answered(
        self, entry: ServingEntry, deployment: str, seconds: float, found: Prediction, rows: int
    ) -> None: ...
    def failed(self, entry: ServingEntry, deployment: str) -> None: ...


class Calls(Protocol):
    """Is told when a dataset was called, and when a call found its endpoint asleep (`wake`). Never raises."""

    def called(self, entry: ServingEntry) -> None: ...
    def wake(self, entry: ServingEntry) -> None: ...


class Absence(Protocol):
    """Tells why a dataset has no model in service."""

    def why(self, name: str) -> NotFound: ...


class Capture(Protocol):
    """Is told of every call that was answered. Never waits, never raises."""

    def scored(
        self,
        entry: ServingEntry,
        run_id: str,
        names: Sequence[str],
        rows: Sequence[Sequence[object]],
        found: Prediction,
    ) -> None: ...


@dataclass
class Scoring:
    """The use case. Thread-safe; one per process."""

    directory: ServingDirectory
    calls: EndpointCalls
    limits: ScoreLimits = field(default_factory=ScoreLimits)
    #: Is told while two versions share the traffic, or one is watched.
    watch: Watch | None = None
    workers: Bulkhead = field(default_factory=lambda: Bulkhead(DEFAULT_WORKERS))
    #: Whether cells of CSV answers that a spreadsheet would run get an apostrophe in front.
    neutralise: bool = True
    #: Whether answers hold probabilities where the request says nothing and the model has them.
    probabilities: bool = False
    #: What counts the rows that were scored, behind the call; None: nothing does.
    capture: Capture | None = None
    #: What knows when each dataset was called last; None: nothing does.
    told: Calls | None = None
    #: Is told of every call; None: nothing is.
    hours: Watch | None = None
    #: What knows why there is no model; None: that there is none is all that is told.
    absence: Absence | None = None

    def score(self, request: ScoreRequest) -> ScoreAnswer:
        """Raises the errors of `shared.domain.problems` and NotFound. The deadline counts from here."""
        shape, wanted = answer_shape(request.shape, request.accept), PLAIN
        seconds = self._seconds(request.deadline_ms)
        if request.proba or request.explain or self.probabilities:
            wanted = wanted_of(request.proba, request.explain, shape, usual=self.probabilities)
            seconds = min(seconds, self.limits.explain_seconds) if wanted.explain else seconds
        deadline, dataset = self.calls.deadline(seconds), request.dataset or ""
        lane, what = f"score {dataset}", f"The dataset {dataset[:80]!r}" if dataset else UNNAMED
        if dataset and not self.directory.known(dataset):
            with self.workers.place(
                "score?", what, dataset=dataset
            ):  # one lane for all names that are made up
                self.entry(dataset)
        self.workers.enter(lane, what, dataset=request.dataset)
        try:
            return self._scored(request, shape, wanted, deadline)
        finally:
            self.workers.leave(lane)

    def _scored(
        self, request: ScoreRequest, shape: AnswerShape, wanted: Wanted, deadline: float
    ) -> ScoreAnswer:
        entry = self.entry(request.dataset)
        if len(request.body) > self.limits.max_body:
            raise too_large(len(request.body), self.limits.max_body)
        payload = payloads.parse(request.body, request.content_type, max_rows=self.limits.max_rows)
        if wanted.explain and len(payload.rows) > self.limits.explain_rows:
            raise too_many_to_explain(len(payload.rows), self.limits.explain_rows)
        checked = payload.check(entry.validator)
        ids = ids_of(payload, entry.schema)
        body = payloads.encode(checked)
        if len(body) > MAX_ENDPOINT_BODY:
            raise too_large(len(request.body), MAX_ENDPOINT_BODY, as_sent=len(body))
        scored = self.predict(entry, body, len(checked.rows), deadline, request.request_id, wanted)
        if self.capture is not None:
            self.capture.scored(entry, scored.run_id, checked.columns, checked.rows, scored.prediction)
        headers = {"x-dropml-model": scored.model, "x-dropml-run": scored.run_id}
        if scored.threshold is not None:
            headers["x-dropml-threshold"] = repr(scored.threshold)
        if checked.total_warnings:
            headers["x-dropml-warnings"] = str(checked.total_warnings)
        made = answer(scored.prediction, shape, checked.warnings, ids, wanted, neutralise=self.neutralise)
        return ScoreAnswer(made, CONTENT_TYPES[shape], headers)

    def entry(self, dataset: str | None) -> ServingEntry:
        """The dataset in service. Raises NotFound, or InvalidInput when it must be named."""
        if dataset is not None:
            entry = self.directory.get(dataset)
            if entry is None:
                raise self._absent(dataset)
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

    def _absent(self, dataset: str) -> NotFound:
        if self.absence is not None:
            return self.absence.why(dataset)
        return NotFound(
            f"No model of the dataset {dataset[:80]!r} is in service.",
            remedy="GET /api/datasets lists the datasets and their state.",
            code="no-live-model",
        )

    def predict(
        self,
        entry: ServingEntry,
        body: bytes,
        rows: int,
        deadline: float,
        request_id: str = "",
        wanted: Wanted = PLAIN,
    ) -> Scored:
        """Score an encoded body; draws a deployment, and once more when the drawn one is gone.

        A failing canary costs its callers time alone: the live deployment answers. Raises Conflict where none can as wanted.
        """
        self._called(entry)
        drawn, made = fitted(entry, entry.draw(), body, entry.schema, wanted)
        try:
            return self._ask(entry, drawn, made, rows, deadline, request_id, wanted)
        except (ModelRefused, Upstream):
            live, made = fitted(entry, entry.live, body, entry.schema, wanted)
            if not entry.shared or drawn == live or self.calls.deadline(0) >= deadline:
                raise
        return self._ask(entry, live, made, rows, deadline, request_id, wanted)

    def _called(self, entry: ServingEntry) -> None:
        """Raises Waking where its endpoint sleeps, and has it woken."""
        if not entry.asleep:
            if self.told is not None:
                self.told.called(entry)
            return
        if self.told is not None:
            self.told.wake(entry)
        raise Waking(
            f"The endpoint of {entry.dataset!r} was put to sleep because nobody called it, and is being woken: it deploys "
            "its model again, which takes some minutes in Azure.",
            retry_after=WAKING_SECONDS,
            remedy="Call again after Retry-After. IDLE_HOURS=0 keeps endpoints awake.",
        )

    def _ask(
        self,
        entry: ServingEntry,
        deployment: str,
        body: bytes,
        rows: int,
        deadline: float,
        request_id: str,
        wanted: Wanted,
    ) -> Scored:
        started = time.perf_counter()
        version = entry.version(deployment)
        # while two versions share the traffic, their probabilities are compared, whoever is told of them
        told = wanted
        if entry.shared and self.watch is not None and rows * len(entry.schema.classes) <= MAX_NUMBERS:
            told = wanted._replace(probabilities=True)
        try:
            sent = asked(body, version, told)
            reply = self.calls.score(entry.target, deployment, sent, deadline=deadline, request_id=request_id)
            if is_gone(reply):
                # promoted, rolled back or removed since the entry was read: the document knows the deployments of now
                made_for = entry.schema_of(deployment)
                entry = self.directory.refresh(entry.slug) or entry
                self._called(entry)
                deployment, body = fitted(entry, entry.draw(), body, made_for, wanted)
                version = entry.version(deployment)
                sent = asked(body, version, told)
                reply = self.calls.score(
                    entry.target, deployment, sent, deadline=deadline, request_id=request_id
                )
            check(reply, entry.target)
            said = reply.headers.get("azureml-model-deployment") or deployment
            prediction = read_answer(reply.body, rows)
        except (ModelRefused, Upstream):
            for each in self._watching(entry):
                each.failed(entry, deployment)
            raise
        took = time.perf_counter() - started
        for each in self._watching(entry):
            each.answered(entry, said, took, prediction, rows)
        if said != deployment:
            version = entry.version(said)
        if wanted is not PLAIN:
            check_given(prediction, wanted, version.model)
        threshold = prediction.threshold
        if threshold is None and version.mode == "script":
            threshold = version.threshold  # it was asked with this one
        return Scored(prediction, said, version.model, version.run_id, threshold)

    def _watching(self, entry: ServingEntry) -> Iterator[Watch]:
        if self.hours is not None:
            yield self.hours
        if entry.counted and self.watch is not None:
            yield self.watch

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
