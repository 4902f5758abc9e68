"""OpenAPI of the question whether the app can work."""

from __future__ import annotations

from functions.openapi.parts import Doc, json_answer, operation, record

PATHS: Doc = {
    "/api/health": {
        "get": operation(
            "health",
            "health",
            "Is the app able to work?",
            security=[],
            responses={
                "200": json_answer("It is.", record({"status": {"const": "healthy"}})),
                "503": {"$ref": "#/components/responses/503"},
            },
        )
    },
}
