"""The column that tells rows apart: no model sees it, and its values come back with the answers as they came."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from functions import scoring as doors
from functions.openapi import document as openapi
from shared import bootstrap
from shared.adapters.telemetry import NoTelemetry
from shared.domain.config import DatasetConfig
from shared.domain.documents import to_json
from shared.domain.rows import formulas
from tests.conftest import StorageAccount
from tests.support.scoring_batches import HEADER, batch_bench
from tests.support.scoring_support import ROW, SCHEMA, App, Endpoint, Scripted, body_of, call, request, serve
from tests.support.staging_area import people, staged

KNOWING = replace(SCHEMA, passed=("note", "customer"), id="customer")
OTHER = dict(SCHEMA.example[1])


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    with serve(Endpoint()) as endpoint:
        app = App(endpoint)
        app.publish(schema=to_json(KNOWING))
        monkeypatch.setattr(bootstrap, "scoring", lambda: app.scoring)
        monkeypatch.setattr(bootstrap, "telemetry", NoTelemetry)
        yield app


def score(body: Any, **kwargs: Any) -> Any:
    return call(doors.score, request(body, route={"dataset": "bank"}, **kwargs))


def test_staging_keeps_which_one_it_is() -> None:
    assert staged(people(), DatasetConfig(id="code")).schema.id == "code"
    assert staged(people(), DatasetConfig(drop=("code",))).schema.id is None


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        (["00017", "x;y"], ["00017", "x;y"]),
        ([17, 2.5], [17, 2.5]),
        ([True, None], [True, None]),
        (["a"], ["a", None]),
    ],
)
def test_the_values_of_records_come_back(app: App, ids: list[Any], told: list[Any]) -> None:
    rows = [dict(ROW), dict(OTHER)]
    for row, value in zip(rows, ids, strict=False):
        row["customer"] = value
    for body in (rows, {"data": rows}):
        assert body_of(score(body)) == {"result": ["yes", "no"], "ids": told}
    sent = json.loads(app.endpoint.seen[-1]["body"])["input_data"]
    assert "customer" not in sent["columns"]
    assert body_of(score(rows, params={"shape": "list"})) == ["yes", "no"], "the bare list stays one"


def test_so_do_those_of_tables_and_of_csv(app: App) -> None:
    columns = ["customer", *ROW, "note"]
    data = [[f"c{at}", *row.values(), "?"] for at, row in enumerate((ROW, OTHER))]
    body = {"input_data": {"columns": columns, "data": data}}
    assert body_of(score(body)) == {"result": ["yes", "no"], "ids": ["c0", "c1"]}
    lines = f'customer,{HEADER}\n007,57,technician,1.3,true\n"a,b",30,admin.,4.8,\n'.encode()
    answer = score(lines, headers={"content-type": "text/csv", "accept": "text/csv"})
    assert list(csv.reader(io.StringIO(answer.get_body().decode()))) == [
        ["customer", "prediction"],
        ["007", "yes"],
        ["a,b", "no"],
    ]


def test_without_it_answers_are_as_they_were(app: App) -> None:
    assert body_of(score([ROW])) == {"result": ["yes"]}
    assert score([ROW], headers={"accept": "text/csv"}).get_body() == b"prediction\r\nyes\r\n"


@pytest.mark.parametrize("value", ["[1]", "{}", '"\\ud800"', "1e999"])
def test_what_no_answer_could_hold_is_refused_at_its_row(app: App, value: str) -> None:
    body = json.dumps([ROW, {**ROW, "customer": 0}]).replace('"customer": 0', f'"customer": {value}').encode()
    for accept in ("application/json", "text/csv"):
        answer = score(body, headers={"accept": accept})
        assert answer.status_code == 422
        (issue,) = body_of(answer)["errors"]
        assert (issue["field"], issue["row"]) == ("customer", 1)
    assert not app.endpoint.seen


@pytest.mark.parametrize(("neutralise", "front"), [(True, "'"), (False, "")])
def test_a_csv_answer_holds_nothing_that_a_spreadsheet_runs(
    app: App, monkeypatch: pytest.MonkeyPatch, neutralise: bool, front: str
) -> None:
    monkeypatch.setattr(app.scoring, "neutralise", neutralise)
    app.endpoint.script = [Scripted(200, b'["=1+1", "@x", "-3"]')]
    rows = [{**ROW, "customer": value} for value in ("+cmd", 5, "plain")]
    found = csv.reader(io.StringIO(score(rows, params={"shape": "csv"}).get_body().decode()))
    assert list(found)[1:] == [[f"{front}+cmd", f"{front}=1+1"], ["5", f"{front}@x"], ["plain", "-3"]]
    app.endpoint.script = [Scripted(200, b'["=1+1"]')]
    assert body_of(score([ROW])) == {"result": ["=1+1"]}, "JSON is no spreadsheet's"


def test_a_batch_has_it_in_front_and_bad_rows_keep_theirs(
    storage_account: StorageAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    with batch_bench(storage_account, monkeypatch) as bench:
        bench.app.publish(schema=to_json(KNOWING))
        batch = bench.take(
            bench.upload(f"{HEADER},customer,note\n57,technician,1.3,,007,n\nold,admin.,4.8,true,=1+1,m\n1\n")
        )
        bench.work()
        out = bench.output(batch)
        assert list(out[0]) == ["customer", *HEADER.split(","), "note", "prediction", "prediction_error"]
        assert [row["customer"] for row in out] == ["007", str(formulas.neutral("=1+1")), ""]
        assert (out[0]["age"], out[0]["note"], out[0]["prediction"]) == ("57", "n", "yes")
        assert (out[1]["age"], out[1]["prediction"]) == ("old", "")
        assert "1 values" in out[2]["prediction_error"]


def test_the_document_lists_what_no_model_sees() -> None:
    with serve(Endpoint()) as endpoint:
        app = App(endpoint)
        app.publish(schema=to_json(KNOWING))
        document: Any = openapi.document(app.directory.all(), ["incoming"])
    row = document["components"]["schemas"]["Row-bank"]
    assert {"customer", "note"} <= row["properties"].keys()
    assert not {"customer", "note"} & set(row["required"])
    check = jsonschema.Draft202012Validator(row)
    assert check.is_valid({**ROW, "customer": "007", "note": [1]})
    assert not check.is_valid({**ROW, "customer": [1]})
    answers = document["paths"]["/api/score/bank"]["post"]["responses"]["200"]["content"]["application/json"][
        "schema"
    ]
    assert answers["anyOf"][0]["properties"].keys() >= {"result", "ids"}
