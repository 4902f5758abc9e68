"""What a dataset may say about itself, and what it is told when it says it wrongly."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.automl_names import ALGORITHMS
from shared.domain.config import DatasetConfig
from shared.domain.config_owner import Owner
from shared.domain.config_sources import defaults, effective
from shared.domain.config_values import FIELDS, GATE_FIELDS, GROUPS, THRESHOLD
from shared.domain.documents import from_json, to_json
from shared.domain.errors import InvalidConfig
from shared.domain.gate import GateConfig
from shared.domain.run import quarantine
from shared.domain.run.parts import RunProblem, Source
from shared.domain.table.column_types import MISSING
from shared.settings import Settings, read
from tests.support.staging_area import people, refusal

DEFAULTS = DatasetConfig()
#: An owner who leaves everything to whoever drops files.
FREE = Owner(max_timeout_minutes=8640, max_concurrent_trials=100, gate_freely=True)


def merge(
    owned: DatasetConfig,
    sidecar: str | None = None,
    metadata: dict[str, str] | None = None,
    *,
    sidecar_name: str = "the configuration file",
) -> DatasetConfig:
    raw = None if sidecar is None else sidecar.encode("utf-8", "surrogatepass")
    return effective(owned, raw, metadata, sidecar_name=sidecar_name, owner=FREE).config


def refused(sidecar: str | None = None, metadata: dict[str, str] | None = None) -> InvalidConfig:
    with pytest.raises(InvalidConfig) as caught:
        merge(DEFAULTS, sidecar, metadata, sidecar_name="people.yaml")
    assert caught.value.where["file"] in ("people.yaml", "the blob's metadata")
    return caught.value


def test_each_source_overrides_the_one_before() -> None:
    sidecar = "label: income\nmax_trials: 7\ngate:\n  margin: 0.02\n"
    metadata = {"DropML_Max_Trials": "9", "dropml_gate_floor": "0.6", "other": "ignored"}
    config = merge(DEFAULTS, sidecar, metadata)
    assert (config.label, config.max_trials) == ("income", 9)
    assert (config.gate.margin, config.gate.floor) == (0.02, 0.6)
    assert config.timeout_minutes == DEFAULTS.timeout_minutes


def test_saying_nothing_changes_nothing() -> None:
    assert merge(DEFAULTS) == merge(DEFAULTS, "") == merge(DEFAULTS, "# a remark\n", {}) == DEFAULTS


def test_every_key_can_be_said() -> None:
    sidecar = """
label: y
task: Classification
primary_metric: AUCWeighted
timeout_minutes: 30
trial_timeout_minutes: 2.5
max_trials: 10
max_concurrent_trials: 4
exit_score: 0.99
early_termination: false
n_cross_validations: 5
validation_size: 0.2
allowed_algorithms: [light_gbm, XGBoostClassifier]
blocked_algorithms: [KNN]
imbalance: off
vote_ensemble: false
stack_ensemble: true
explain: false
encoding: windows-1252
drop: [notes, 007]
id: 1.10
max_bad_rows: 5
schema: strict
capture: off
retrain: {schedule: weekly, on_drift: {k: 2, n: 4}}
drift: {threshold: 0.5}
approval: required
daily_runs: 3
daily_training_minutes: 90
numbers: [Percent, decimal_comma]
threshold: {maximise: f1, positive: 1.0}
gate: {metric: accuracy, margin: 0, floor: 0.7, insufficient_evidence: reject, allow_schema_change: true,
       policy: better}
"""
    config = merge(DEFAULTS, sidecar)
    said = json.loads(json.dumps(to_json(config)))
    assert set(said) == {*FIELDS, *GROUPS, "task_auto", "threshold"}
    assert set(said["gate"]) == set(GATE_FIELDS)
    assert said["primary_metric"] == "AUC_weighted"
    assert said["allowed_algorithms"] == ["LightGBM", "XGBoostClassifier"]
    assert said["imbalance"] == "off"
    assert (said["drop"], said["id"]) == (["007", "notes"], "1.10"), "by the very words of the file"
    assert from_json(said, DatasetConfig) == config
    assert not [
        key
        for key, value in said.items()
        if value == json.loads(json.dumps(to_json(DEFAULTS)))[key]
        and key not in ("label", "task", "task_auto")
    ]


def test_metadata_says_lists_numbers_and_truth_values_as_text() -> None:
    metadata = {
        "dropml_blocked_algorithms": "KNN, SVM",
        "dropml_explain": "False",
        "dropml_n_cross_validations": "3",
        "dropml_exit_score": "",
        "dropml_label": "1",
    }
    config = merge(DEFAULTS, None, metadata)
    assert config.blocked_algorithms == ("KNN", "SVM")
    assert (config.explain, config.n_cross_validations, config.exit_score) == (False, 3, None)
    assert config.label == "1"


def test_regression_brings_its_own_metrics() -> None:
    config = merge(DatasetConfig(primary_metric="accuracy", blocked_algorithms=("SVM",)), "task: regression")
    assert config.primary_metric is None
    assert config.gate.metric == "auto"
    assert config.blocked_algorithms == ()
    assert merge(config, "task: classification").gate.metric == "auto"
    high = DatasetConfig(gate=GateConfig(floor=0.8, margin=0.1))
    assert (merge(high, "task: regression").gate.floor, merge(high, "task: regression").gate.margin) == (
        0,
        0.1,
    )
    assert merge(high, "task: regression\ngate: {floor: 0.3}").gate.floor == 0.3


@pytest.mark.parametrize(
    ("said", "offered", "strange"),
    [
        ("task: regression\nprimary_metric: normalized_mean", "normalized_mean_absolute_error", "accuracy"),
        ("task: classification\nprimary_metric: acuracy", "accuracy", "r2_score"),
        ("task: regression\ngate: {metric: r2score1}", "r2_score", "f1_macro"),
        ("task: regression\nallowed_algorithms: [XGBoost]", "XGBoostRegressor", "XGBoostClassifier"),
        ("task: classification\nblocked_algorithms: [XGBoost]", "XGBoostClassifier", "XGBoostRegressor"),
    ],
)
def test_only_names_that_fit_the_task_are_offered(said: str, offered: str, strange: str) -> None:
    error = refused(said)
    assert f"did you mean {offered}?" in error.message
    assert strange not in error.message


def test_an_unknown_key_gets_a_guess() -> None:
    error = refused("lable: y\n")
    assert "did you mean label?" in error.message
    assert error.where == {"file": "people.yaml", "field": "lable", "line": 1, "column": 1}
    assert "timeout_minutes" in error.remedy
    error = refused("gate: {margn: 1}\n")
    assert "did you mean margin?" in error.message
    assert error.where["field"] == "gate.margn"
    error = refused(None, {"dropml_max_trial": "3"})
    assert error.where == {"file": "the blob's metadata", "field": "dropml_max_trial"}
    assert "did you mean max_trials?" in error.message


@pytest.mark.parametrize(
    ("sidecar", "field", "said"),
    [
        ("max_trials: many", "max_trials", "a whole number"),
        ("max_trials: 2.5", "max_trials", "a whole number"),
        ("max_trials: true", "max_trials", "a whole number"),
        ("max_trials: .nan", "max_trials", "a whole number"),
        ("max_trials: .inf", "max_trials", "a whole number"),
        ("timeout_minutes: 0", "timeout_minutes", "minutes"),
        ("timeout_minutes: .nan", "timeout_minutes", "minutes"),
        ("explain: 1", "explain", "true or false"),
        ("label: ''", "label", "not empty"),
        ("task: clasification", "task", "did you mean classification?"),
        ("imbalance: smote", "imbalance", "weight, off"),
        ("validation_size: 20", "validation_size", "0.01 to 0.99"),
        ("n_cross_validations: 1", "n_cross_validations", "from 2"),
        ("allowed_algorithms: {LightGBM: 1}", "allowed_algorithms", "a list"),
        ("allowed_algorithms: [LihgtGBM]", "allowed_algorithms", "did you mean LightGBM?"),
        ("allowed_algorithms: [LassoLars]", "allowed_algorithms", "not for classification"),
        ("primary_metric: r2_score", "primary_metric", "not for classification"),
        ("gate: {metric: r2_score}", "gate.metric", "not for classification"),
        (f"timeout_minutes: 1{'0' * 400}", "timeout_minutes", "minutes, from 0.1 to 8640"),
        (f"max_trials: 1{'0' * 400}", "max_trials", "a whole number from 1 to 1000"),
        ("max_trials: 1001", "max_trials", "a whole number from 1 to 1000"),
        ("max_trials: 0", "max_trials", "a whole number from 1 to 1000"),
        ("timeout_minutes: 0.09", "timeout_minutes", "minutes, from 0.1 to 8640"),
        ("gate: {policy: best}", "gate.policy", "not_worse, better"),
        ("gate: {margin: 1.1}", "gate.margin", "a number from 0 to 1"),
        ("gate: {floor: -1.1}", "gate.floor", "a number from -1 to 1"),
        ("gate: 3", "gate", "must hold keys"),
        ("gate: {insufficient_evidence: maybe}", "gate.insufficient_evidence", "promote, reject"),
        (
            f"blocked_algorithms: [{', '.join(ALGORITHMS['classification'])}]",
            "blocked_algorithms",
            "no algorithm",
        ),
        (
            "allowed_algorithms: [KNN]\nblocked_algorithms: [KNN]",
            "blocked_algorithms",
            "both allowed and blocked",
        ),
        ("numbers: [decimal-comma, decimal-point]", "numbers", "says both"),
        ("numbers: [decimal-coma]", "numbers", "decimal-comma"),
    ],
)
def test_a_wrong_value_is_told_by_field_and_what_it_takes(sidecar: str, field: str, said: str) -> None:
    error = refused(sidecar)
    assert error.where["field"] == field
    assert said in error.message
    assert error.remedy


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.text(max_size=60),
        st.dictionaries(
            st.sampled_from([*FIELDS, "gate", "oops"]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
                lambda inner: (
                    st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=2)
                ),
                max_leaves=4,
            ),
            max_size=3,
        ).map(json.dumps),
    )
)
def test_any_file_gives_a_configuration_or_a_plain_refusal(sidecar: str) -> None:
    try:
        config: Any = merge(DEFAULTS, sidecar, sidecar_name="f.yaml")
    except InvalidConfig as error:
        config = error
    if isinstance(config, InvalidConfig):
        assert config.where["file"] == "f.yaml"
    else:
        assert from_json(json.loads(json.dumps(to_json(config))), DatasetConfig) == config


def test_the_hash_depends_on_the_effective_configuration_alone() -> None:
    plain = DEFAULTS.config_hash()
    assert merge(DEFAULTS, "max_trials: 40.0\n").config_hash() == plain
    assert merge(DEFAULTS, None, {"dropml_task": "CLASSIFICATION"}).config_hash() == plain
    assert merge(DEFAULTS, "max_trials: 41\n").config_hash() != plain
    assert merge(DEFAULTS, "gate: {margin: 0.1}\n").config_hash() != plain
    orders = ["allowed_algorithms: [KNN, SVM]", "allowed_algorithms: [svm, knn, KNN]"]
    assert len({merge(DEFAULTS, order).config_hash() for order in orders}) == 1
    assert len(plain) == 64


def test_what_later_releases_added_makes_no_known_file_a_new_one() -> None:
    explicit = merge(DEFAULTS, "gate: {metric: balanced_accuracy}\n").config_hash()
    assert (
        len({explicit, DEFAULTS.config_hash(), merge(DEFAULTS, "gate: {collapse: 0.2}\n").config_hash()}) == 3
    )
    assert DEFAULTS.config_hash() == "9af6dee971f3353d3ee38d4db6bede4a32277c012ef1061b4e5bd5185a20ef27"
    assert merge(DEFAULTS, "drop: []\nid:\n").config_hash() == DEFAULTS.config_hash()
    assert merge(DEFAULTS, "drop: [a]\n").config_hash() != DEFAULTS.config_hash()


@pytest.mark.parametrize("key", ["drop", "id"])
def test_the_label_is_not_kept_out(key: str) -> None:
    assert refused(f"label: z\n{key}: z\n").where == {
        "file": "people.yaml",
        "field": key,
        "line": 2,
        "column": 1,
    }


def test_the_settings_are_the_defaults_and_are_checked_too() -> None:
    assert defaults(Settings().dataset_defaults) == replace(DEFAULTS, task_auto=True)
    config = defaults(
        read({"LABEL_COLUMN": "target", "TASK": "regression", "GATE_MARGIN": "0.1"}).dataset_defaults
    )
    assert (config.label, config.task, config.gate.metric, config.gate.margin) == (
        "target",
        "regression",
        "auto",
        0.1,
    )
    with pytest.raises(InvalidConfig) as caught:
        defaults(Settings(gate_insufficient_evidence="perhaps").dataset_defaults)
    assert caught.value.where["field"] == "GATE_INSUFFICIENT_EVIDENCE"


def test_the_quarantine_report_tells_a_person_what_to_do() -> None:
    problem = refusal(people().replace("00098,", "00098,1,", 1))
    source = Source("incoming", "people.csv", content_hash=problem.content_hash or "")
    report = quarantine.report(
        RunProblem.of(problem), dataset="people", run_id="people-1-a1", source=source, at=1.7e9
    )
    assert from_json(json.loads(json.dumps(to_json(report))), quarantine.Report) == report
    assert report.problem.where["line"] == 100
    for part in ("incoming/people.csv", "Line 100 has 8 values", "line 100", problem.remedy, "people-1-a1"):
        assert part in report.text
    bare = quarantine.report(RunProblem("x", "m"), dataset="d", run_id="r", source=Source(), at=0)
    assert "Where" not in bare.text


def test_the_page_on_intake_knows_every_key_and_every_code() -> None:
    root = Path(__file__).resolve().parents[2]
    page = (root / "docs" / "intake.md").read_text()
    example = page.partition("```yaml\n")[2].partition("```")[0]
    assert set(yaml.safe_load(example)) == {*FIELDS, *GROUPS, THRESHOLD}
    for group, known in GROUPS.items():
        assert set(yaml.safe_load(example)[group]) == set(known)
    merge(DEFAULTS, example)
    shared = root / "shared"
    modules = [*(shared / "domain/table").glob("*.py"), *(shared / "services/intake").glob("stag*.py")]
    modules.append(shared / "domain/contract.py")
    codes = {code for module in modules for code in re.findall(r'code="([a-z0-9-]+)"', module.read_text())}
    table = page.partition("## Refused")[2].partition("## Per")[0]
    assert codes == set(re.findall(r"`([a-z0-9-]+)`", table)) - {"dropml-quarantine"}
    assert all(f"`{spelling}`" in page for spelling in MISSING)


def test_what_older_releases_wrote_still_opens() -> None:
    older = {
        "label": "y", "task": "classification", "primary_metric": None, "max_trials": 7, "timeout_minutes": 30,
        "allowed_algorithms": ["KNN"], "forgotten": 1,
        "gate": {"metric": "accuracy", "margin": 0, "floor": 0.5, "insufficient_evidence": "reject"},
    }  # fmt: skip
    opened = from_json(older, DatasetConfig)
    assert (opened.max_trials, opened.timeout_minutes, opened.allowed_algorithms) == (7, 30.0, ("KNN",))
    assert opened.gate == GateConfig(
        "accuracy", 0.0, 0.5, "reject", allow_schema_change=False, policy="not_worse"
    )
