"""OpenAPI of what the doctor finds."""

from __future__ import annotations

from functions.openapi.parts import Doc, json_answer, operation, query_parameter, ref, responses

PATHS: Doc = {
    "/api/doctor": {
        "get": operation(
            "showDoctor",
            "health",
            "What the app has and lacks: a line a check, with the command that mends it",
            parameters=[
                query_parameter(
                    "quota", "Whether to ask for the region's cores, too.", {"enum": ["true", "false"]}
                )
            ],
            responses=responses(
                json_answer("What was found, also where something is wrong.", ref("Report")), 400
            ),
        )
    },
}
