"""The timer that tells people what happened, and HTTP: what was told, what could not be, and once more."""

from __future__ import annotations

import azure.functions as func

from functions import parameters
from functions.http import answer, door, door_with
from shared import bootstrap, teller

bp = func.Blueprint()  # type: ignore[no-untyped-call]


@bp.timer_trigger(arg_name="timer", schedule="%LIFECYCLE_SCHEDULE%", use_monitor=False)
def notify(timer: func.TimerRequest) -> None:
    """A timer of its own: no receiver, however slow, holds up anything else."""
    teller.notifications().turn()


@bp.route(route="notifications", methods=["GET"])
@door_with("state", "limit")
def list_notifications(req: func.HttpRequest) -> func.HttpResponse:
    """Of one `state`: pending (the default), dead or sent; `limit` of them (1 to 500, default 50)."""
    from shared.services.notify import showing

    state, limit = req.params.get("state", "pending"), req.params.get("limit", str(showing.LIMIT))
    return answer(showing.show(bootstrap.store().outbox, state, limit))


@bp.route(route="notifications/{id}/resend", methods=["POST"])
@door
def resend_notification(req: func.HttpRequest) -> func.HttpResponse:
    """202; it goes out with the next turn, under its own id."""
    from shared.services.notify import showing

    parameters.no_body(req)
    return answer(showing.resend(bootstrap.store().outbox, req.route_params["id"]), 202)
