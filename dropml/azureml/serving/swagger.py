"""/swagger.json of an endpoint: the service's shape, with the model's real input."""

from typing import Any

from dropml.azureml.serving.deployment import Deployment

_TYPES: dict[str, dict[str, str]] = {
    "long": {"type": "integer", "format": "int64"},
    "integer": {"type": "integer", "format": "int32"},
    "double": {"type": "number", "format": "double"},
    "float": {"type": "number", "format": "float"},
    "boolean": {"type": "boolean"},
    "string": {"type": "string"},
    "datetime": {"type": "string", "format": "date-time"},
}
_HEALTH = "Simple health check endpoint to ensure the service is up at any given point."
_HEALTHY = "If service is up and running, this response will be returned with the content 'Healthy'"
_SCORE = "Run web service's model and get the prediction output"
_PAYLOAD = "The input payload for executing the real-time machine learning service."
_SCORED = "The service processed the input correctly and provided a result prediction, if applicable."
_FAILED = "The service failed to execute due to an error."
_ANYTHING: dict[str, Any] = {"type": "object", "example": {}}  # of a scoring script that brings no schema
_BEARER = {
    "type": "apiKey",
    "name": "Authorization",
    "in": "header",
    "description": "For example: Bearer abc123",
}


def swagger(title: str, deployment: Deployment, version: str) -> dict[str, Any] | None:
    """Swagger 2 or OpenAPI 3 of a loaded deployment; None for a version that does not exist."""
    if version in ("2", "2.0"):
        return _version_2(title, deployment)
    if version in ("3", "3.0", "3.1"):
        return _version_3(title, deployment, "3.1.0" if version == "3.1" else "3.0.3")
    return None


def _info(title: str) -> dict[str, str]:
    description = f"API specification for the Azure Machine Learning service {title}"
    return {"title": title, "description": description, "version": "1.0"}


def _version_2(title: str, deployment: Deployment) -> dict[str, Any]:
    error = {"description": _FAILED, "schema": {"$ref": "#/definitions/ErrorResponse"}}
    health = {"description": _HEALTHY, "schema": {"type": "string"}}
    health["examples"] = {"application/json": "Healthy"}
    payload = {
        "name": "serviceInputPayload",
        "in": "body",
        "description": _PAYLOAD,
        "schema": {"$ref": "#/definitions/ServiceInput"},
    }
    scored = {"description": _SCORED, "schema": {"$ref": "#/definitions/ServiceOutput"}}
    return {
        "swagger": "2.0",
        "info": _info(title),
        "schemes": ["https"],
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "securityDefinitions": {"Bearer": _BEARER},
        "paths": {
            "/": {
                "get": {
                    "operationId": "ServiceHealthCheck",
                    "description": _HEALTH,
                    "responses": {"200": health, "default": error},
                }
            },
            "/score": {
                "post": {
                    "operationId": "RunMLService",
                    "description": _SCORE,
                    "security": [{"Bearer": []}],
                    "parameters": [payload],
                    "responses": {"200": scored, "default": error},
                }
            },
        },
        "definitions": {
            "ServiceInput": _input(deployment, {}),
            "ServiceOutput": _output(deployment),
            "ErrorResponse": _error(),
        },
    }


def _version_3(title: str, deployment: Deployment, version: str) -> dict[str, Any]:
    kinds = {name: _TYPES.get(name, {}) for name in sorted(set(deployment.types.values()))}
    cell: dict[str, Any] = {"anyOf": [*kinds.values()]}
    if version == "3.1.0":
        cell["anyOf"].append({"type": "null"})
    else:
        cell["nullable"] = True
    error = {"description": _FAILED, "content": _json_content("ErrorResponse")}
    healthy = {"text/plain": {"schema": {"type": "string", "example": "Healthy"}}}
    return {
        "openapi": version,
        "info": _info(title),
        "security": [{"Bearer": []}],
        "paths": {
            "/": {
                "get": {
                    "operationId": "ServiceHealthCheck",
                    "description": _HEALTH,
                    "responses": {
                        "200": {"description": _HEALTHY, "content": healthy},
                        "default": error,
                    },
                }
            },
            "/score": {
                "post": {
                    "operationId": "RunMLService",
                    "description": _SCORE,
                    "security": [{"Bearer": []}],
                    "requestBody": {"description": _PAYLOAD, "content": _json_content("ServiceInput")},
                    "responses": {
                        "200": {"description": _SCORED, "content": _json_content("ServiceOutput")},
                        "default": error,
                    },
                }
            },
        },
        "components": {
            "schemas": {
                "ServiceInput": _input(deployment, cell),
                "ServiceOutput": _output(deployment),
                "ErrorResponse": _error(),
            },
            "securitySchemes": {"Bearer": _BEARER},
        },
    }


def _json_content(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _input(deployment: Deployment, cell: dict[str, Any]) -> dict[str, Any]:
    if deployment.script is not None:
        return dict(_ANYTHING)
    width = len(deployment.columns)
    row = {"type": "array", "items": cell, "minItems": width, "maxItems": width}
    split = {
        "type": "object",
        "required": ["columns", "index", "data"],
        "properties": {
            "columns": {"type": "array", "items": {"type": "string"}},
            "index": {"type": "array", "items": {"type": "integer", "format": "int64"}},
            "data": {"type": "array", "items": row},
        },
        "format": "pandas.DataFrame:split",
        # Rows are lists: what each place of a row holds can't be said in JSON schema's words of Swagger 2.
        "x-columns": [
            {"name": name, **_TYPES.get(deployment.types.get(name, ""), {})} for name in deployment.columns
        ],
    }
    example = deployment.example or {"columns": deployment.columns, "index": [], "data": []}
    return {
        "type": "object",
        "required": ["input_data"],
        "properties": {"input_data": split, "params": {"type": "object"}},
        "example": {"input_data": example},
    }


def _output(deployment: Deployment) -> dict[str, Any]:
    if deployment.script is not None:
        return dict(_ANYTHING)
    result = deployment.example_result or []
    if not isinstance(result, list):  # a model of another tool's making, which answers whatever it likes
        return {**_ANYTHING, "example": result}
    sample = (result or deployment.labels or [None])[0]
    item: dict[str, Any] = {"type": "object"}
    for kind, schema in ((bool, "boolean"), (int, "long"), (float, "double"), (str, "string")):
        if isinstance(sample, kind):
            item = dict(_TYPES[schema])
            break
    return {"type": "array", "items": item, "example": result}


def _error() -> dict[str, Any]:
    return {"type": "object", "properties": {"message": {"type": "string"}}}
