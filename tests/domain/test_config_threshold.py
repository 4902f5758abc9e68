"""How a dataset's threshold is said: in its file, in metadata, in the settings; and what is told where it can't be taken."""

from __future__ import annotations

import json

import pytest

from shared.domain.config import DatasetConfig
from shared.domain.config_owner import Owner
from shared.domain.config_sources import decided, defaults, effective
from shared.domain.config_threshold import threshold_in_words
from shared.domain.documents import from_json, to_json
from shared.domain.errors import InvalidConfig, InvalidSetting
from shared.domain.threshold import Cost, ThresholdRule
from shared.settings import read

OWNED = DatasetConfig()


def said(text: str) -> ThresholdRule | None:
    return effective(OWNED, text.encode(), sidecar_name="bank.yaml").config.threshold


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("threshold: 0.3", ThresholdRule(value=0.3)),
        ("threshold: 0", ThresholdRule(value=0.0)),
        ("threshold: none", None),
        ("threshold:", None),
        ("threshold: {maximise: f1}", ThresholdRule(maximise="f1")),
        ("threshold: {maximise: balanced-accuracy}", ThresholdRule(maximise="balanced_accuracy")),
        ("threshold: {maximise: MCC, positive: 007}", ThresholdRule(maximise="mcc", positive="007")),
        ("threshold: {min_precision: 0.8}", ThresholdRule(min_precision=0.8)),
        ("threshold: {min_recall: .9, positive: no}", ThresholdRule(min_recall=0.9, positive="no")),
        ("threshold: {cost: {false_negative: 5}}", ThresholdRule(cost=Cost(1, 5))),
        (
            "threshold:\n  cost:\n    false_positive: 0\n    false_negative: 2.5",
            ThresholdRule(cost=Cost(0, 2.5)),
        ),
        ("threshold: maximise f1", ThresholdRule(maximise="f1")),
        ("threshold: 'min_precision: 0.8'", ThresholdRule(min_precision=0.8)),
        ("threshold: cost 1 5", ThresholdRule(cost=Cost(1, 5))),
    ],
)
def test_a_file_says_a_rule(text: str, rule: ThresholdRule | None) -> None:
    assert said(text) == rule


def test_metadata_and_settings_say_it_in_words() -> None:
    found = effective(OWNED, b"threshold: 0.3", {"dropml_threshold": "min_recall=0.9"})
    assert found.config.threshold == ThresholdRule(min_recall=0.9), "metadata goes before the file"
    owned = defaults(read({"THRESHOLD": "maximise mcc"}).dataset_defaults)
    assert owned.threshold == ThresholdRule(maximise="mcc")
    assert effective(owned, b"threshold: none").config.threshold is None
    assert effective(owned, b"task: regression").config.threshold is None, "it is for classes"
    assert defaults(read({"THRESHOLD": "0.2", "TASK": "regression"}).dataset_defaults).threshold is None
    assert read({}).threshold == "none"
    assert threshold_in_words(" none ") is None


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        (
            "label: y\nthreshold: half",
            2,
            12,
            "threshold in bank.yaml is 'half'; it takes none, a number from 0 to 1",
        ),
        ("threshold: 1.5", 1, 12, "threshold in bank.yaml is '1.5'"),
        ("threshold: nan", 1, 12, "threshold in bank.yaml is 'nan'"),
        ("threshold: cost 1", 1, 12, "threshold in bank.yaml is 'cost 1'"),
        ("threshold: cost 0 0", 1, 12, "threshold in bank.yaml is 'cost 0 0'"),
        ("threshold: [0.5]", 1, 12, "threshold in bank.yaml is ['0.5']"),
        ("threshold: {}", 1, 1, "threshold in bank.yaml says no rule"),
        ("threshold: {positive: yes}", 1, 1, "threshold in bank.yaml says no rule"),
        (
            "threshold: {maximise: f1, min_recall: 0.5}",
            1,
            1,
            "threshold in bank.yaml says maximise and min_recall",
        ),
        (
            "threshold:\n  maximise: f2",
            2,
            13,
            "threshold.maximise in bank.yaml is 'f2'; it takes one of f1, ",
        ),
        (
            "threshold:\n  maximize: f1",
            2,
            3,
            "'threshold.maximize' in bank.yaml is no known key (did you mean maximise?)",
        ),
        (
            "threshold: {min_precision: 80%}",
            1,
            28,
            "threshold.min_precision in bank.yaml is '80%'; it takes a share",
        ),
        ("threshold: {positive: '', maximise: f1}", 1, 23, "threshold.positive in bank.yaml is ''"),
        (
            "threshold: {cost: {false_positive: -1}}",
            1,
            36,
            "threshold.cost.false_positive in bank.yaml is '-1'; it takes a cost from 0 to 1e12",
        ),
        (
            "threshold: {cost: {false_positive: 0, false_negative: 0}}",
            1,
            13,
            "threshold.cost in bank.yaml costs nothing",
        ),
        ("threshold: {cost: 5}", 1, 13, "threshold.cost in bank.yaml must hold keys and values"),
        ("task: regression\nthreshold: 0.5", 2, 1, "threshold in bank.yaml is not for regression"),
    ],
)
def test_what_cannot_be_taken_is_told_with_its_place(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        said(text)
    assert caught.value.message.startswith(message)
    assert caught.value.remedy
    assert (caught.value.where["line"], caught.value.where["column"]) == (line, column)


def test_a_setting_that_cannot_be_taken_is_told_with_what_it_takes() -> None:
    with pytest.raises(
        InvalidSetting, match=r"THRESHOLD is 'maximise auc'; it takes none, a number from 0 to 1, maximise f1"
    ):
        read({"THRESHOLD": "maximise auc"})


def test_the_owner_may_keep_it_to_themselves() -> None:
    owner = Owner(locked=frozenset({"threshold"}))
    owned = DatasetConfig(threshold=ThresholdRule(maximise="f1"))
    for text in ("threshold: 0.1", "threshold: {min_recall: 0.99}", "threshold: none"):
        with pytest.raises(
            InvalidConfig, match="threshold in the configuration file is for the owner of the app"
        ):
            effective(owned, text.encode(), owner=owner)
    assert effective(owned, b"threshold: {maximise: f1}", owner=owner).config == owned


def test_it_is_part_of_what_makes_a_run_another_one_and_opens_again() -> None:
    before = OWNED.config_hash()
    config = effective(OWNED, b"threshold: {cost: {false_negative: 5}, positive: no}").config
    assert config.config_hash() != before
    assert from_json(json.loads(json.dumps(to_json(config))), DatasetConfig) == config
    old = {key: value for key, value in to_json(OWNED).items() if key != "threshold"}
    assert from_json(old, DatasetConfig).config_hash() == before, "a document of an earlier release"


def test_a_label_that_is_a_quantity_has_none() -> None:
    found = effective(OWNED, b"task: auto\nthreshold: 0.4")
    assert decided(found, "classification").config.threshold == ThresholdRule(value=0.4)
    assert decided(found, "regression").config.threshold is None
