"""HTTP: what people do to runs and datasets. Asking twice is asking once; who asked stands in the ledger."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import azure.functions as func

from functions import parameters
from functions.http import answer, door
from shared import bootstrap

if TYPE_CHECKING:
    from shared.domain.run.acts import Act

bp = func.Blueprint()  # type: ignore[no-untyped-call]


@bp.route(route="datasets/{dataset}/rollback", methods=["POST"])
@door
def rollback_dataset(req: func.HttpRequest) -> func.HttpResponse:
    """The version before, or the run `to`, answers from now on; callers of the proxy meet it within seconds."""
    from shared.services.run.acting import putting_back

    act, said = _act(req, "to")
    return answer(
        putting_back.rollback(
            parameters.dataset(req), said.get("to"), act, parameters.idempotency_key(req), bootstrap.context()
        )
    )


@bp.route(route="datasets/{dataset}/pause", methods=["POST"])
@door
def pause_dataset(req: func.HttpRequest) -> func.HttpResponse:
    """Files are taken and recorded, the model answers; nothing trains and nothing is promoted."""
    from shared.services.run.acting import asking

    return answer(asking.pause(parameters.dataset(req), _act(req)[0], bootstrap.context()))


@bp.route(route="datasets/{dataset}/resume", methods=["POST"])
@door
def resume_dataset(req: func.HttpRequest) -> func.HttpResponse:
    """What waited goes on with the next tick."""
    from shared.services.run.acting import asking

    return answer(asking.resume(parameters.dataset(req), _act(req)[0], bootstrap.context()))


@bp.route(route="runs/{id}/promote", methods=["POST"])
@door
def promote_run(req: func.HttpRequest) -> func.HttpResponse:
    """A canary takes all traffic now; a version that was live takes it again, where it stands."""
    from shared.services.run.acting import putting_back

    return answer(putting_back.promote(req.route_params["id"], _act(req)[0], bootstrap.context()))


@bp.route(route="runs/{id}/cancel", methods=["POST"])
@door
def cancel_run(req: func.HttpRequest) -> func.HttpResponse:
    """202; its job and its deployment are ended, callers of a canary moved first, then it is cancelled."""
    from shared.services.run.acting import asking

    return answer(asking.cancel(req.route_params["id"], _act(req)[0], bootstrap.context()), 202)


@bp.route(route="runs/{id}/approve", methods=["POST"])
@door
def approve_run(req: func.HttpRequest) -> func.HttpResponse:
    """202; it goes through the gate against what is live by now, then to its canary."""
    from shared.services.run.acting import asking

    done = asking.decide(req.route_params["id"], "approved", _act(req)[0], bootstrap.context())
    return answer(done, 202)


@bp.route(route="runs/{id}/reject", methods=["POST"])
@door
def reject_run(req: func.HttpRequest) -> func.HttpResponse:
    """202; it ends as rejected, and its deployment goes."""
    from shared.services.run.acting import asking

    done = asking.decide(req.route_params["id"], "rejected", _act(req)[0], bootstrap.context())
    return answer(done, 202)


def _act(req: func.HttpRequest, *more: str) -> tuple[Act, dict[str, str]]:
    """Who asks, now, with the body's `note`; and what else the body says of the names in `more`."""
    from shared.domain.rows import remarks
    from shared.domain.run.acts import Act

    said = remarks.parse(req.get_body(), ("note", *more))
    return Act(parameters.actor(req), round(time.time(), 3), said.pop("note", "")), said
