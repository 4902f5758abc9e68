"""Builds what the dashboard shows from, out of what `shared.bootstrap` and `shared.front` have. Nothing at import."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from shared import bootstrap, front
from shared.correlation import new_id
from shared.once import Once

if TYPE_CHECKING:
    from shared.ui.desk import Desk, Place, Sending, Settled
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
        sending=_sending,
        came=lambda timer: checkup.ticks().last(timer),
        place=place,
        settled=settled(),
    )


def _sending() -> Sending:
    from shared import checkup
    from shared.redaction import redact
    from shared.ui.desk import Sending, SentItem

    sender = checkup.sender()
    if sender is None:
        return Sending()
    last = tuple(
        SentItem(
            each.time.timestamp(),
            each.kind,
            redact(str(each.arguments.get("name", ""))),
            redact(each.operation),
        )
        for each in sender.recent
    )
    return Sending(True, sender.sent, sender.dropped, last)


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
            request_id=new_id(),
            proba="",
            explain="",
        )
    )
    return scored.body
