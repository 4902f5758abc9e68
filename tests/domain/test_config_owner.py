"""Who drops a file may be stricter and spend less than the owner of the app, and is told where that was not so."""

from __future__ import annotations

import pytest

from shared.domain.automl_names import ALGORITHMS
from shared.domain.config import DatasetConfig
from shared.domain.config_owner import Owner, too_short
from shared.domain.config_sources import defaults, effective
from shared.domain.errors import InvalidConfig
from shared.domain.gate import GateConfig
from shared.settings import Settings, read

OWNED = DatasetConfig(gate=GateConfig(margin=0.01, floor=0.6))


def test_six_days_of_training_and_a_gate_that_lets_everything_pass_are_not_for_the_uploader() -> None:
    said = effective(
        OWNED,
        None,
        {
            "dropml_gate_margin": "1",
            "dropml_gate_floor": "-1",
            "dropml_timeout_minutes": "8640",
            "dropml_max_concurrent_trials": "100",
            "dropml_max_trials": "1000",
        },
    )
    assert said.config.gate == OWNED.gate
    assert (said.config.timeout_minutes, said.config.max_concurrent_trials) == (60, 2)
    assert len(said.remarks) == 4
    for name, taken in (
        ("gate.margin", "0.01"),
        ("gate.floor", "0.6"),
        ("timeout_minutes", "60"),
        ("max_concurrent_trials", "2"),
    ):
        assert any(name in remark and taken in remark for remark in said.remarks)


def test_stricter_and_cheaper_is_taken_without_a_word() -> None:
    sidecar = b"""
timeout_minutes: 30
gate: {margin: 0, floor: 0.9, policy: better, insufficient_evidence: reject}
"""
    said = effective(OWNED, sidecar)
    assert said.config.gate == GateConfig(
        margin=0, floor=0.9, policy="better", insufficient_evidence="reject"
    )
    assert (said.config.timeout_minutes, said.remarks) == (30, ())


def test_a_strict_owner_stays_strict() -> None:
    strict = DatasetConfig(gate=GateConfig(policy="better", insufficient_evidence="reject"))
    said = effective(strict, b"gate: {policy: not_worse, insufficient_evidence: promote}")
    assert said.config.gate == strict.gate
    assert [remark.partition(" ")[0] for remark in said.remarks] == [
        "gate.policy",
        "gate.insufficient_evidence",
    ]


def test_the_owner_may_leave_more_to_the_file() -> None:
    sidecar = b"timeout_minutes: 600\nmax_concurrent_trials: 8\ngate: {margin: 0.2}\n"
    said = effective(OWNED, sidecar, owner=Owner(frozenset(), 600, 8, gate_freely=True))
    assert (said.config.timeout_minutes, said.config.max_concurrent_trials) == (600, 8)
    assert (said.config.gate.margin, said.remarks) == (0.2, ())


@pytest.mark.parametrize(
    ("sidecar", "metadata", "key", "field"),
    [
        (b"max_trials: 4\nlabel: z\n", None, "label", "label"),
        (b"gate:\n  floor: 0.9\n", None, "gate.floor", "gate.floor"),
        (None, {"DropML_Gate_Floor": "0.9"}, "gate.floor", "dropml_gate_floor"),
    ],
)
def test_a_locked_key_is_refused_by_name(
    sidecar: bytes | None, metadata: dict[str, str] | None, key: str, field: str
) -> None:
    owner = Owner(locked=frozenset({key}))
    with pytest.raises(InvalidConfig) as caught:
        effective(OWNED, sidecar, metadata, owner=owner)
    assert caught.value.where["field"] == field
    assert ("line" in caught.value.where) == (sidecar is not None)
    assert "OVERRIDE_LOCKED" in caught.value.remedy


def test_a_locked_key_may_be_said_as_it_is() -> None:
    assert effective(OWNED, b"label: y\n", owner=Owner(locked=frozenset({"label"}))).config == OWNED


def test_a_lock_holds_for_a_file_that_says_another_task_and_takes_it_back() -> None:
    owned = DatasetConfig(
        primary_metric="accuracy",
        blocked_algorithms=("KNN",),
        gate=GateConfig(metric="balanced_accuracy", floor=0.6),
    )
    owner = Owner(
        frozenset({"primary_metric", "blocked_algorithms", "gate.metric", "label"}), gate_freely=True
    )
    said = effective(
        owned,
        b"task: regression\n",
        {"dropml_task": "classification", "dropml_gate_floor": "0.7"},
        owner=owner,
    )
    assert said.config.primary_metric == "accuracy"
    assert said.config.blocked_algorithms == ("KNN",)
    assert (said.config.gate.metric, said.config.gate.floor) == ("balanced_accuracy", 0.7)
    assert effective(owned, b"task: regression\n", owner=owner).config.primary_metric is None


def test_one_trial_alone_settles_its_concurrency() -> None:
    said = effective(DatasetConfig(), b"max_trials: 1\n")
    assert (said.config.max_trials, said.config.max_concurrent_trials) == (1, 1)
    assert "max_concurrent_trials" in said.remarks[0]


def test_a_trial_is_given_no_more_time_than_the_whole() -> None:
    said = effective(DatasetConfig(), b"timeout_minutes: 5\n")
    assert (said.config.timeout_minutes, said.config.trial_timeout_minutes) == (5, 5)
    assert "trial_timeout_minutes" in said.remarks[0]


def test_the_settings_settle_too() -> None:
    config = defaults(read({"MAX_TRIALS": "1", "EXPERIMENT_TIMEOUT_MINUTES": "3"}).dataset_defaults)
    assert (config.max_concurrent_trials, config.trial_timeout_minutes) == (1, 3)


def test_another_task_is_bounded_by_what_the_owner_would_say_for_it() -> None:
    said = effective(OWNED, b"task: regression\ngate: {floor: -1, margin: 0.5}\n")
    assert (said.config.gate.floor, said.config.gate.margin) == (0, 0.01)


def test_no_algorithm_left_is_refused_for_each_task() -> None:
    for task, known in ALGORITHMS.items():
        with pytest.raises(InvalidConfig, match="no algorithm"):
            effective(DatasetConfig(), f"task: {task}\nblocked_algorithms: [{', '.join(known)}]\n".encode())


def test_the_owner_says_so_in_settings() -> None:
    found = read({"OVERRIDE_LOCKED": "label, gate.margin"})
    assert found.override_locked == {"label", "gate.margin"}
    assert Settings().override_gate == "stricter"


def test_a_large_table_is_warned_of_the_time_that_azure_wants_for_it() -> None:
    assert too_short(DatasetConfig(timeout_minutes=60), 1_000_000, 10) == []
    (sentence,) = too_short(DatasetConfig(timeout_minutes=60), 1_000_001, 10)
    assert "timeout_minutes above 60" in sentence
    assert too_short(DatasetConfig(timeout_minutes=61), 9_000_000, 10) == []
