"""A batch with a column of probabilities for each class: fixed when it is taken, whatever is promoted meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.batches import Batch
from shared.domain.documents import from_json, to_json
from shared.domain.errors import Conflict, InvalidInput
from tests.conftest import StorageAccount
from tests.support.scoring_batches import HEADER, Bench, batch_bench, rows
from tests.support.scoring_support import SCHEMA, Scripted

SCRIPT, NO_CODE, OTHER = "m1-a1", "m2-a1", "m3-a1"
VERSIONS = {
    SCRIPT: {"run_id": "bank-1-a1", "model": "bank:1", "mode": "script"},
    NO_CODE: {"run_id": "bank-2-a1", "model": "bank:2", "mode": "no_code"},
    OTHER: {"run_id": "bank-3-a1", "model": "bank:3", "mode": "script"},
}


@pytest.fixture
def bench(storage_account: StorageAccount, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with batch_bench(storage_account, monkeypatch) as bench:
        bench.app.endpoint.deployments = set(VERSIONS)
        bench.app.endpoint.scripts = {SCRIPT: ["no", "yes"], OTHER: ["maybe", "yes", "no"]}
        live(bench, SCRIPT)
        yield bench


def live(bench: Bench, deployment: str, **changes: Any) -> None:
    bench.app.publish(live=deployment, traffic={deployment: 100}, deployments=VERSIONS, **changes)
    bench.app.directory.refresh("bank")


def take(bench: Bench, text: str, proba: str = "true", key: str | None = None) -> dict[str, Any]:
    body = json.dumps({"blob": bench.upload(text)}).encode()
    return to_json(bench.batches.create("bank", body, "application/json", key, proba))


def test_each_class_has_a_column_behind_the_others(bench: Bench) -> None:
    batch = take(bench, rows(200))
    assert batch["classes"] == ["no", "yes"]
    bench.work()
    out = bench.output(batch)
    columns = ["prediction", "prediction_error", "probability_no", "probability_yes"]
    assert list(out[0]) == [*HEADER.split(","), *columns]
    for row in out:
        share = int(row["age"]) / 100
        assert (float(row["probability_no"]), float(row["probability_yes"])) == (1 - share, share)
        assert row["prediction"] == ("yes" if share >= 0.5 else "no")


def test_who_does_not_ask_gets_the_columns_of_old(bench: Bench) -> None:
    for proba in ("", "false"):
        batch = take(bench, rows(10), proba)
        bench.work()
        assert list(bench.output(batch)[0]) == [*HEADER.split(","), "prediction", "prediction_error"]
    assert {str(json.loads(each["body"])["params"]) for each in bench.app.endpoint.seen} == {
        "{'method': 'predict'}"
    }


def test_the_setting_stands_in_where_the_model_has_them(bench: Bench) -> None:
    bench.app.scoring.probabilities = True
    assert take(bench, rows(1), "")["classes"] == ["no", "yes"]
    assert take(bench, rows(1), "false")["classes"] == []
    live(bench, NO_CODE)
    assert take(bench, rows(1), "")["classes"] == []
    live(bench, SCRIPT, schema=to_json(replace(SCHEMA, classes=())))
    assert take(bench, rows(1), "")["classes"] == []


def test_a_model_without_them_is_told_before_anything_is_taken(bench: Bench) -> None:
    live(bench, NO_CODE)
    with pytest.raises(Conflict) as caught:
        take(bench, rows(1))
    assert caught.value.error_code == "no-probabilities"
    live(bench, SCRIPT, schema=to_json(replace(SCHEMA, classes=())))
    with pytest.raises(Conflict, match="predicts a number"):
        take(bench, rows(1))
    with pytest.raises(InvalidInput):
        take(bench, rows(1), "perhaps")
    assert bench.batches.open.entries() == {}


def test_a_bad_row_has_no_probabilities_and_taken_names_are_kept_apart(bench: Bench) -> None:
    live(bench, SCRIPT, schema=to_json(replace(SCHEMA, passed=("probability_no",))))
    text = f"{HEADER},probability_no\n57,technician,1.3,,mine\nold,technician,1.3,,too\n30\n"
    batch = take(bench, text)
    bench.work()
    good, bad, short = bench.output(batch)
    assert (good["probability_no"], good["probability_no_2"], good["probability_yes"]) == (
        "mine",
        str(1 - 0.57),
        "0.57",
    )
    for row in (bad, short):
        assert row["prediction_error"]
        assert (row["probability_no_2"], row["probability_yes"]) == ("", "")
        assert None not in row, "no row is longer than the header"


def test_columns_stay_whatever_is_promoted_meanwhile(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes in another order and one more; then a deployment without any; then the first one again."""
    monkeypatch.setattr("shared.services.batches.csv_chunks.CHUNK_ROWS", 50)
    batch = take(bench, rows(200))
    turn = iter([SCRIPT, OTHER, NO_CODE, SCRIPT])
    predict = bench.app.scoring.predict

    def drawn(entry: Any, *args: Any, **kwargs: Any) -> Any:
        live(bench, next(turn))
        return predict(bench.app.scoring.entry("bank"), *args, **kwargs)

    monkeypatch.setattr(bench.app.scoring, "predict", drawn)
    assert bench.work() == 200
    out = bench.output(batch)
    assert bench.show(batch)["models"] == {"bank:1": 100, "bank:3": 50, "bank:2": 50}
    for at, row in enumerate(out):
        share = int(row["age"]) / 100
        told = (row["probability_no"], row["probability_yes"])
        if at // 50 == 2:
            assert told == ("", "")
        elif at // 50 == 1:
            assert told == ("0.0", str(share)), "by its class, wherever that stands in the answer"
        else:
            assert told == (str(1 - share), str(share))


def test_classes_are_met_by_word_whatever_the_model_made_of_them(bench: Bench) -> None:
    live(bench, SCRIPT, schema=to_json(replace(SCHEMA, classes=("1.0", "TRUE", "=x\n"))))
    answer = {"result": [1], "probabilities": [[0.5, 0.25, 0.25]], "classes": ["=x\n", 1, True]}
    bench.app.endpoint.script = [Scripted(200, json.dumps(answer).encode())]
    batch = take(bench, f"{HEADER}\n57,technician,1.3,\n")
    bench.work()
    (row,) = bench.output(batch)
    assert list(row)[-3:] == ["probability_1.0", "probability_TRUE", "probability_=x_"]
    assert [row[name] for name in list(row)[-3:]] == ["0.25", "0.25", "0.5"]


def test_the_same_key_with_and_without_probabilities_is_another_request(bench: Bench) -> None:
    first = take(bench, rows(5), "true", "k1")
    assert take(bench, rows(5), "true", "k1")["id"] == first["id"]
    with pytest.raises(Conflict):
        take(bench, rows(5), "", "k1")


def test_many_classes_are_asked_for_in_smaller_parts(bench: Bench) -> None:
    classes = [f"c{at:03}" for at in range(500)]
    bench.app.endpoint.scripts[SCRIPT] = classes
    live(bench, SCRIPT, schema=to_json(replace(SCHEMA, classes=tuple(classes))))
    batch = take(bench, rows(250))
    bench.work()
    assert len(bench.output(batch)) == 250
    sent = [len(json.loads(each["body"])["input_data"]["data"]) for each in bench.app.endpoint.seen]
    assert sent == [100, 100, 50]


def test_a_batch_of_an_earlier_release_is_worked_off_as_it_was_begun(bench: Bench) -> None:
    batch = take(bench, rows(10), "")
    path = f"batches/bank/{batch['id']}.json"
    found = bench.batches.documents.get(path)
    assert found is not None
    old = {name: value for name, value in found[0].items() if name != "classes"}
    assert from_json(old, Batch).classes == []
    bench.batches.documents.replace(path, old, found[1])
    bench.app.scoring.probabilities = True
    bench.work()
    assert list(bench.output(batch)[0])[-1] == "prediction_error"
