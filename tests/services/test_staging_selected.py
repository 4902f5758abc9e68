"""Columns that a configuration keeps out of training: no model sees them, and requests may still bring them along."""

from __future__ import annotations

import time

import pytest

from shared.domain.config import DatasetConfig
from shared.domain.config_sources import effective
from shared.domain.problems import InvalidRows
from shared.domain.rows.validation import RowValidator
from shared.domain.schema_change import breaking_changes
from shared.services.intake.staging import HOLDOUT, MLTABLE, TRAIN
from tests.support.staging_area import MemoryArea, people, refusal, staged

CONFIG = DatasetConfig(drop=("city", "joined"), id="code", imbalance="off")
RAW = people().replace("Bern", '"Bern, old"')


def test_nothing_of_them_is_staged() -> None:
    area = MemoryArea()
    done = staged(RAW, CONFIG, area=area)
    kept = ["age", "income", "member", "y"]
    assert [column.name for column in done.schema.columns] == kept[:-1]
    assert done.schema.passed == ("code", "city", "joined")
    for name in (TRAIN, HOLDOUT):
        rows = area.rows(name)
        assert rows[0] == kept
        assert {len(row) for row in rows} == {4}
    assert done.rows == done.train_rows + done.holdout_rows == 200
    assert b"city" not in area.blobs[MLTABLE]
    assert set(done.schema.example[0]) == set(kept[:-1])


def test_a_request_may_bring_them_along_or_not() -> None:
    check = RowValidator(staged(RAW, CONFIG).schema)
    row = {"age": 1, "income": 2.0, "member": True}
    brought = row | {"code": "00007", "city": "Oslo"}
    assert check.check_records([brought]).rows == check.check_records([row]).rows
    assert check.check_table(["code", *row], [["7", *row.values()]]).rows == check.check_records([row]).rows
    with pytest.raises(InvalidRows):
        check.check_records([row | {"town": "Oslo"}])


def test_keeping_a_column_out_breaks_no_caller() -> None:
    before, after = staged(RAW).schema, staged(RAW, CONFIG).schema
    assert breaking_changes(before, after) == []


@pytest.mark.parametrize(
    ("config", "key"), [(DatasetConfig(drop=("ctiy",)), "drop"), (DatasetConfig(id="cod"), "id")]
)
def test_one_that_is_not_there_is_told_with_the_one_meant(config: DatasetConfig, key: str) -> None:
    error = refusal(RAW, config)
    assert (error.error_code, error.where["line"]) == ("column-missing", 1)
    assert f"`{key}`" in error.message
    assert "Did you mean" in error.message


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("age, income", "[age, income]"),
        ("age,city, code", "[age, city, code]"),
        ("age, incme", "[age, income]"),
    ],
)
def test_a_list_without_brackets_is_told_as_that(said: str, right: str) -> None:
    error = refusal(RAW, DatasetConfig(drop=(said,)))
    assert error.error_code == "column-missing"
    assert f"A list stands in brackets: drop: {right}." in error.message
    assert "Did you mean" not in error.message
    assert error.example is not None
    assert (error.example.bad, error.example.good) == (f"drop: {said}", f"drop: {right}")


@pytest.mark.parametrize(
    ("key", "good"), [("drop", '"age #1"'), ("id", '"age #1"'), ("label", 'label: "age #1"')]
)
def test_a_name_that_yaml_has_cut_is_told_whole_and_in_quotation_marks(key: str, good: str) -> None:
    config = effective(DatasetConfig(), f"{key}: age #1\n".encode()).config
    error = refusal(RAW.replace("age", "age #1", 1), config)
    assert "Did you mean 'age #1'? In YAML a comment begins at ` #`" in error.message
    assert error.example is not None
    assert error.example.good == good


def test_thousands_that_are_not_there_are_told_in_a_moment() -> None:
    """What was meant is told of the first few alone: five thousand columns times as many names burnt hours of a processor."""
    header = ",".join(f"measured_{n}" for n in range(1000))
    absent = tuple(f"measure_{n}" for n in range(1000))
    began = time.process_time()
    error = refusal(f"{header},y\n", DatasetConfig(drop=absent))
    assert time.process_time() - began < 5
    assert "Did you mean 'measured_0'?" in error.message
    assert "Nor are 990 more" in error.message


@pytest.mark.parametrize("key", [None, "code"])
def test_a_configuration_that_leaves_nothing_to_learn_from_is_refused(key: str | None) -> None:
    features = ("code", "age", "income", "city", "member", "joined")
    error = refusal(RAW, DatasetConfig(drop=features[1:] if key else features, id=key))
    assert (error.error_code, error.where["line"]) == ("no-features", 1)
    assert "'y'" in error.message
    assert staged(RAW, DatasetConfig(drop=features[1:])).schema.columns[0].name == "code"
