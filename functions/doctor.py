"""HTTP: what the app has and what it lacks, for whoever operates it."""

from __future__ import annotations

import azure.functions as func

from functions.http import answer, door_with
from shared.domain.errors import InvalidInput

bp = func.Blueprint()  # type: ignore[no-untyped-call]


@bp.route(route="doctor", methods=["GET"])
@door_with("quota")
def show_doctor(req: func.HttpRequest) -> func.HttpResponse:
    """200 whatever is found: a finding is an answer. `quota=true` asks for the region's cores, too."""
    from functions.openapi.document import VERSION
    from shared import checkup

    asked = req.params.get("quota", "false")
    if asked not in ("true", "false"):
        raise InvalidInput("quota must be true or false.", field="quota")
    return answer(checkup.examine(VERSION, quota=asked == "true"))
