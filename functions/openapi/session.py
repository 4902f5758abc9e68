"""OpenAPI of signing in to the dashboard; its pages are for people and stand in docs/dashboard.md."""

from __future__ import annotations

from functions.openapi.parts import ACTOR, Doc, json_answer, operation, record, ref, responses
from shared.ui.session import MAX_NAME

_WHO: Doc = {
    "required": False,
    "content": {
        "application/json": {
            "schema": record(
                {},
                name={
                    "type": "string",
                    "maxLength": MAX_NAME,
                    "pattern": "^([!-~]+( [!-~]+)*)?$",
                    "description": "Who signs in: stands in the ledger beside what they do.",
                },
            )
            | {"additionalProperties": False}
        }
    },
}

PATHS: Doc = {
    "/api/session": {
        "post": operation(
            "openSession",
            "dashboard",
            "A cookie for the dashboard, for eight hours",
            parameters=[ACTOR],
            requestBody=_WHO,
            responses=responses(
                json_answer(
                    "Who has signed in; `Set-Cookie` has the session.",
                    ref("Session"),
                    headers={"Set-Cookie": {"schema": {"type": "string"}}},
                ),
                400,
            ),
        )
    },
    "/api/session/ticket": {
        "post": operation(
            "openTicket",
            "dashboard",
            "An address that signs a browser in once, within a minute",
            parameters=[ACTOR],
            requestBody=_WHO,
            responses=responses(json_answer("The address.", ref("Ticket")), 400),
        )
    },
}
