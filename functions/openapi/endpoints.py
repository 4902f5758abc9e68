"""OpenAPI of the endpoints behind the models, and of the documentation itself."""

from __future__ import annotations

from functions.openapi.parts import (
    ACTOR,
    OBJECT,
    PAGE,
    REQUEST_ID,
    REQUEST_ID_HEADER,
    TEXT,
    Doc,
    idempotency,
    json_answer,
    link,
    operation,
    path_parameter,
    query_parameter,
    record,
    ref,
    responses,
)
from shared.services.monitoring.hours import MOST, USUAL
from shared.services.scoring.benchmark import MAX_CONCURRENCY, MAX_REQUESTS, MAX_ROWS

ENDPOINT = path_parameter("name", "The endpoint's name.")

SCHEMAS: Doc = {
    "BenchmarkOptions": {
        "type": "object",
        "properties": {
            "requests": {"type": "integer", "minimum": 1, "maximum": MAX_REQUESTS, "default": 100},
            "concurrency": {"type": "integer", "minimum": 1, "maximum": MAX_CONCURRENCY, "default": 1},
            "rows": {"type": "integer", "minimum": 1, "maximum": MAX_ROWS, "default": 2},
        },
        "additionalProperties": False,
    },
}

PATHS: Doc = {
    "/api/endpoints": {
        "get": operation(
            "listEndpoints",
            "endpoints",
            "The endpoints in service: when each was called last, what it runs on, whether it sleeps",
            parameters=[*PAGE],
            responses=responses(json_answer("A page of them.", ref("EndpointCostList")), 400),
        )
    },
    "/api/endpoints/{name}": {
        "get": operation(
            "showEndpoint",
            "endpoints",
            "An endpoint as Azure has it now",
            parameters=[ENDPOINT],
            responses=responses(
                json_answer("Auth mode, traffic, deployments, Application Insights.", ref("Endpoint")),
                404,
                502,
            ),
        )
    },
    "/api/endpoints/{name}/logs": {
        "get": operation(
            "showEndpointLog",
            "endpoints",
            "The end of a deployment's log",
            parameters=[ENDPOINT, query_parameter("deployment", "The live one by default.", TEXT)],
            responses=responses(json_answer("The log.", ref("EndpointLog")), 404, 502),
        )
    },
    "/api/endpoints/{name}/traffic": {
        "get": operation(
            "showEndpointTraffic",
            "endpoints",
            "Calls, errors and latency by the hour",
            parameters=[
                ENDPOINT,
                query_parameter(
                    "hours",
                    "So many, up to now.",
                    {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL},
                ),
            ],
            responses=responses(json_answer("The hours, oldest first.", ref("Traffic")), 400, 404),
        )
    },
    "/api/endpoints/{name}/app-insights": {
        "post": operation(
            "setAppInsights",
            "endpoints",
            "Turn Application Insights of the deployments with traffic on or off",
            parameters=[ENDPOINT, ACTOR],
            requestBody={
                "required": True,
                "content": {
                    "application/json": {
                        "schema": record({"enabled": {"type": "boolean"}}) | {"additionalProperties": False},
                        "example": {"enabled": True},
                    }
                },
            },
            responses=responses(
                json_answer("As it will be; the updates are begun.", ref("Endpoint")),
                400,
                404,
                409,
                502,
                status=202,
            ),
        )
    },
    "/api/endpoints/{name}/swagger.json": {
        "get": operation(
            "endpointSwagger",
            "endpoints",
            "The endpoint's own swagger",
            parameters=[
                ENDPOINT,
                query_parameter("version", "2 (default) or 3.", {"type": "string", "enum": ["2", "3"]}),
                REQUEST_ID,
            ],
            responses=responses(
                json_answer(
                    "As the endpoint gave it; with the dataset's columns where it tells none.", OBJECT
                ),
                400,
                404,
                502,
                504,
            ),
        )
    },
    "/api/endpoints/{name}/rotate-key": {
        "post": operation(
            "rotateKey",
            "endpoints",
            "Replace both keys of an endpoint without a failed request",
            description="Keys that others hold stop working. While a rotation is open, asking again means that one.",
            parameters=[
                ENDPOINT,
                idempotency("The key of the latest rotation means that one, also when it has ended."),
                REQUEST_ID,
            ],
            responses=responses(
                json_answer(
                    "Taken; Location says where its progress is.",
                    ref("Rotation"),
                    headers={"Location": {"schema": TEXT}},
                    links={"progress": link("showRotation", "Its progress.", name="$request.path.name")},
                ),
                *(404, 409, 502),
                status=202,
            ),
        )
    },
    "/api/endpoints/{name}/rotation": {
        "get": operation(
            "showRotation",
            "endpoints",
            "The latest rotation of an endpoint's keys",
            parameters=[ENDPOINT, REQUEST_ID],
            responses=responses(json_answer("The rotation.", ref("Rotation")), 404),
        )
    },
    "/api/endpoints/{name}/benchmark": {
        "post": operation(
            "benchmark",
            "endpoints",
            "Measure an endpoint for at most 20 seconds",
            parameters=[ENDPOINT, REQUEST_ID],
            requestBody={
                "content": {
                    "application/json": {
                        "schema": ref("BenchmarkOptions"),
                        "example": {"requests": 100, "concurrency": 1, "rows": 2},
                    }
                }
            },
            responses=responses(
                json_answer("The measurement.", ref("Benchmark")), *(400, 404, 413, 422, 502, 504)
            ),
        )
    },
    "/api/swagger.json": {
        "get": operation(
            "swagger",
            "docs",
            "This document",
            parameters=[REQUEST_ID],
            responses=responses(json_answer("OpenAPI 3.1.", OBJECT)),
        )
    },
    "/api/docs": {
        "get": operation(
            "docs",
            "docs",
            "Swagger UI; asks for the function key",
            security=[],
            responses={
                "200": {
                    "description": "The page.",
                    "headers": {"x-request-id": REQUEST_ID_HEADER},
                    "content": {"text/html": {"schema": TEXT}},
                },
                "400": {"$ref": "#/components/responses/400"},
                "415": {"$ref": "#/components/responses/415"},
                "500": {"$ref": "#/components/responses/500"},
                "503": {"$ref": "#/components/responses/503"},
            },
        )
    },
}
