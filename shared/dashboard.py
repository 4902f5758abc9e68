"""Builds what the dashboard shows from, out of what `shared.bootstrap` and `shared.front` have. Nothing at import."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from shared import bootstrap, front
from shared.once import Once

if TYPE_CHECKING:
    from shared.ui.desk import Desk, Place, Settled
    from shared.ui.session import Sessions


@Once
def sessions() -> Sessions:
    from shared.ui.session import Sessions

    return Sessions(bootstrap.documents(), time.time)


@Once
def settled() -> Settled:
    from shared.ui.desk import Settled

    return Settled()


def desk(place: Place, version: str) -> Desk:
    from shared import checkup
    from shared.ui.desk import Desk

    return Desk(
        context=bootstrap.context,
        quarantine=front.quarantine,
        profiles=bootstrap.profiles,
        pipelines=bootstrap.pipeline_runs,
        entry=lambda name: bootstrap.endpoints().entry(name),
        doctor=lambda: checkup.examine(version),
        scores=_scores,
        place=place,
        settled=settled(),
    )


def _scores(dataset: str, body: bytes) -> bytes:
    """As `POST /api/score/{dataset}` with JSON."""
    from shared.services.scoring.exchange import ScoreRequest

    scored = bootstrap.scoring().score(
        ScoreRequest(
            dataset=dataset,
            body=body,
            content_type="application/json",
            accept="application/json",
            shape="",
            deadline_ms="",
            request_id=secrets.token_hex(16),
            proba="",
            explain="",
        )
    )
    return scored.body
