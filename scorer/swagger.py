"""What the deployment takes and answers, as files that the inference server finds and serves under /swagger.json.

azureml_inference_server_http/server/swagger.py, 1.5.1: after `init` it reads swagger2.json, swagger3.json and
swagger3.1.json of AML_APP_ROOT; without them it describes a script's body as an object of anything.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from scorer.answer import Served
from scorer.request import MAX_EXPLAINED, MAX_ROWS, METHODS

Schema = dict[str, Any]
_INTEGER, _NUMBER, _TEXT = {"type": "integer", "format": "int64"}, {"type": "number"}, {"type": "string"}
_TYPES: dict[str, Schema] = {
    "long": _INTEGER,
    "integer": {"type": "integer", "format": "int32"},
    "double": {"type": "number", "format": "double"},
    "float": {"type": "number", "format": "float"},
    "boolean": {"type": "boolean"},
    "string": _TEXT,
    "datetime": {"type": "string", "format": "date-time"},
}
_SAMPLES = {"boolean": True, "string": "", "datetime": "2024-01-31T00:00:00", "double": 0.5, "float": 0.5}
_NEVER_MISSING = {"long", "integer"}
_JSON = "application/json"
_BEARER = {"type": "apiKey", "name": "Authorization", "in": "header", "description": "Bearer KEY"}


def publish(model: Served, model_dir: Path, code: Path, title: str) -> list[str]:
    """Write the files where `code`, this package's own folder, is what the server serves; their names. Raises OSError."""
    root = os.environ.get("AML_APP_ROOT")
    if not root or Path(root).resolve() != code.resolve():
        return []
    found = documents(model, model_dir, title, os.environ.get("SERVICE_PATH_PREFIX", ""))
    for name, document in found.items():
        (code / name).write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return list(found)


def documents(model: Served, model_dir: Path, title: str, prefix: str = "") -> dict[str, Schema]:
    """By the files' names; none of a model that names no columns."""
    if model.columns is None:
        return {}
    sample, below = _sample(model, model_dir), prefix.strip("/")
    return {
        "swagger2.json": _version_2(model, sample, title, f"/{below}/score" if below else "/score"),
        "swagger3.json": _version_3(model, sample, title, "3.0.3"),
        "swagger3.1.json": _version_3(model, sample, title, "3.1.0"),
    }


def _version_2(model: Served, sample: dict[str, Any], title: str, path: str) -> Schema:
    def refer(name: str) -> Schema:
        return {"schema": {"$ref": f"#/definitions/{name}"}}

    taken = {"name": "serviceInputPayload", "in": "body", "required": True, **refer("ServiceInput")}
    operation = {"parameters": [taken], "responses": _responses(refer)}
    return {
        "swagger": "2.0",
        "info": _info(title),
        "schemes": ["https"],
        "consumes": [_JSON],
        "produces": [_JSON],
        "securityDefinitions": {"Bearer": _BEARER},
        "paths": {path: {"post": _operation(operation)}},
        "definitions": _schemas(model, sample, "2.0"),
    }


def _version_3(model: Served, sample: dict[str, Any], title: str, version: str) -> Schema:
    def refer(name: str) -> Schema:
        return {"content": {_JSON: {"schema": {"$ref": f"#/components/schemas/{name}"}}}}

    operation = {"requestBody": {"required": True, **refer("ServiceInput")}, "responses": _responses(refer)}
    return {
        "openapi": version,
        "info": _info(title),
        "paths": {"/score": {"post": _operation(operation)}},
        "components": {
            "schemas": _schemas(model, sample, version),
            "securitySchemes": {"Bearer": _BEARER},
        },
    }


def _info(title: str) -> Schema:
    description = f"API specification for the Azure Machine Learning service {title}"
    return {"title": title, "description": description, "version": "1.0"}


def _operation(more: Schema) -> Schema:
    summary = "Run web service's model and get the prediction output"
    return {"operationId": "RunMLService", "description": summary, "security": [{"Bearer": []}], **more}


def _responses(refer: Any) -> Schema:
    told = "What is wrong: an endpoint answers 424 with the script's own status in ms-azureml-model-error-statuscode."
    scored = {"description": "The rows' results.", **refer("ServiceOutput")}
    return {"200": scored, "default": {"description": told, **refer("ErrorResponse")}}


def _schemas(model: Served, sample: dict[str, Any], version: str) -> Schema:
    error = {"message": _TEXT, "code": _TEXT, "errors": _list({"type": "object"})}
    return {
        "ServiceInput": _input(model, sample, version),
        "ServiceOutput": _output(model),
        "ErrorResponse": _object(error, ["message"]),
    }


def _object(properties: Schema, required: list[str] | None = None) -> Schema:
    return {"type": "object", "properties": properties} | ({"required": required} if required else {})


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _input(model: Served, sample: dict[str, Any], version: str) -> Schema:
    columns = model.columns or []
    cells = {name: _cell(_type(model, name), version) for name in columns}
    rows = {
        "description": "A list of records, or a table of columns, index and data.",
        **_list(_object(cells, [name for name in columns if name not in model.optional])),
        "maxItems": MAX_ROWS,
    }
    explain = {
        "type": "boolean",
        "description": f"What each column contributes, of up to {MAX_EXPLAINED} rows.",
    }
    params: Schema = {"explain": explain}
    if model.labels is not None:
        params["method"] = {"type": "string", "enum": list(METHODS)}
        if len(model.labels) == 2:
            params["threshold"] = {"type": "number", "minimum": 0, "maximum": 1}
    found = _object({"input_data": rows, "params": _object(params)}, ["input_data"])
    return {**found, "example": {"input_data": [sample]}}


def _type(model: Served, name: str) -> str:
    return model.signature.types.get(name, "") if model.signature is not None else ""


def _cell(kind: str, version: str) -> Schema:
    """Of a column; whatever may be missing may be null, which Swagger 2 has no word for."""
    found = dict(_TYPES.get(kind, {}))
    if not found or kind in _NEVER_MISSING:
        return found
    if version == "3.1.0":
        return {**found, "type": [found["type"], "null"]}
    return {**found, "x-nullable" if version == "2.0" else "nullable": True}


def _output(model: Served) -> Schema:
    answered: Schema = _label(model.labels) if model.labels is not None else {}
    found: Schema = {"result": _list(answered), "model": _TEXT}
    if model.labels is not None:
        found |= {
            "probabilities": _list(_list(_NUMBER)),
            "classes": {**_list(answered), "example": model.labels},
        }
        if len(model.labels) == 2:
            found["threshold"] = _NUMBER
    numbers = {
        "base": _list(_NUMBER),
        "values": _list(_list(_NUMBER)),
        "of": _list(answered),
        "method": _TEXT,
    }
    found["contributions"] = _object({"columns": _list(_TEXT), **numbers})
    return _object(found, ["result"])


def _label(labels: list[Any]) -> Schema:
    for kind, schema in ((bool, {"type": "boolean"}), (int, _INTEGER), (float, _NUMBER), (str, _TEXT)):
        if all(isinstance(label, kind) for label in labels):
            return dict(schema)
    return {}


def _sample(model: Served, model_dir: Path) -> dict[str, Any]:
    """The first row of the model's own input example, else one of its types."""
    columns = model.columns or []
    try:
        example = json.loads((model_dir / "input_example.json").read_text(encoding="utf-8"))
        row = dict(zip(example["columns"], example["data"][0], strict=True))
        return {name: row[name] for name in columns}
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return {name: _SAMPLES.get(_type(model, name), 0) for name in columns}
