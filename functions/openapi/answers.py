"""JSON Schemas and examples of what scoring one dataset's rows answers."""

from __future__ import annotations

import json
from math import isfinite

from functions.openapi.parts import NUMBER, TEXT, Doc, listing, literal, record, ref
from functions.openapi.rows import ID
from shared.domain.labels import canonical_label
from shared.domain.schema import Schema

SHARE: Doc = {"type": "number", "minimum": 0, "maximum": 1}


def result_schema(schema: Schema) -> Doc:
    """What one row gives: a class label, or a number for regression. Labels come as the training file typed them."""
    if not schema.classes:
        return NUMBER
    return {"description": "One of the classes: " + ", ".join(map(literal, schema.classes[:50]))}


def _class(schema: Schema) -> Doc:
    """A class by its word, or by the number or truth value that the model made of it."""
    typed = {json.dumps(value): value for word in schema.classes if (value := _typed(word)) is not None}
    return {"enum": [*schema.classes, *typed.values()]}


def _typed(word: str) -> float | bool | None:
    plain = canonical_label(word)
    if plain in ("true", "false"):
        return plain == "true"
    try:
        number = float(plain)
    except ValueError:
        return None
    if not isfinite(number):
        return None
    return int(number) if number.is_integer() else number


def _certainty(schema: Schema) -> dict[str, Doc]:
    """What `proba=true` adds."""
    if not schema.classes:
        pair: Doc = {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2}
        ends = "A low and a high end for each row, where the model has them."
        return {
            "intervals": {**listing(pair), "description": ends},
            "coverage": {
                **SHARE,
                "type": ["number", "null"],
                "description": "The share of values between them.",
            },
        }
    most = len(schema.classes)
    shares: Doc = {"type": "array", "items": SHARE, "minItems": 1, "maxItems": most}
    return {
        "probabilities": {
            **listing(shares),
            "description": "For each row one for each of `classes`, in their order.",
        },
        "classes": {
            "type": "array",
            "items": _class(schema),
            "minItems": 1,
            "maxItems": most,
            "uniqueItems": True,
        },
    }


def _contributions(schema: Schema) -> Doc:
    """What `explain=true` adds."""
    of: Doc = {
        "type": ["array", "null"],
        "description": "For each row the class whose probability is explained.",
    }
    if schema.classes:
        of["items"] = _class(schema)
    parts = {
        "columns": listing(TEXT),
        "of": of,
        "base": listing(NUMBER),
        "values": {
            **listing(listing(NUMBER)),
            "description": "For each row one number for each of `columns`.",
        },
        "method": TEXT,
    }
    told = "What each column adds to each row's score: `base` and `values` of a row sum up to it."
    return {**record(parts), "additionalProperties": False, "description": told}


def answer_schema(schema: Schema) -> Doc:
    """Of all shapes: the object, the bare list, and the list of objects where a list is asked for more."""
    one = result_schema(schema)
    more = {
        **_certainty(schema),
        "contributions": _contributions(schema),
        "warnings": listing(ref("RowIssue")),
    }
    row: dict[str, Doc] = (
        {"probabilities": {"type": "object", "additionalProperties": SHARE}}
        if schema.classes
        else {"interval": listing(NUMBER)}
    )
    why: dict[str, Doc] = {
        "of": _class(schema) if schema.classes else {"type": "null"},
        "base": NUMBER,
        "values": {"type": "object", "additionalProperties": NUMBER},
    }
    row["contributions"] = {**record(why), "additionalProperties": False}
    if schema.id:
        more["ids"], row["id"] = listing(ID), ID
    objects = {**record({"result": one}, **row), "additionalProperties": False}
    return {
        "anyOf": [
            {**record({"result": listing(one)}, **more), "additionalProperties": False},
            listing(one),
            listing(objects),
        ]
    }


def answer_examples(schema: Schema) -> Doc:
    """Answers to the example rows: plain, and with `proba=true`."""
    rows = max(1, len(schema.example))
    if not schema.classes:
        return {}
    first, *others = schema.classes
    share = [0.9, *([round(0.1 / len(others), 6)] * len(others))] if others else [1.0]
    plain: Doc = {"result": [first] * rows}
    full = {**plain, "probabilities": [share] * rows, "classes": [*schema.classes]}
    by_row = {"result": first, "probabilities": dict(zip(schema.classes, share, strict=True))}
    return {
        "result": {"summary": "As it comes", "value": plain},
        "probabilities": {"summary": "With proba=true", "value": full},
        "list": {"summary": "With shape=list", "value": [first] * rows},
        "list of objects": {"summary": "With shape=list and proba=true", "value": [by_row] * rows},
    }
