"""The OpenAPI document: complete, well-formed, exact per dataset; and the page that shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from functions import scoring as doors
from functions.openapi import document as openapi
from functions.openapi.parts import literal
from shared import bootstrap
from shared.domain.documents import from_json
from shared.domain.problems import InvalidRows
from shared.domain.run.serving import ServingEntry
from shared.domain.schema import Column
from shared.services.batches.named import allowed
from tests.support.scoring_support import ROW, Endpoint, body_of, call, request, serving_document

ROOT = Path(__file__).resolve().parents[2]
ENTRY = from_json(serving_document(Endpoint(url="http://nowhere")), ServingEntry)
SOURCES = ["incoming", "dropml-batch"]
DOCUMENT: dict[str, Any] = openapi.document([ENTRY], SOURCES)


def resolved(node: Any, seen: tuple[str, ...] = ()) -> Any:
    """The document with every reference replaced by what it points to."""
    if isinstance(node, list):
        return [resolved(item, seen) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        assert node["$ref"] not in seen
        target: Any = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return resolved(target, (*seen, node["$ref"]))
    return {key: resolved(value, seen) for key, value in node.items()}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def test_every_route_of_the_app_is_described_and_nothing_else() -> None:
    routes = set()
    for file in (ROOT / "functions").glob("*.py"):
        for route, methods in re.findall(r'route="([^"]+)", methods=\["(\w+)"\]', file.read_text()):
            routes.add((f"/api/{route}", methods.lower()))
    routes.discard(("/api/docs/{file}", "get"))  # the page's own parts
    routes -= {
        ("/api/dashboard/{*path}", "get"),
        ("/api/dashboard/{*path}", "post"),
    }  # pages, not an interface
    described = {
        (path.replace("/score/bank", "/score/{dataset}"), method) for path, method, _ in operations()
    }
    assert described == routes


def test_operations_are_complete() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(ids) == len(set(ids))
    for path, _, operation in operations():
        assert operation["summary"]
        assert ("500" in operation["responses"]) == (path != "/api/health")
        named = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path)), path
        if operation.get("security") != []:
            assert "401" in operation["responses"], path
        for status, response in operation["responses"].items():
            if int(status) >= 400 and status != "401":
                assert "application/problem+json" in resolved(response)["content"], (path, status)


def test_what_any_door_answers_stands_at_each() -> None:
    for path, _, operation in operations():
        if path not in ("/api/health", "/api/docs"):
            assert {"400", "401", "413", "415", "429", "500", "502", "503"} <= set(operation["responses"]), (
                path
            )
    assert "409" in DOCUMENT["paths"]["/api/pipelines/{dataset}/publish"]["post"]["responses"]


def test_an_answer_with_an_etag_has_a_304_beside_it() -> None:
    """Each door that gives one is described so, and no other."""
    described = set()
    for path, method, operation in operations():
        if "304" in operation["responses"]:
            assert "ETag" in operation["responses"]["200"]["headers"]
            assert "If-None-Match" in [each["name"] for each in operation["parameters"] if "name" in each]
            described.add((path, method))
    given = set()
    for file in (ROOT / "functions").glob("*.py"):
        for part in file.read_text().split("@bp.route(")[1:]:
            if "return tagged(" in part and (
                found := re.match(r'route="([^"]+)", methods=\["(\w+)"\]', part)
            ):
                given.add((f"/api/{found[1]}", found[2].lower()))
    assert described == given
    assert len(given) == 7


def test_it_is_json_and_its_schemas_are_valid() -> None:
    json.dumps(DOCUMENT, allow_nan=False)
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(resolved(schema))


def test_each_refusal_shows_a_document_of_its_status() -> None:
    validator = jsonschema.Draft202012Validator(resolved(DOCUMENT["components"]["schemas"]["Problem"]))
    for status, response in DOCUMENT["components"]["responses"].items():
        for media in response.get("content", {}).values():
            validator.validate(media["example"])
            assert media["example"]["status"] == int(status)


def rows_schema() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(resolved(DOCUMENT["components"]["schemas"]["Rows-bank"]))


def test_the_examples_fit_the_schema_and_the_validator() -> None:
    body = DOCUMENT["paths"]["/api/score/bank"]["post"]["requestBody"]["content"]
    examples = body["application/json"]["examples"]
    assert set(examples) == {"data", "input_data", "records"}
    for example in examples.values():
        rows_schema().validate(example["value"])
    rows = examples["records"]["value"]
    assert ENTRY.validator.check_records(rows).rows == [list(row.values()) for row in rows]
    assert body["text/csv"]["example"].startswith("age,job,euribor3m,member\n57,technician,1.299,True\n")


@pytest.mark.parametrize(
    "row",
    [
        ROW,
        {**ROW, "age": 3.0},
        {k: v for k, v in ROW.items() if k != "member"},
        {**ROW, "member": None},
        {**ROW, "job": "astronaut"},
        {**ROW, "age": "57"},
        {**ROW, "age": True},
        {**ROW, "age": 2**63},
        {**ROW, "age": None},
        {**ROW, "extra": 1},
        {k: v for k, v in ROW.items() if k != "age"},
        [1, 2],
    ],
)
def test_schema_and_validator_agree(row: Any) -> None:
    """What the document allows is taken, what it forbids is refused."""
    try:
        ENTRY.validator.check_records([row])
        taken = True
    except InvalidRows:
        taken = False
    for body in ([row], {"data": [row]}):
        assert rows_schema().is_valid(body) == taken


def answers_schema(document: dict[str, Any], slug: str = "bank") -> dict[str, Any]:
    ok: dict[str, Any] = document["paths"][f"/api/score/{slug}"]["post"]["responses"]["200"]
    return dict(ok["content"]["application/json"])


def test_the_examples_of_answers_fit_their_schema_and_others_do_not() -> None:
    media = resolved(answers_schema(DOCUMENT))
    check = jsonschema.Draft202012Validator(media["schema"])
    assert {"result", "probabilities", "list"} <= media["examples"].keys()
    for example in media["examples"].values():
        check.validate(example["value"])
    full = media["examples"]["probabilities"]["value"]
    assert full["classes"] == ["no", "yes"]
    for wrong in (
        {"probabilities": [[1.5, -0.5]]},
        {"probabilities": [[0.2, 0.3, 0.5]]},
        {"classes": ["no", "no"]},
        {"classes": ["no", "maybe"]},
        {"contributions": {"columns": ["age"]}},
    ):
        assert not check.is_valid({**full, **wrong}), wrong


@pytest.mark.parametrize(
    ("classes", "answered"),
    [(("0", "1"), [0, 1]), (("False", "True"), [False, True]), (("0.5", "nan"), [0.5, "nan"])],
)
def test_classes_are_told_as_the_model_types_them(classes: tuple[str, ...], answered: list[Any]) -> None:
    entry = replace(ENTRY, schema=replace(ENTRY.schema, classes=classes))
    document: dict[str, Any] = openapi.document([entry], SOURCES)
    json.dumps(document, allow_nan=False)
    first = answers_schema(document)["schema"]["anyOf"][0]["properties"]["classes"]
    check = jsonschema.Draft202012Validator(first)
    assert check.is_valid(answered)
    assert check.is_valid(list(classes))
    assert not check.is_valid(["other"])


def test_names_that_are_odd_in_a_schema_are_kept() -> None:
    doc = serving_document(Endpoint(url="http://nowhere"), dataset="a/b c")
    doc["slug"] = "a-b-c-1234"
    doc["schema"]["columns"] = [*doc["schema"]["columns"], {"name": "emp.var.rate", "type": "datetime"}]
    entry = from_json(doc, ServingEntry)
    document: dict[str, Any] = openapi.document([entry], SOURCES)
    assert "/api/score/a-b-c-1234" in document["paths"]
    row = document["components"]["schemas"]["Row-a-b-c-1234"]
    assert "emp.var.rate" in row["properties"]


def test_without_a_model_the_document_still_stands() -> None:
    document: dict[str, Any] = openapi.document([], SOURCES)
    paths = document["paths"]
    assert "/api/score" in paths
    assert not any(path.startswith("/api/score/") for path in paths)


@pytest.mark.parametrize(
    ("blob", "taken"),
    [
        ("incoming/a.csv", True),
        ("dropml-batch/in/über uns.csv", True),
        ("incoming/", False),
        ("incoming/../dropml-state/x", False),
        ("incoming/a/../../x", False),
        ("incoming/a//b", False),
        ("incoming/a\\..\\b", False),
        ("secrets/a.csv", False),
        ("incoming/a\nb", False),
    ],
)
def test_which_blobs_a_batch_may_be_read_from(blob: str, taken: bool) -> None:
    schema = DOCUMENT["components"]["schemas"]["BlobSource"]
    assert jsonschema.Draft202012Validator(schema).is_valid({"blob": blob}) == taken
    container, _, path = blob.partition("/")
    assert (container in SOURCES and allowed(path)) == taken


def test_what_training_saw_is_told_in_words() -> None:
    from functions.openapi.rows import column_schema

    assert "17 to 98" in str(column_schema(Column("age", "integer", minimum=17, maximum=98))["description"])
    nullable = column_schema(Column("m", "boolean", nullable=True))
    assert nullable["type"] == ["boolean", "null"]


# -- the doors -----------------------------------------------------------------------------------------------------


class Directory:
    def all(self) -> list[ServingEntry]:
        return [ENTRY]


def test_swagger_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "serving", Directory)
    monkeypatch.setattr(bootstrap, "batch_sources", lambda: SOURCES)
    response = call(doors.swagger, request(method="GET"))
    assert body_of(response) == json.loads(json.dumps(DOCUMENT))


def test_the_page_loads_only_its_own_parts_and_tells_nothing() -> None:
    page = call(doors.docs, request(method="GET"))
    text = page.get_body().decode()
    assert page.mimetype == "text/html"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "http" not in text
    assert "bank" not in text
    for name in re.findall(r'(?:src|href)="docs/([^"]+)"', text):
        part = call(doors.docs_asset, request(method="GET", route={"file": name}))
        assert part.status_code == 200
        assert len(part.get_body()) > 500
    other = call(doors.docs_asset, request(method="GET", route={"file": "../scoring.py"}))
    assert (other.status_code, body_of(other)["code"]) == (404, "not-found")


@pytest.mark.parametrize(
    "text",
    [
        "![x](https://elsewhere/x.png)",
        "<input autofocus onfocus=alert(1)>",
        "`` ![x](https://elsewhere) ``",
        "a`b",
        "`",
        "[click](javascript:alert(1))",
        "line\n\n# heading <script>",
        "\x00\u2028<b>",
    ],
)
def test_what_stands_in_the_data_is_text_in_the_descriptions(text: str) -> None:
    """Swagger UI shows descriptions as markdown: a value in one could load an image or draw a form."""
    told = literal(text)
    fence = max(re.findall("`+", told), key=len)
    assert told.startswith(fence)
    assert told.endswith(fence)
    inner = told[len(fence) : -len(fence)]
    assert fence not in inner
    assert inner[:1] != "`"
    assert inner[-1:] != "`"
    assert "\n" not in told
    marked = f"{text} marked"
    schema = replace(
        ENTRY.schema,
        label=marked,
        classes=(marked, "no"),
        columns=(Column("job", "string", categories=(marked,)), *ENTRY.schema.columns[2:]),
    )
    told_of = [
        description
        for description in _descriptions(openapi.document([replace(ENTRY, schema=schema)], SOURCES))
        if "marked" in description
    ]
    assert len(told_of) >= 3
    assert not any("marked" in description.replace(literal(marked), "") for description in told_of)


def _descriptions(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("description"), str):
            yield node["description"]
        for value in node.values():
            yield from _descriptions(value)
    elif isinstance(node, list):
        for value in node:
            yield from _descriptions(value)
