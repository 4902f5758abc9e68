"""OpenAPI of notifications."""

from __future__ import annotations

from functions.openapi.parts import (
    Doc,
    json_answer,
    link,
    operation,
    path_parameter,
    query_parameter,
    ref,
    responses,
)
from shared.domain.notify.deliveries import PENDING, STATES
from shared.services.notify.showing import LIMIT, MOST

_ID = path_parameter("id", "The notification's id.", "9f86d081884c7d659a2feaa0-4a5c1b2d")
_STATE: Doc = {"type": "string", "enum": list(STATES), "default": PENDING}
_LIMIT: Doc = {"type": "integer", "minimum": 1, "maximum": MOST, "default": LIMIT}

PATHS: Doc = {
    "/api/notifications": {
        "get": operation(
            "listNotifications",
            "notifications",
            "What people are told, by receiver: what waits, what is dead, what was sent",
            parameters=[
                query_parameter("state", "Of which state.", _STATE),
                query_parameter("limit", "How many of them.", _LIMIT),
            ],
            responses=responses(
                json_answer(
                    "The notifications, the last written first.",
                    ref("NotificationList"),
                    links={
                        "resend": link(
                            "resendNotification", "Once more.", id="$response.body#/notifications/0/id"
                        )
                    },
                ),
                400,
            ),
        )
    },
    "/api/notifications/{id}/resend": {
        "post": operation(
            "resendNotification",
            "notifications",
            "Send one again, with all its tries before it",
            parameters=[_ID],
            responses=responses(
                json_answer("The notification, waiting.", ref("Notification")), 404, 409, status=202
            ),
        )
    },
}
