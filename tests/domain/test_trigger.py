"""What may stand in the body of a call that starts the retraining pipeline."""

from __future__ import annotations

import pytest

from shared.domain.errors import InvalidInput
from shared.domain.problems import MalformedBody
from shared.domain.run.pipeline_run import PipelineParameters
from shared.domain.run.trigger import parse


@pytest.mark.parametrize("body", [b"", b"  \n", b"{}"])
def test_nothing_said_changes_nothing(body: bytes) -> None:
    assert parse(body) == PipelineParameters()


def test_either_may_be_left_out() -> None:
    assert parse(b'{"timeout_minutes": 5}') == PipelineParameters(timeout_minutes=5)
    assert parse(b'{"max_trials": 3}') == PipelineParameters(max_trials=3)
    assert parse(b'{"max_trials": 3, "timeout_minutes": 1.5}') == PipelineParameters(1.5, 3)


@pytest.mark.parametrize(
    ("body", "field", "told"),
    [
        (b"[]", "(body)", "The body must be a JSON object."),
        (b'{"max_trails": 3}', "max_trails", "There is no field 'max_trails' here."),
        (b'{"": 3}', "(no name)", "There is no field '(no name)' here."),
        (b'{"max_trials": "3"}', "max_trials", "max_trials must be a number."),
        (b'{"max_trials": true}', "max_trials", "max_trials must be a number."),
        (b'{"max_trials": 0}', "max_trials", "max_trials must be "),
        (b'{"timeout_minutes": -1}', "timeout_minutes", "timeout_minutes must be "),
    ],
)
def test_what_cant_be_taken_is_told_by_its_field(body: bytes, field: str, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(body)
    assert (refused.value.where["field"], str(refused.value)[: len(told)]) == (field, told)
    assert "timeout_minutes and max_trials" in refused.value.remedy


def test_what_is_no_json_is_told_so() -> None:
    with pytest.raises(MalformedBody):
        parse(b"{")
