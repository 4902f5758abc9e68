"""A scoring script's swagger: its own where it has one, else the server's with the dataset's columns."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.domain.schema import Column, Schema
from shared.services.scoring.described import described

ANYTHING = {"type": "object", "example": {}}
SCHEMA = Schema(
    label="y",
    columns=(
        Column("age", "integer"),
        Column("rate", "number", nullable=True),
        Column("job", "string"),
        Column("since", "datetime"),
    ),
    example=({"age": 7, "rate": None, "job": "nurse", "since": "2024-01-31", "id": "x"},),
)


def document(schemas: dict[str, Any], version: str) -> dict[str, Any]:
    if version == "2.0":
        return {"swagger": version, "definitions": schemas}
    return {"openapi": version, "components": {"schemas": schemas}}


@pytest.mark.parametrize(("version", "word"), [("2.0", "x-nullable"), ("3.0.3", "nullable")])
def test_an_object_of_anything_gets_the_datasets_columns(version: str, word: str) -> None:
    output = {"ServiceOutput": ANYTHING}
    body = json.dumps(document({"ServiceInput": ANYTHING, **output}, version)).encode()
    found = json.loads(described(body, SCHEMA))
    assert found == document({"ServiceInput": found_input(word), **output}, version)


def found_input(word: str) -> dict[str, Any]:
    row = {
        "type": "object",
        "properties": {
            "age": {"type": "integer", "format": "int64"},
            "rate": {"type": "number", "format": "double", word: True},
            "job": {"type": "string"},
            "since": {"type": "string", "format": "date-time"},
        },
        "required": ["age", "job", "since"],
    }
    example = [{"age": 7, "rate": None, "job": "nurse", "since": "2024-01-31"}]
    return {
        "type": "object",
        "properties": {"input_data": {"type": "array", "items": row}, "params": {"type": "object"}},
        "required": ["input_data"],
        "example": {"input_data": example},
    }


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(document({"ServiceInput": {"type": "object", "properties": {}}}, "2.0")).encode(),
        json.dumps(document({"Other": ANYTHING}, "3.1.0")).encode(),
        b'{"swagger": "2.0"}',
        b"[]",
        b"no JSON",
        b"\xff",
    ],
)
def test_what_describes_itself_or_is_of_another_kind_passes_as_it_is(body: bytes) -> None:
    assert described(body, SCHEMA) == body
