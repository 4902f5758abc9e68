"""One scoring request as the HTTP layer read it, what goes back, and the limits between the two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from shared.domain.errors import InvalidInput
from shared.domain.problems import TooLarge
from shared.domain.rows.predictions import Prediction

#: Probabilities in one answer that no caller has asked for: about a megabyte.
MAX_NUMBERS = 50_000
#: Rows of one request that are explained.
EXPLAIN_ROWS = 20
#: Body limits in bytes: ours, and a managed online endpoint's (https://learn.microsoft.com/azure/machine-learning/
#: how-to-manage-quotas#azure-machine-learning-online-endpoints-and-batch-endpoints: 1.5 MB).
MAX_BODY, MAX_ENDPOINT_BODY = 4 * 1024 * 1024, 1_572_864


@dataclass(frozen=True)
class ScoreLimits:
    timeout_seconds: float = 30.0
    max_rows: int = 5000
    max_body: int = MAX_BODY
    explain_seconds: float = 10.0
    explain_rows: int = EXPLAIN_ROWS


class ScoreRequest(NamedTuple):
    """One request, as the HTTP layer read it. `dataset` None means: the only one."""

    dataset: str | None
    body: bytes
    content_type: str = ""
    accept: str = ""
    shape: str = ""
    deadline_ms: str = ""
    request_id: str = ""
    proba: str = ""
    explain: str = ""


class ScoreAnswer(NamedTuple):
    """What goes back to the caller."""

    body: bytes
    content_type: str
    headers: dict[str, str]


class Scored(NamedTuple):
    """A prediction and the deployment that gave it; `threshold`: the one that has decided its labels."""

    prediction: Prediction
    deployment: str
    model: str
    run_id: str
    threshold: float | None = None


def too_many_to_explain(rows: int, limit: int) -> InvalidInput:
    return InvalidInput(
        f"The request holds {rows} rows; at most {limit} are explained at once.",
        remedy="Send fewer rows, or leave out explain=true.",
        code="too-many-explanations",
        field="explain",
    )


def too_large(size: int, limit: int, as_sent: int = 0) -> TooLarge:
    """`size` is the caller's; `as_sent` what it comes to on the way to the endpoint, which is what is limited there."""
    grown = f", and {as_sent} as its endpoint is sent it" if as_sent else ""
    return TooLarge(
        f"The request is {size} bytes{grown}; at most {limit} are taken{' there' if as_sent else ''}.",
        remedy="Send fewer rows, or use POST /api/score/{dataset}/batch.",
        code="body-too-large",
    )
