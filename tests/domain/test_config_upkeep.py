"""What a configuration says of capture, drift and retraining, and what its owner keeps of it."""

from __future__ import annotations

import pytest

from shared.domain.config import DatasetConfig
from shared.domain.config_owner import Owner
from shared.domain.config_sources import Effective, defaults, effective
from shared.domain.errors import InvalidConfig
from shared.domain.upkeep import DriftRule, OnDrift, Retrain

OWNED = defaults({"retrain": {"cool_down_hours": 2.0}, "capture": True, "drift": {"threshold": 0.3}})


def said(
    yaml: str = "", owner: Owner | None = None, owned: DatasetConfig = OWNED, **metadata: str
) -> Effective:
    return effective(owned, yaml.encode() if yaml else None, metadata, sidecar_name="bank.yaml", owner=owner)


def test_all_of_it_can_be_said() -> None:
    config = said(
        """
capture: off
drift: {threshold: 0.5, min_rows: 500}
retrain:
  schedule: 0 30 2 * * Mon
  on_new_data: yes
  on_drift: {k: 2, n: 4}
  min_new_rows: 1000
  data: last 3 versions
  cool_down_hours: 24
"""
    ).config
    assert config.capture is False
    assert config.drift == DriftRule(0.5, 500)
    assert config.retrain == Retrain("0 30 2 * * Mon", True, OnDrift(2, 4), 1000, 3, 24.0)


def test_metadata_says_it_in_words() -> None:
    config = said(
        dropml_retrain_schedule="Weekly",
        dropml_retrain_on_drift="2 of 4 windows",
        dropml_retrain_data="last_3",
        dropml_drift_threshold="1",
        dropml_capture="off",
    ).config
    assert config.retrain == Retrain("weekly", on_drift=OnDrift(2, 4), data=3, cool_down_hours=2.0)
    assert (config.drift.threshold, config.capture) == (1.0, False)


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [("off", "off"), ("never", "off"), ("none", None), ("~", None), ("DAILY", "daily")],
)
def test_a_schedule_may_be_none(yaml: str, expected: str | None) -> None:
    assert said(f"retrain: {{schedule: {yaml}}}").config.retrain.schedule == expected


@pytest.mark.parametrize(
    ("line", "field", "word"),
    [
        ("schedule: sometimes", "schedule", "NCRONTAB in UTC"),
        ("schedule: 0 0 25 * * *", "schedule", "hour"),
        ("schedule: [daily]", "schedule", "daily, weekly"),
        ("on_drift: 5 of 3", "on_drift", "3 of 5"),
        ("on_drift: {k: 1}", "on_drift", "k of n"),
        ("on_drift: {k: 1, n: 2000}", "on_drift", "up to 100"),
        ("on_drift: often", "on_drift", "k of n"),
        ("data: last", "data", "last N versions"),
        ("data: last 99 versions", "data", "1 to 20"),
        ("data: all", "data", "latest"),
        ("min_new_rows: -1", "min_new_rows", "whole number"),
        ("cool_down_hours: nan", "cool_down_hours", "hours"),
    ],
)
def test_what_is_wrong_is_told_at_its_line_with_a_remedy(line: str, field: str, word: str) -> None:
    with pytest.raises(InvalidConfig, match=word) as caught:
        said(f"label: y\nretrain:\n  {line}\n")
    assert caught.value.where["field"] == f"retrain.{field}"
    assert caught.value.where["line"] == 3
    assert caught.value.remedy


def test_a_misspelt_key_is_told() -> None:
    with pytest.raises(InvalidConfig, match="did you mean schedule"):
        said("retrain: {shedule: daily}")


def test_none_of_it_makes_another_model() -> None:
    before = said().config
    after = said("capture: off\nretrain: {schedule: daily, data: last 2}\ndrift: {threshold: 3}").config
    assert before.config_hash() == after.config_hash()
    assert before.upkeep != after.upkeep


class TestOwner:
    def test_a_file_may_not_train_more_often(self) -> None:
        found = said("retrain: {cool_down_hours: 0.5}")
        assert found.config.retrain.cool_down_hours == 2.0
        assert "the owner wants at least 2" in found.remarks[0]
        assert said("retrain: {cool_down_hours: 3}").config.retrain.cool_down_hours == 3

    def test_a_file_may_not_capture_what_the_owner_does_not(self) -> None:
        owned = defaults({"capture": False})
        assert said("capture: on", owned=owned).config.capture is False

    def test_keys_can_be_locked(self) -> None:
        owner = Owner(frozenset({"retrain.schedule", "capture"}))
        with pytest.raises(InvalidConfig, match="owner of the app alone"):
            said("retrain: {schedule: hourly}", owner)
        with pytest.raises(InvalidConfig, match="owner of the app alone"):
            said("capture: off", owner)
        assert said("retrain: {on_new_data: true}", owner).config.retrain.on_new_data
