"""In-memory ports for tests of the domain and the services: same contracts, conditional writes included."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from shared.adapters.documents import packed, parsed
from shared.domain.answers import Answers
from shared.domain.errors import Conflict, NotFound, Upstream
from shared.domain.gate import KnownRows
from shared.domain.notify.receivers import Receiver
from shared.domain.run.documents import Run
from shared.domain.run.parts import Source, Trial
from shared.domain.run.quarantine import Report
from shared.domain.run.serving import ServingEntry
from shared.domain.run.signals import Signal, of_run
from shared.domain.schema import Schema, Value
from shared.services.documents import Entry, Page, Told
from shared.services.notify.outbox import Outbox
from shared.services.run.context import CanaryPlan, Context, Pace
from shared.services.run.guardrails import Guardrails
from shared.services.run.ports import Deployment, DeploymentSpec, Drawn, Endpoint, Job, TrainingJob
from shared.services.run.pulse import Pulse
from shared.services.run.store import RunStore


class Crash(BaseException):
    """The process died here. A BaseException: no handler of the product may survive its own death."""


class CrashPoints:
    """Counts calls of external effects; dies after (or, for even numbers, before) the chosen one, or lets another host act."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.die_at: int | None = None
        #: What another host does meanwhile, once, and at which moment (numbered as `die_at`).
        self.meanwhile: tuple[int, Callable[[], object]] | None = None

    def wrap(self, target: Any, methods: list[str]) -> Any:
        for name in methods:
            setattr(target, name, self._wrapped(getattr(target, name), f"{type(target).__name__}.{name}"))
        return target

    def _others(self, moment: int) -> None:
        if self.meanwhile and self.meanwhile[0] == moment:
            action, self.meanwhile = self.meanwhile[1], None
            action()

    def _wrapped(self, function: Any, label: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            number = 2 * len(self.seen)
            self.seen.append(label)
            if self.die_at == number:
                raise Crash(f"before {label}")
            self._others(number)
            result = function(*args, **kwargs)
            if self.die_at == number + 1:
                raise Crash(f"after {label}")
            self._others(number + 1)
            return result

        return call


class MemoryDocuments:
    """As strict as the account: what is not JSON is refused, and names are listed in order."""

    def __init__(self) -> None:
        self.blobs: dict[str, tuple[str, str]] = {}
        self.marks: dict[str, dict[str, str]] = {}
        #: When each was written, where a test says so.
        self.modified: dict[str, float] = {}
        self._tags = 0
        self._lock = threading.Lock()

    def _put(self, path: str, text: str, told: Told = None) -> str:
        text.encode()  # raises where a real document could not be written
        self._tags += 1
        etag = f'"{self._tags}"'
        self.blobs[path] = (text, etag)
        self.marks.pop(path, None)
        if told:
            self.marks[path] = {name: unquote(value) for name, value in packed(told).items()}
        return etag

    def get(self, path: str) -> tuple[dict[str, Any], str] | None:
        found = self.blobs.get(path)
        return (parsed(found[0].encode(), path), found[1]) if found else None

    def create(self, path: str, doc: Mapping[str, object], told: Told = None) -> str:
        text = json.dumps(doc, allow_nan=False)
        with self._lock:
            if path in self.blobs:
                raise Conflict(f"{path} exists already.", code="blob-exists")
            return self._put(path, text, told)

    def replace(self, path: str, doc: Mapping[str, object], etag: str, told: Told = None) -> str:
        text = json.dumps(doc, allow_nan=False)
        with self._lock:
            if path not in self.blobs or self.blobs[path][1].strip('"') != etag.strip('"'):
                raise Conflict(f"{path} was changed by somebody else.", code="blob-changed")
            return self._put(path, text, told)

    def put(self, path: str, doc: Mapping[str, object]) -> None:
        text = json.dumps(doc, allow_nan=False)
        with self._lock:
            self._put(path, text)

    def delete(self, path: str, etag: str | None = None) -> None:
        if etag is not None and (path not in self.blobs or self.blobs[path][1] != etag):
            raise Conflict(f"{path} has changed", code="blob-changed")
        self.blobs.pop(path, None)
        self.marks.pop(path, None)

    def list(self, prefix: str) -> Iterator[str]:
        return iter(sorted(p for p in self.blobs if p.startswith(prefix)))

    def page(self, prefix: str, limit: int, after: str = "") -> Page:
        found = [path for path in self.list(prefix) if path > after]
        entries = [
            Entry(path, self.blobs[path][1], dict(self.marks.get(path, {})), self.modified.get(path, 0.0))
            for path in found[:limit]
        ]
        return entries, entries[-1].path if len(found) > limit else ""

    def mark(self, path: str, metadata: dict[str, str]) -> None:
        with self._lock:
            self._put(path, "", metadata)


class MemoryLedger:
    def __init__(self) -> None:
        self.text: dict[str, str] = {}
        self._lock = threading.Lock()

    def append(self, path: str, first_position: int, lines: list[str]) -> int:
        new = "".join(f"{line}\n" for line in lines).encode()
        with self._lock:
            old = self.text.get(path, "").encode()
            there = old[first_position : first_position + len(new)]
            if len(old) < first_position or not new.startswith(there):
                raise Conflict("the ledger holds other entries", code="ledger-diverged")
            if len(old) < first_position + len(new):
                self.text[path] = (old + new[len(there) :]).decode()
        return first_position + len(new)

    def read(self, path: str) -> list[str]:
        lines = self.text.get(path, "").split("\n")
        return lines if lines[-1] else lines[:-1]


class MemoryAzureML:
    """A workspace whose operations finish after a few reads, as the service's do after minutes."""

    def __init__(self, patience: int = 1) -> None:
        self.data: dict[str, str] = {}
        self.jobs: dict[str, TrainingJob] = {}
        self.job_status: dict[str, str] = {}
        self.models: dict[str, str] = {}
        #: Deployments whose Application Insights are off.
        self.silent: set[tuple[str, str]] = set()
        self.endpoints: dict[str, dict[str, Any]] = {}
        self.codes: set[str] = set()
        self.environments: set[str] = set()
        self.submissions = 0
        self.job_errors: dict[str, str] = {}
        self.job_logs: dict[str, str] = {}
        self.failed_trials: dict[str, Trial] = {}
        self.cancelled: list[str] = []
        self.patience = patience
        self._reads: dict[str, int] = {}
        self.fail_deployments = False
        #: Jobs that failed by a fault of the service, deployments that the service let fail.
        self.system_errors: set[str] = set()
        self.failed_deployments: set[str] = set()
        #: What the service says of a deployment that failed.
        self.deployment_error = ""

    def _ready(self, thing: str) -> bool:
        self._reads[thing] = self._reads.get(thing, 0) + 1
        return self._reads[thing] > self.patience

    def register_data(
        self, name: str, version: str, path: str, properties: dict[str, str], tags: dict[str, str]
    ) -> str:
        asset = f"{name}:{version}"
        if self.data.setdefault(asset, path) != path:
            raise Conflict("points elsewhere")
        return asset

    def job(self, name: str) -> Job | None:
        if name not in self.jobs:
            return None
        status = self.job_status.get(name) or ("Completed" if self._ready(f"job {name}") else "Running")
        best = f"{name}_1" if status == "Completed" else None
        error = self.job_errors.get(name, "out of memory") if status == "Failed" else None
        return Job(name, status, best, error, name in self.system_errors)

    def submit(self, job: TrainingJob) -> None:
        if job.name in self.jobs:
            raise Upstream("a job name can be used only once")
        self.jobs[job.name] = job
        self.submissions += 1

    def cancel(self, name: str) -> None:
        self.cancelled.append(name)
        if self._reads.get(f"job {name}", 0) <= self.patience:  # one that has ended stays as it ended
            self.job_status[name] = "Canceled"

    def job_log(self, name: str) -> str:
        return self.job_logs.get(name, "")

    def trials(self, job: str, *, metrics: bool) -> list[Trial]:
        values: dict[str, float | None] = {"AUC_weighted": 0.95, "accuracy": 0.91} if metrics else {}
        return [
            Trial(f"{job}_{i}", algorithm, None, "Completed", 1.0, values)
            for i, algorithm in enumerate(("LightGBM", "VotingEnsemble"))
        ] + [trial for name, trial in self.failed_trials.items() if name == job]

    def register_model(
        self, name: str, version: str, child: str, tags: dict[str, str], properties: dict[str, str]
    ) -> str:
        model = f"{name}:{version}"
        if self.models.setdefault(model, child) != child:
            raise Conflict("another model has this version")
        return model

    def endpoint(self, name: str) -> Endpoint | None:
        return self._read(name)

    def _read(self, name: str) -> Endpoint | None:
        found = self.endpoints.get(name)
        if found is None:
            return None
        if found["state"] not in ("Succeeded", "Canceled") and self._ready(
            f"endpoint {name} {found['changes']}"
        ):
            found["state"] = "Succeeded"
            found["traffic"] = dict(found["wanted"])
        return Endpoint(name, found["state"], f"http://{name}/score", dict(found["traffic"]), "key")

    def all_endpoints(self) -> list[Endpoint]:
        return [found for name in list(self.endpoints) if (found := self._read(name))]

    def begin_endpoint(self, name: str, description: str, tags: dict[str, str]) -> None:
        fresh = {"state": "Creating", "traffic": {}, "wanted": {}, "deployments": {}, "changes": 0}
        self.endpoints.setdefault(name, fresh)

    def deployments(self, endpoint: str) -> list[Deployment]:
        names = self.endpoints.get(endpoint, {"deployments": ()})["deployments"]
        return [found for name in names if (found := self.deployment(endpoint, name))]

    def _idle(self, endpoint: str) -> dict[str, Any]:
        """Azure takes one operation of an endpoint at a time."""
        if self.endpoint(endpoint) is None:
            raise NotFound(f"there is no endpoint {endpoint}")
        if self.endpoints[endpoint]["state"] not in ("Succeeded", "Canceled"):
            raise Conflict(f"the endpoint {endpoint} has an operation in progress")
        return self.endpoints[endpoint]

    def deployment(self, endpoint: str, name: str) -> Deployment | None:
        spec = self.endpoints.get(endpoint, {"deployments": {}})["deployments"].get(name)
        if spec is None:
            return None
        state = "Succeeded" if self._ready(f"deployment {endpoint} {name}") else "Creating"
        failed = self.fail_deployments or name in self.failed_deployments
        if failed:
            return Deployment(name, "Failed", spec.model, True, self.deployment_error)
        return Deployment(name, state, spec.model, (endpoint, name) not in self.silent)

    def register_code(self) -> str:
        self.codes.add("dropml-scorer:1")
        return "dropml-scorer:1"

    def register_environment(self, child: str) -> str:
        self.environments.add("dropml-scoring:1")
        return "dropml-scoring:1"

    def begin_deployment(self, spec: DeploymentSpec) -> None:
        """A deployment that is there is updated, which takes as long."""
        self._idle(spec.endpoint)["deployments"][spec.name] = spec
        self._reads.pop(f"deployment {spec.endpoint} {spec.name}", None)

    def begin_delete_deployment(self, endpoint: str, name: str) -> None:
        if name not in self.endpoints[endpoint]["deployments"]:
            return
        if self._idle(endpoint)["traffic"].get(name):
            raise Upstream("a deployment with traffic can't be deleted")
        self.endpoints[endpoint]["deployments"].pop(name, None)

    def begin_traffic(self, endpoint: str, traffic: dict[str, int]) -> None:
        found = self._idle(endpoint)
        missing = set(traffic) - set(found["deployments"])
        if missing:
            raise Upstream(f"no such deployment: {missing}")
        if sum(traffic.values()) not in (0, 100):
            raise Upstream(f"the traffic makes {sum(traffic.values())} percent")
        found |= {"state": "Updating", "wanted": traffic, "changes": found["changes"] + 1}

    def begin_app_insights(self, endpoint: str, name: str, *, enabled: bool) -> None:
        self._idle(endpoint)
        (self.silent.discard if enabled else self.silent.add)((endpoint, name))

    def logs(self, endpoint: str, deployment: str, lines: int = 50) -> str:
        return "worker timed out"


def opened(endpoints: dict[str, Any]) -> dict[str, Any]:
    """Endpoints as earlier stand-ins kept them, who knew a deployment's model and nothing else."""
    for name, endpoint in endpoints.items():
        endpoint["deployments"] = {
            deployment: DeploymentSpec(name, deployment, model, model)
            for deployment, model in endpoint["deployments"].items()
        }
    return endpoints


class MemoryRunFiles:
    """What jobs have left behind: texts by run and path; `broken` makes each read fail."""

    def __init__(self) -> None:
        self.texts: dict[str, dict[str, str]] = {}
        self.reads: list[tuple[str, str]] = []
        self.broken: Exception | None = None

    def names(self, run: str, prefix: str) -> list[str]:
        if self.broken:
            raise self.broken
        return [path for path in self.texts.get(run, {}) if path.startswith(prefix)]

    def text(self, run: str, path: str, most: int) -> str | None:
        if self.broken:
            raise self.broken
        self.reads.append((run, path))
        text = self.texts.get(run, {}).get(path)
        return text if text and len(text.encode()) <= most else None


class MemoryScorer:
    """Answers of each deployment: the truth, wrong in the share of rows that the test plants."""

    def __init__(self) -> None:
        self.error_rate: dict[str, float] = {}
        self.broken: set[str] = set()

    def answers(
        self, endpoint: Endpoint, deployment: str, columns: list[str], rows: list[list[Any]]
    ) -> Answers:
        return Answers(self.labels(endpoint, deployment, columns, rows))

    def labels(
        self, endpoint: Endpoint, deployment: str, columns: list[str], rows: list[list[Any]]
    ) -> list[str]:
        if deployment in self.broken:
            raise Upstream("the container answered 500")
        out = []
        for row in rows:
            x = int(row[0] or 0)
            wrong = (x * 7919) % 1000 < self.error_rate.get(deployment, 0.0) * 1000
            out.append("yes" if (x % 2 == 0) != wrong else "no")
        return out


class MemoryData:
    def __init__(self, holdout: int = 1000) -> None:
        self.holdout = holdout
        self.quarantined: dict[str, Report] = {}
        self.aside: dict[str, str] = {}
        #: ETags of dropped files that are no longer the latest.
        self.replaced: set[str] = set()

    def draw(self, path: str, schema: Schema, limit: int, besides: str = "") -> Drawn:
        """All of what `draw_holdout` has; the rows that `besides` has too are known where they are most of its own."""
        rows, truth = self.draw_holdout(path, schema, limit)
        places = list(range(1, len(rows) + 1))
        if not besides:
            return Drawn(rows, truth, places)
        try:
            earlier, _ = self.draw_holdout(besides, schema, limit)
        except NotFound:
            return Drawn(rows, truth, places)
        known = KnownRows(tuple(map(str, row)) for row in earlier)
        new = [at for at, row in enumerate(rows) if known.is_new(tuple(map(str, row)))]
        if not known.grown or len(new) < 60:
            return Drawn(rows, truth, places)
        return Drawn([rows[at] for at in new], [truth[at] for at in new], [at + 1 for at in new], known.again)

    def draw_holdout(self, path: str, schema: Schema, limit: int) -> tuple[list[list[Value]], list[str]]:
        xs = range(min(limit, self.holdout))
        gaps: list[Value] = [None] * (len(schema.columns) - 1)
        return [[x, *gaps] for x in xs], ["yes" if x % 2 == 0 else "no" for x in xs]

    def put_aside(self, path: str, folder: str) -> None:
        self.aside[folder] = path

    def quarantine(self, source: Source, folder: str, report: Report) -> None:
        if source.etag in self.replaced:
            raise Conflict(f"{source.blob} was replaced while it was read.", code="source-changed")
        self.quarantined[folder] = report


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        self.now += 0.01
        return self.now


class World:
    """Everything that outlives the process, and a context over it; one thread works, so that crashes can be counted."""

    def __init__(
        self,
        *,
        canary_seconds: float = 1,
        canary_percent: int = 10,
        tick_seconds: float = 45.0,
        workers: int = 1,
        open_run_hours: float = 24.0,
        settle_seconds: float = 5.0,
        watch_seconds: float = 5.0,
        traffic_seconds: float = 1.0,
        deployment_mode: str = "script",
        suspicious: str = "wait",
        receivers: tuple[Receiver, ...] = (),
        events: frozenset[str] = frozenset(),
    ) -> None:
        self.deployment_mode, self.suspicious = deployment_mode, suspicious
        self.gate_values = False
        self.receivers, self.events = receivers, events
        self.docs, self.ledger_store, self.azureml = MemoryDocuments(), MemoryLedger(), MemoryAzureML()
        self.scorer, self.data, self.clock = MemoryScorer(), MemoryData(), Clock()
        self.points = CrashPoints()
        self.points.wrap(self.docs, ["create", "replace", "mark", "delete"])
        self.points.wrap(self.ledger_store, ["append"])
        effects = [
            m
            for m in dir(MemoryAzureML)
            if m.startswith(("begin_", "register_", "submit", "trials", "cancel"))
        ]
        self.points.wrap(self.azureml, effects)
        self.points.wrap(self.data, ["quarantine"])
        self.canary = CanaryPlan(canary_percent, canary_seconds, watch_seconds=watch_seconds)
        self.pace = Pace(tick_seconds, workers, open_run_hours, settle_seconds, traffic_seconds)
        self.guardrails = Guardrails()
        self.logged: list[dict[str, Any]] = []
        self.files = MemoryRunFiles()
        #: What telemetry was sent of runs.
        self.signals: list[Signal] = []
        #: Seconds by which the wall clock has departed from the monotonic one.
        self.jumped = 0.0
        self.restart()

    def restart(self) -> None:
        """Another process goes on: what the one before had in memory is gone."""
        self.pulse = Pulse(self.store, lambda: self.clock.now, self.log, lambda: self.clock.now - self.jumped)

    def jump(self, seconds: float) -> None:
        """The wall clock alone moves: it was set, or the computer slept."""
        self.clock.now += seconds
        self.jumped += seconds

    def measure(self, name: str, value: float, /, **about: object) -> None:
        self.signals.append(Signal(name, str(about.get("run")), value, {k: str(v) for k, v in about.items()}))

    def log(self, what: str, /, **fields: Any) -> None:
        self.logged.append({"what": what, **fields})

    @property
    def store(self) -> RunStore:
        outbox = Outbox(self.docs, self.receivers, self.events, self.clock)
        return RunStore(
            self.docs, self.ledger_store, self.clock, outbox, lambda run: self.signals.extend(of_run(run))
        )

    @property
    def context(self) -> Context:
        return Context(
            self.store,
            self.azureml,
            self.scorer,
            self.data,
            self.clock,
            self.pulse,
            self.log,
            workspace_id="/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w",
            canary=self.canary,
            pace=self.pace,
            guardrails=self.guardrails,
            deployment_mode=self.deployment_mode,
            suspicious=self.suspicious,
            files=self.files,
            measure=self.measure,
            gate_values=self.gate_values,
        )

    def run(self, run_id: str) -> Run:
        return self.store.load(run_id)[0]

    def runs(self) -> list[Run]:
        """Every run, in the order of their ids; one that was just claimed stands with its dataset alone."""
        datasets = filter(None, map(self.store.dataset, self.store.slugs()))
        claimed = {run_id for dataset in datasets for run_id in dataset.open}
        return [self.run(run_id) for run_id in sorted(claimed.union(self.store.every_run_id()))]

    def serving(self, slug: str) -> ServingEntry:
        found = self.store.read(f"serving/{slug}.json", ServingEntry)
        assert found is not None
        return found
