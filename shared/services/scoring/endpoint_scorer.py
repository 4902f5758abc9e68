"""Rows scored by one named deployment, in chunks: what smoke test and gate need (`shared.services.run.ports.Scorer`)."""

from __future__ import annotations

import time
from typing import Any

from shared.domain.answers import Answers, joined
from shared.domain.labels import label_text
from shared.domain.rows import payloads
from shared.domain.rows.predictions import Prediction, read_answer
from shared.domain.rows.validation import Checked
from shared.services.run.ports import Endpoint
from shared.services.scoring.calling import EndpointCalls
from shared.services.scoring.endpoints import target_of
from shared.services.scoring.exchange import MAX_NUMBERS
from shared.services.scoring.statuses import check

#: Rows and encoded bytes of one chunk; the endpoint takes 1.5 MB.
CHUNK_ROWS, CHUNK_BYTES = 5000, 1_000_000


class EndpointScorer:
    def __init__(self, calls: EndpointCalls, *, timeout_seconds: float = 60.0) -> None:
        self._calls = calls
        self._timeout = timeout_seconds

    def answers(
        self, endpoint: Endpoint, deployment: str, columns: list[str], rows: list[list[Any]]
    ) -> Answers:
        """What the deployment says of each row. Raises Transient where a retry may help, else another DropMLError."""
        target = target_of(endpoint.name, endpoint.scoring_uri, endpoint.auth_mode)
        parts: list[Answers] = []
        for body, count in chunks(columns, rows):
            begun = time.monotonic()
            answer = self._calls.score(target, deployment, body, deadline=self._calls.deadline(self._timeout))
            seconds = time.monotonic() - begun
            check(answer, target)
            parts.append(_read(read_answer(answer.body, count), seconds))
        return joined(parts)


def _read(found: Prediction, seconds: float) -> Answers:
    classes = None if found.classes is None else [label_text(name) for name in found.classes]
    return Answers([label_text(value) for value in found.result], found.probabilities, classes, seconds)


def chunks(columns: list[str], rows: list[list[Any]], classes: int = 0) -> list[tuple[bytes, int]]:
    """Bodies of at most CHUNK_ROWS rows and CHUNK_BYTES bytes, with their row counts; a larger row stands alone.

    `classes`: so many probabilities a row come back, and of all at most MAX_NUMBERS.
    """
    made: list[tuple[bytes, int]] = []
    most = min(CHUNK_ROWS, max(1, MAX_NUMBERS // max(1, classes)))
    pending = [rows[at : at + most] for at in range(0, len(rows), most)]
    while pending:
        part = pending.pop(0)
        body = payloads.encode(Checked(columns, part))
        if len(body) > CHUNK_BYTES and len(part) > 1:
            half = len(part) // 2
            pending[:0] = [part[:half], part[half:]]
        else:
            made.append((body, len(part)))
    return made
