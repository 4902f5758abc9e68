"""All that is wrong with a configuration is told at once, each thing with its line and what would be right."""

from __future__ import annotations

import pytest

from shared.domain.config import DatasetConfig
from shared.domain.config_owner import Owner
from shared.domain.config_reader import MOST, Reader
from shared.domain.config_sources import defaults, effective
from shared.domain.config_threshold import threshold_rule
from shared.domain.config_values import FIELDS, GROUPS, TakesError
from shared.domain.errors import InvalidConfig
from tests.services.test_quarantine import Desk
from tests.support.staging_area import people, refusal

MANY = """\
lable: y
max_trials: many
gate:
  margn: 0.01
  floor: high
task: clasify
primary_metric: r2_score
retrain: weekly
threshold: {maximize: f1}
max_trials: 3
"""


def mistakes(text: str, metadata: dict[str, str] | None = None) -> list[InvalidConfig]:
    with pytest.raises(InvalidConfig) as caught:
        effective(DatasetConfig(), text.encode(), metadata, sidecar_name="people.yaml")
    return list(caught.value.mistakes or (caught.value,))


def test_every_mistake_is_told_with_its_line_and_none_that_follows_from_another() -> None:
    found = mistakes(MANY)
    assert [error.where.get("line") for error in found] == [1, 2, 4, 5, 6, 8, 9, 10]
    told = " ".join(error.message for error in found)
    assert "r2_score" not in told, "what the task is nobody knows, so nothing is against it"
    assert "says no rule" not in told
    assert all(error.remedy for error in found)


def test_the_report_lists_them_with_what_is_wrong_and_what_would_be_right() -> None:
    desk = Desk()
    desk.put("slips.yaml", MANY)
    view = desk.show(desk.refused(people(), "slips.csv"))
    assert "8 mistakes in slips.yaml. All of them are to be corrected:" in view.report
    for said in (
        "1. 'lable' in slips.yaml is no known key (did you mean label?).",
        "   Where:          line 1, column 1",
        "   Wrong:          lable: y\n   Right:          label: y",
        "   Wrong:          max_trials: many\n   Right:          max_trials: 40",
        "   Wrong:          gate: {margn: 0.01}\n   Right:          gate: {margin: 0.01}",
        "   Wrong:          task: clasify\n   Right:          task: classification",
        "8. slips.yaml says 'max_trials' twice, first in line 2",
    ):
        assert said in view.report
    assert "(2) Line 2: max_trials in slips.yaml is 'many'" in view.problem.message
    assert [mistake.where["line"] for mistake in view.problem.mistakes] == [1, 2, 4, 5, 6, 8, 9, 10]


def test_once_all_are_corrected_the_file_is_taken() -> None:
    desk = Desk()
    desk.put("slips.yaml", MANY)
    desk.refused(people(), "slips.csv")
    desk.put("slips.yaml", "label: y\nmax_trials: 3\ngate: {margin: 0.01}\nthreshold: {maximise: f1}\n")
    taken = str(desk.drop("slips.yaml"))
    assert desk.states()[taken] == "deploying"


def test_rules_between_keys_are_all_told() -> None:
    found = mistakes(
        "task: regression\nprimary_metric: AUC_weighted\nallowed_algorithms: [KNN]\nblocked_algorithms: [KNN]\n"
        "threshold: 0.5\ndrop: [y]\nnumbers: [decimal-comma, decimal-point]\n"
    )
    assert [error.where["line"] for error in found] == [2, 4, 5, 6, 7]


def test_a_misspelt_task_makes_no_metric_wrong() -> None:
    assert len(mistakes("taks: regression\nprimary_metric: r2_score\n")) == 1


def test_those_of_the_metadata_are_told_with_those_of_the_file() -> None:
    found = mistakes("lable: y\n", {"dropml_max_trials": "many"})
    assert [error.where["file"] for error in found] == ["people.yaml", "the blob's metadata"]
    assert found[1].example is not None
    assert found[1].example.good == "dropml_max_trials=40"


def test_those_of_the_owner_s_rules_and_of_the_settings_are_told_at_once() -> None:
    with pytest.raises(InvalidConfig) as caught:
        effective(
            DatasetConfig(),
            b"label: z\nmax_trials: 3\n",
            owner=Owner(locked=frozenset({"label", "max_trials"})),
        )
    assert len(caught.value.mistakes) == 2
    with pytest.raises(InvalidConfig, match=r"MAX_TRIALS(.|\n)*EXPLAIN"):
        defaults({"max_trials": "many", "explain": "perhaps"})


def test_a_file_of_another_kind_is_told_of_in_bounds() -> None:
    text = "".join(f"key{i}: {i}\n" for i in range(3000))
    found = mistakes(text)
    assert [error.where["line"] for error in found] == list(range(1, MOST + 1))
    with pytest.raises(InvalidConfig, match=f"And {3000 - MOST:,}"):
        effective(DatasetConfig(), text.encode())


def test_every_value_that_is_shown_as_right_is() -> None:
    for fields in (FIELDS, *GROUPS.values()):
        for key, parse in fields.items():
            with pytest.raises(ValueError, match=r".") as caught:
                parse({"no": "such"})
            if isinstance(caught.value, TakesError) and caught.value.good:
                assert parse(caught.value.good.strip("[]")) is not None, key


def test_columns_that_are_to_be_kept_out_are_named_all_with_the_lines_that_do_it() -> None:
    error = refusal(people(), DatasetConfig(drop=("cty", "notes"), id="costumer"))
    assert all(name in error.message for name in ("'cty'", "'notes'", "'costumer'"))
    desk = Desk()
    desk.put("slips.yaml", "drop: [cty, notes]\nlabel: y\nid: costumer\n")
    problem = desk.show(desk.refused(people(), "slips.csv")).problem
    assert "Correct `drop` and `id` in slips.yaml (lines 1, 3)" in problem.remedy
    assert problem.example is not None
    assert (problem.example.bad, problem.example.good) == ("cty", "city")
    desk.put("slips.yaml", "drop: [city]\nlabel: y\n")
    taken = str(desk.drop("slips.yaml"))
    assert desk.states()[taken] == "deploying"


def test_what_only_the_data_shows_to_be_wrong_is_told_at_its_line_of_the_yaml() -> None:
    desk = Desk()
    desk.put("slips.yaml", "label: city\nthreshold: 0.5\n")
    view = desk.show(desk.refused(people(), "slips.csv"))
    assert view.report.startswith("The file incoming/slips.yaml was not taken. slips.csv waits for it.")
    assert (view.problem.where["file"], view.problem.where["line"]) == ("slips.yaml", 2)
    assert [line.text for line in view.lines if line.wrong] == ["threshold: 0.5"]


def test_a_threshold_of_several_slips_tells_them_all() -> None:
    with pytest.raises(InvalidConfig) as caught:
        threshold_rule({"maximize": "f1", "min_recal": 2}, Reader("the request"))
    assert len(caught.value.mistakes) == 2
