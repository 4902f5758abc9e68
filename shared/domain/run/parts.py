"""The parts of a run's document. Times are unix seconds, UTC; sizes are bytes; counts are rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from shared.domain.errors import DropMLError, Example, InvalidConfig
from shared.domain.gate import Verdict
from shared.domain.run.states import State
from shared.domain.schema import Schema
from shared.domain.schema_change import Change

#: Where a problem is: file, field, column (text), line, row, byte (numbers) and the like.
Place = str | int | float | bool


@dataclass(frozen=True)
class Source:
    """The version of a blob that the run was made for."""

    container: str = ""
    blob: str = ""
    etag: str = ""
    size: int = 0
    content_hash: str = ""


@dataclass(frozen=True)
class Snapshot:
    """The staged data: what is registered as an asset, and the rows held out. `path` is the asset's folder."""

    version: str
    path: str
    holdout_path: str
    schema: Schema
    rows: int = 0
    train_rows: int = 0
    holdout_rows: int = 0
    class_counts: dict[str, dict[str, int]] = field(default_factory=dict)
    weight_column: str | None = None
    warnings: tuple[str, ...] = ()
    #: Rows of the file, and those put aside: `rows` and `bad_rows` are all of them.
    input_rows: int = 0
    bad_rows: int = 0
    #: Where those put aside were staged; the quarantine has a copy as `rows.csv`.
    bad_rows_path: str = ""
    #: What differs from the version before, as far as it was let pass.
    changes: tuple[Change, ...] = ()
    #: Where the profile of its columns lies; empty for what earlier releases staged.
    profile_path: str = ""
    #: Content hashes of the versions that were put together in it, the newest first; empty for a version of its own.
    joined: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Names of the features, in order."""
        return [column.name for column in self.schema.columns]


@dataclass(frozen=True)
class Training:
    """The AutoML job; a pipeline's job is adopted with the pipeline run that it came from."""

    name: str
    submitted_at: float
    status: str | None = None
    pipeline_run: str | None = None
    pipeline_job: str | None = None


@dataclass(frozen=True)
class Trial:
    """One child of the AutoML job, one line of the leaderboard. `metrics` go by Azure's names."""

    name: str
    algorithm: str | None = None
    preprocessor: str | None = None
    status: str | None = None
    duration_s: float | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    #: Why it failed, in the service's words.
    error: str | None = None


@dataclass(frozen=True)
class Model:
    """The registered model; `id` is its ARM id."""

    name: str
    version: str
    id: str

    @property
    def label(self) -> str:
        return f"{self.name}:{self.version}"


@dataclass(frozen=True)
class Placement:
    """Where the model is deployed; `deployment` is None until the endpoint is there."""

    endpoint: str
    deployment: str | None = None
    scoring_uri: str = ""
    auth_mode: str = ""
    app_insights_enabled: bool | None = None
    #: How the deployment answers: `script` or `no_code`, as all of earlier releases.
    mode: str = "no_code"
    #: Ids of what a script deployment is made of; a later update of it names the same.
    code: str = ""
    environment: str = ""
    #: The threshold that the deployment was last put with.
    threshold: float | None = None


@dataclass(frozen=True)
class Gate:
    """What the gate saw and said. `smoke` are the deployment's first answers; `numbers` lack where none were needed."""

    smoke: tuple[str, ...] = ()
    champion_run: str | None = None
    decision: str | None = None  # promote | reject
    reason: str | None = None
    numbers: Verdict | None = None
    #: That the live model didn't answer, where it was judged without it.
    silent: str | None = None


@dataclass(frozen=True)
class Canary:
    """The share of live traffic that the challenger has, since when, and how it ended."""

    percent: int
    since: float | None = None
    passed: bool = False
    breach: str | None = None
    #: Calls that each side has answered so far: `{"champion": 90, "challenger": 10}`.
    calls: dict[str, int] = field(default_factory=dict)
    #: `since` in the lifecycle's own time.
    paced_since: float | None = None
    #: What the watch after 100 % came to: `passed`, or why all traffic went back. None while it lasts.
    watch: str | None = None


@dataclass(frozen=True)
class FailedTrial:
    """The trial by which a training's failure is told; `message` is its own."""

    name: str
    algorithm: str | None
    message: str


@dataclass(frozen=True)
class Mistake:
    """One of several things that are wrong with a configuration."""

    message: str
    remedy: str = ""
    where: dict[str, Place] = field(default_factory=dict)
    example: Example | None = None

    @staticmethod
    def of(error: InvalidConfig) -> Mistake:
        return Mistake(brief(error.message), brief(error.remedy), places(error.where), error.example)


@dataclass(frozen=True)
class RunProblem:
    """Why a run or a pipeline run ended, and what to do about it."""

    code: str
    message: str
    remedy: str = ""
    where: dict[str, Place] = field(default_factory=dict)
    failed_in: State | None = None
    note: str | None = None
    #: What differs from the version before, where that is why.
    changes: tuple[Change, ...] = ()
    trial: FailedTrial | None = None
    #: The end of the log that tells most, without secrets.
    log_tail: str = ""
    #: A value as it must not be and one as it may be, where that says more than words.
    example: Example | None = None
    #: Each of several, where the message tells of them all.
    mistakes: tuple[Mistake, ...] = ()

    @staticmethod
    def of(error: DropMLError) -> RunProblem:
        mistakes = error.mistakes if isinstance(error, InvalidConfig) else ()
        return RunProblem(
            error.error_code,
            brief(error.message),
            brief(error.remedy),
            places(error.where),
            example=error.example,
            mistakes=tuple(map(Mistake.of, mistakes)),
        )


#: Characters of a message that a document keeps: a service may answer with whole pages.
MOST_CHARACTERS = 4000


def brief(message: str) -> str:
    """The beginning of a message that is longer than a document keeps."""
    return message if len(message) <= MOST_CHARACTERS else f"{message[: MOST_CHARACTERS - 1]}…"


def places(where: Mapping[str, object]) -> dict[str, Place]:
    """What an error says of its place, as JSON has it."""
    return {
        name: value if isinstance(value, int | float) else brief(str(value)) for name, value in where.items()
    }


#: What a person may make of a refused file.
Action = Literal["release", "accept-schema", "discard"]
#: What became of one: that, or a later version of the file, or a mended configuration, was taken.
Outcome = Literal["release", "accept-schema", "discard", "mended"]


@dataclass(frozen=True)
class Decision:
    """What a person, or a later file, made of a refused file, and the run that came of it once there is one."""

    action: Outcome
    actor: str
    at: float
    run_id: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Trouble:
    """What went wrong in this state without ending the run. `count` is the refusals so far."""

    count: int
    message: str
    at: float
    #: Something was missing that should be there when it was last looked for.
    absent: bool = False


@dataclass(frozen=True)
class Moment:
    """When a state was entered. `note` says why, where a run went back to it."""

    state: State
    at: float
    note: str | None = None


@dataclass(frozen=True)
class Superseded:
    """Another run, `by`, takes this one's place; since `at` (unix seconds)."""

    by: str
    at: float
    why: str = "the configuration came later"
