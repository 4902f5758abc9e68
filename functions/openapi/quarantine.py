"""OpenAPI of refused files."""

from __future__ import annotations

from functions.openapi.parts import (
    ACTOR,
    NOTE,
    PAGE,
    TEXT,
    Doc,
    json_answer,
    link,
    operation,
    path_parameter,
    query_parameter,
    ref,
    responses,
    tagged,
    words,
)

_ID = path_parameter("id", "The id of its run, or of its report where it got no run.", "bankmarketing-2-a1")
_DECIDED: Doc = {"type": "string", "enum": ["waiting", "release", "accept-schema", "discard", "mended"]}


def _action(operation_id: str, summary: str, answered: str, status: int) -> Doc:
    links: Doc | None = (
        {"run": link("showRun", "The run.", id="$response.body#/run_id")} if status == 202 else None
    )
    return {
        "post": operation(
            operation_id,
            "quarantine",
            summary,
            parameters=[_ID, ACTOR],
            requestBody=words(note=NOTE),
            responses=responses(json_answer(answered, ref("Decided"), links=links), 404, 409, status=status),
        )
    }


PATHS: Doc = {
    "/api/quarantine": {
        "get": tagged(
            operation(
                "listQuarantine",
                "quarantine",
                "Refused files, newest first",
                parameters=[
                    query_parameter("dataset", "Only this dataset's.", TEXT),
                    query_parameter("decided", "Only those that wait, or that this became of.", _DECIDED),
                    *PAGE,
                ],
                responses=responses(
                    json_answer(
                        "The files.",
                        ref("RefusedList"),
                        links={
                            "file": link("showRefused", "The newest one.", id="$response.body#/files/0/id")
                        },
                    ),
                    400,
                ),
            )
        )
    },
    "/api/quarantine/{id}": {
        "get": operation(
            "showRefused",
            "quarantine",
            "One refused file: report, places, differences from the version before, the lines that offend",
            parameters=[_ID],
            responses=responses(json_answer("The file.", ref("Refused")), 404),
        )
    },
    "/api/quarantine/{id}/release": _action(
        "releaseRefused",
        "Take the file as it is, this once",
        "The run that comes of it; asking twice starts one.",
        202,
    ),
    "/api/quarantine/{id}/accept-schema": _action(
        "acceptSchema",
        "Take the file, and hold the next ones against its schema",
        "The run that comes of it; asking twice starts one.",
        202,
    ),
    "/api/quarantine/{id}/discard": _action(
        "discardRefused", "Give the file up", "What was done; the original is deleted by the next sweep.", 200
    ),
}
