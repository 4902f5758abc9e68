"""The swagger of a scoring script that doesn't describe itself, with the columns of its dataset.

The inference server describes such a script's body as an object of anything (azureml_inference_server_http/server/swagger.py,
1.5.1). The project's own script writes a description beside itself, where Azure lets it write there.
"""

from __future__ import annotations

import json
from typing import Any

from shared.domain.schema import Column, Schema

_ANYTHING = {"type": "object", "example": {}}
_TYPES: dict[str, dict[str, str]] = {
    "integer": {"type": "integer", "format": "int64"},
    "number": {"type": "number", "format": "double"},
    "datetime": {"type": "string", "format": "date-time"},
}


def described(body: bytes, schema: Schema) -> bytes:
    """`body` as it is, unless it says nothing of what the endpoint takes."""
    try:
        document = json.loads(body)
        old = "definitions" in document
        schemas = document["definitions"] if old else document["components"]["schemas"]
        if schemas["ServiceInput"] != _ANYTHING:
            return body
    except (ValueError, KeyError, TypeError):
        return body  # whoever wrote that knows why
    nullable = "x-nullable" if old else "nullable"
    row = {
        "type": "object",
        "properties": {column.name: _cell(column, nullable) for column in schema.columns},
        "required": [column.name for column in schema.columns if not column.nullable],
    }
    rows: dict[str, Any] = {"type": "array", "items": row}
    schemas["ServiceInput"] = {
        "type": "object",
        "properties": {"input_data": rows, "params": {"type": "object"}},
        "required": ["input_data"],
    }
    if schema.example:
        names = [column.name for column in schema.columns]
        example = [{name: told.get(name) for name in names} for told in schema.example]
        schemas["ServiceInput"]["example"] = {"input_data": example}
    return json.dumps(document, ensure_ascii=False).encode()


def _cell(column: Column, nullable: str) -> dict[str, Any]:
    cell: dict[str, Any] = dict(_TYPES.get(column.type, {"type": column.type}))
    return {**cell, nullable: True} if column.nullable else cell
