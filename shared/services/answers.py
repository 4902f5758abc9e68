"""Labels of rows from one pinned deployment: what smoke test, gate and canary ask."""

from __future__ import annotations

import json
from typing import Any

from shared.domain.errors import NotFound, Upstream
from shared.domain.serving import Target
from shared.services.calling import EndpointCalls
from shared.services.ports import Endpoint
from shared.services.scoring import check, is_gone

#: Rows of a request: far under the endpoint's 1.5 MB for any table that has fewer than some hundred columns.
CHUNK_ROWS = 250
CHUNK_SECONDS = 60.0


class PinnedScorer:
    """Implements `shared.services.ports.Scorer`."""

    def __init__(self, calls: EndpointCalls) -> None:
        self._calls = calls

    def labels(
        self, endpoint: Endpoint, deployment: str, columns: list[str], rows: list[list[Any]]
    ) -> list[str]:
        """Answers as text, one a row. Raises Transient, Upstream, or NotFound when the deployment is gone."""
        target = Target(endpoint.name, endpoint.scoring_uri, endpoint.auth_mode)
        out: list[str] = []
        for start in range(0, len(rows), CHUNK_ROWS):
            part = rows[start : start + CHUNK_ROWS]
            payload = {"columns": columns, "index": list(range(len(part))), "data": part}
            body = json.dumps({"input_data": payload}).encode()
            deadline = self._calls.deadline(CHUNK_SECONDS)
            answer = self._calls.score(target, deployment, body, deadline=deadline)
            if is_gone(answer):
                raise NotFound(f"The deployment {deployment} of {endpoint.name} does not answer.")
            check(answer, target)
            labels = json.loads(answer.body)
            if not isinstance(labels, list) or len(labels) != len(part):
                raise Upstream(f"The deployment {deployment} answered {len(part)} rows with something else.")
            out += [label_text(label) for label in labels]
        return out


def label_text(value: Any) -> str:
    """A label as the CSV had it: true/false for booleans, no `.0` on whole numbers."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
