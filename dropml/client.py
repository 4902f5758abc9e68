"""Our HTTP API as a Python object: what the commands of this package, and scripts, call."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Required, Self, TypedDict, cast
from urllib.parse import quote, urlsplit

import requests

CONNECT_SECONDS = 3.05
#: Longer than any of our answers but a key rotation takes; Azure itself ends a request at 230 s.
READ_SECONDS = 60.0
#: States in which a run waits for nobody any more.
DONE = frozenset({"live", "rejected", "failed", "quarantined", "retired", "rolled_back", "cancelled"})
Record = dict[str, Any]  # a row to score: the columns are the dataset's own


class ApiError(RuntimeError):
    """The API refused a call; the message is the problem's own, with the HTTP status; `code` is empty where it has none.

    `errors` are the entries that the problem lists, such as the rows that don't fit.
    """

    def __init__(self, status: int, message: str, code: str = "", errors: Sequence[object] = ()) -> None:
        super().__init__(f"{message} (HTTP {status})")
        self.status, self.code, self.errors = status, code, tuple(errors)


class Problem(TypedDict):
    """Why a run ended without a model."""

    message: str


class Trial(TypedDict):
    """One model that training tried. `duration_s` is in seconds, `metrics` named as the service names them."""

    algorithm: str
    status: str
    duration_s: float | None
    metrics: dict[str, float | None]


class Gate(TypedDict):
    """The comparison's outcome, with its numbers where there were any."""

    decision: str | None
    reason: str | None
    numbers: dict[str, Any] | None


class Placement(TypedDict):
    endpoint: str
    scoring_uri: str
    auth_mode: str
    app_insights_enabled: bool


class Column(TypedDict):
    name: str


class Schema(TypedDict):
    columns: list[Column]
    #: Of the label; empty for a regression.
    classes: list[str]
    example: list[Record]


class Snapshot(TypedDict):
    """The dataset's version that a run trains on."""

    rows: int
    #: Rows of the file that could not be read and were put aside.
    bad_rows: int
    schema: Schema


class StateChange(TypedDict):
    """`at` is seconds since the epoch."""

    state: str
    at: float


class Run(TypedDict):
    """A run as a whole; a part is None until the run has come to it."""

    run_id: str
    dataset: str
    slug: str
    state: str
    snapshot: Snapshot | None
    trials: list[Trial]
    best: Trial | None
    gate: Gate | None
    placement: Placement | None
    problem: Problem | None
    history: list[StateChange]


class RunSummary(TypedDict):
    """A run in a list: the gate's reason and the error's message alone."""

    run_id: str
    dataset: str
    state: str
    best_algorithm: str | None
    gate: str | None
    error: str | None


class Leaderboard(TypedDict):
    """Trials, best first by the primary metric."""

    primary_metric: str
    best: str | None
    trials: list[Trial]


class Dataset(TypedDict):
    dataset: str
    slug: str
    champion: str | None


class PipelineRun(TypedDict):
    """A run of the published pipeline; `run_id` once its training has been adopted."""

    id: str
    status: str
    run_id: str | None
    error: Problem | None


class Scores(TypedDict, total=False):
    """`probabilities[row][i]` is that of `classes[i]`."""

    result: Required[list[object]]
    probabilities: list[list[float]]
    classes: list[object]


class Swagger(TypedDict):
    openapi: str
    paths: dict[str, object]


class Client:
    """Calls the function app at `base` (".../api") with a function key. Every call raises ApiError or requests' own.

    `actor` is who asks, for the ledger.
    """

    def __init__(self, base: str, key: str, actor: str = "") -> None:
        self.base = base.rstrip("/")
        self._session = requests.Session()
        # What runs on this machine is asked directly, whatever proxy the shell names.
        self._session.trust_env = urlsplit(self.base).hostname not in ("localhost", "127.0.0.1", "::1")
        if key:
            self._session.headers["x-functions-key"] = key
        if actor:
            self._session.headers["x-dropml-actor"] = actor

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def get(self, path: str, **params: str | None) -> Any:
        """A path below `base`; a parameter of None or "" is left out."""
        return self._call("GET", path, params={k: v for k, v in params.items() if v})

    def post(self, path: str, body: object = None, headers: dict[str, str] | None = None) -> Any:
        return self._call("POST", path, json=body, headers=headers)

    def post_raw(self, path: str, body: bytes, content_type: str, accept: str) -> requests.Response:
        """The answer as it is, of a body that is sent as it is."""
        headers = {"Content-Type": content_type, "Accept": accept}
        return self._answer("POST", path, data=body, headers=headers)

    def runs(self, dataset: str | None = None, limit: int = 50) -> list[RunSummary]:
        """Runs, newest first."""
        params = {"limit": str(limit)} | ({"dataset": dataset} if dataset else {})
        return cast("list[RunSummary]", self._call("GET", "/runs", params=params)["runs"])

    def run(self, run_id: str) -> Run:
        return cast("Run", self._call("GET", f"/runs/{part(run_id)}"))

    def leaderboard(self, run_id: str) -> Leaderboard:
        return cast("Leaderboard", self._call("GET", f"/runs/{part(run_id)}/leaderboard"))

    def datasets(self) -> list[Dataset]:
        return cast("list[Dataset]", self._call("GET", "/datasets")["datasets"])

    def score(self, dataset: str, records: list[Record]) -> list[object]:
        """The live model's answers, one a record."""
        answer = self._call("POST", f"/score/{part(dataset)}", json={"data": records})
        return cast("list[object]", answer["result"])

    def probabilities(self, dataset: str, records: list[Record]) -> Scores:
        """The answers with the probability of each class. ApiError where the live model has none."""
        path = f"/score/{part(dataset)}?proba=true"
        return cast("Scores", self._call("POST", path, json={"data": records}))

    def trigger_pipeline(self, dataset: str, idempotency_key: str) -> PipelineRun:
        """Start the published pipeline; the same key again is the same run."""
        headers = {"Idempotency-Key": idempotency_key}
        return cast("PipelineRun", self._call("POST", f"/pipelines/{part(dataset)}/runs", headers=headers))

    def pipeline_run(self, dataset: str, run_id: str) -> PipelineRun:
        return cast("PipelineRun", self._call("GET", f"/pipelines/{part(dataset)}/runs/{part(run_id)}"))

    def swagger(self) -> Swagger:
        """The API's OpenAPI document."""
        return cast("Swagger", self._call("GET", "/swagger.json"))

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        json: object = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        answer = self._answer(method, path, params=params, json=json, headers=headers)
        try:
            return answer.json()
        except ValueError as error:
            raise ApiError(
                answer.status_code, f"{self.base}{path} answers no JSON: is this DropML?"
            ) from error

    def _answer(self, method: str, path: str, **sent: Any) -> requests.Response:
        timeout = (CONNECT_SECONDS, READ_SECONDS)
        answer = self._session.request(method, f"{self.base}{path}", timeout=timeout, **sent)
        if not answer.ok:
            raise ApiError(answer.status_code, *_problem(answer))
        return answer


def part(text: str) -> str:
    """A name as a part of a path."""
    return quote(text, safe="")


def _problem(answer: requests.Response) -> tuple[str, str, list[object]]:
    """What a problem document says, with its remedy, its code, and the errors it lists; else the status' name."""
    try:
        problem = answer.json()
        texts = [problem.get("detail") or problem.get("title"), problem.get("remedy")]
    except (ValueError, AttributeError):
        return answer.reason or "No reason given", "", []
    said = " ".join(dict.fromkeys(str(text) for text in texts if text)) or "No reason given"
    errors = problem.get("errors")
    return said, str(problem.get("code") or ""), errors if isinstance(errors, list) else []
