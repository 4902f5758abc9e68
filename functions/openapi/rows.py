"""JSON Schemas and examples of one dataset's rows, in every shape that scoring takes."""

from __future__ import annotations

import csv
import io

from functions.openapi.parts import TEXT, Doc, literal, ref
from shared.domain.rows.cells import INT64_MAX, INT64_MIN
from shared.domain.run.serving import ServingEntry
from shared.domain.schema import Column, Schema

#: One value of the column that tells rows apart.
ID: Doc = {"type": ["string", "number", "boolean", "null"]}


def column_schema(column: Column) -> Doc:
    """JSON Schema of one field. Seen categories are told in words: an unseen one is a warning, not an error."""
    doc: Doc = {"type": "string" if column.type == "datetime" else column.type}
    if column.type == "integer":
        doc |= {"format": "int64", "minimum": INT64_MIN, "maximum": INT64_MAX}
    elif column.type == "number":
        doc["format"] = "double"
    elif column.type == "datetime":
        doc["anyOf"] = [{"format": "date"}, {"format": "date-time"}]
    told = []
    if column.categories:
        told.append("Seen in training: " + ", ".join(map(literal, column.categories[:50])) + ".")
    if column.minimum is not None and column.maximum is not None:
        told.append(f"In training from {column.minimum:g} to {column.maximum:g}.")
    if told:
        doc["description"] = " ".join(told)
    if column.nullable:
        doc["type"] = [doc["type"], "null"]
    return doc


def row_schema(schema: Schema) -> Doc:
    passed: Doc = {name: {"description": "Taken, and seen by no model."} for name in schema.passed}
    if schema.id:
        passed[schema.id] = ID | {
            "description": "Tells rows apart, is seen by no model, and comes back in `ids`."
        }
    return {
        "type": "object",
        "properties": {column.name: column_schema(column) for column in schema.columns} | passed,
        "required": [column.name for column in schema.columns if not column.nullable],
        "additionalProperties": False,
    }


def example_rows(schema: Schema) -> list[dict[str, object]]:
    """The schema's real rows, with the features alone."""
    names = [column.name for column in schema.columns]
    return [{name: row[name] for name in names if name in row} for row in schema.example]


def _input_data(schema: Schema) -> Doc:
    """The table form.

    That a row has as many values as there are columns is beyond JSON Schema; `prefixItems` says what stands where for
    the columns in file order, which this form fixes.
    """
    names = [column.name for column in schema.columns]
    row = {
        "type": "array",
        "prefixItems": [column_schema(column) for column in schema.columns],
        "items": False,
        "minItems": len(names),
    }
    table = {
        "type": "object",
        "properties": {
            "columns": {"const": names},
            "data": {"type": "array", "items": row, "minItems": 1},
        },
        "required": ["columns", "data"],
        "additionalProperties": False,
    }
    return only("input_data", table)


def only(name: str, schema: Doc) -> Doc:
    return {"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": False}


def body(slug: str, schema: Schema) -> Doc:
    rows = example_rows(schema)
    names = [column.name for column in schema.columns]
    data = [[row.get(name) for name in names] for row in rows]
    examples: Doc = {
        "data": {"summary": "Records under data", "value": {"data": rows}},
        "input_data": {
            "summary": "A table, as MLflow takes it",
            "value": {"input_data": {"columns": names, "data": data}},
        },
        "records": {"summary": "A list of records", "value": rows},
    }
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([names, *data])
    return {
        "required": True,
        "content": {
            "application/json": {
                "schema": ref(f"Rows-{slug}"),
                **({"examples": examples} if rows else {}),
            },
            "text/csv": {"schema": TEXT, **({"example": out.getvalue()} if rows else {})},
        },
    }


def dataset_schemas(entry: ServingEntry) -> Doc:
    row = ref(f"Row-{entry.slug}")
    some = {"type": "array", "items": row, "minItems": 1}
    return {
        f"Row-{entry.slug}": row_schema(entry.schema),
        f"Rows-{entry.slug}": {"anyOf": [only("data", some), _input_data(entry.schema), some]},
    }
