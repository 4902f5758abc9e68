"""The emulator held against Microsoft's specs and the real service's recorded answers (`make conformance`)."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from tests.conformance.exchange import Exchange
from tests.conformance.recordings import Recorded, compare, load
from tests.conformance.report import figures, table
from tests.conformance.run import check
from tests.conformance.spec import Specs


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of azure-ai-ml's downloads
def test_no_request_or_answer_deviates_without_a_listed_reason(azurite: str, reference: Path) -> None:
    result = check(azurite, reference)
    assert result.deviations == []
    assert result.idle == []
    assert all(met for *_, met in figures(result))
    assert "| unexplained deviations | 0 |" in table(result)


def test_the_recorded_answers_agree_with_themselves_and_corrupted_ones_are_caught(reference: Path) -> None:
    """The comparison can fail: every recorded body, bent in one place, is found out."""
    bent = 0
    for recorded in load(reference / "azureml-recordings"):
        body = recorded.document["response_body"]
        if recorded.document["status"] is None or not isinstance(body, dict) or not body:
            continue
        assert compare(recorded, exchange(recorded, body)) == []
        for key, value in body.items():
            if value is None:
                continue
            without = {k: v for k, v in body.items() if k != key}
            assert compare(recorded, exchange(recorded, without)), (recorded.key, key)
            other = copy.deepcopy(body) | {key: 7 if isinstance(value, str | dict | list) else "seven"}
            assert compare(recorded, exchange(recorded, other)), (recorded.key, key)
            bent += 2
        assert compare(recorded, exchange(recorded, body, status=418))
    assert bent > 400


def exchange(recorded: Recorded, body: object, status: int | None = None) -> Exchange:
    document = recorded.document
    status = status or document["status"]
    return Exchange("GET", "https://x/", None, status, document["response_headers"], body)


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        (("authMode",), "Password", "authMode"),
        (("traffic",), {"blue": "all"}, "traffic/blue"),
        (("nonsense",), 1, "'nonsense' was unexpected"),
        (("authMode",), "key", None),
    ],
)
def test_the_specs_catch_corrupted_requests_and_take_other_case(
    reference: Path, path: tuple[str, ...], value: object, found: str | None
) -> None:
    specs = Specs(reference / "azureml-openapi")
    body = {"location": "x", "properties": {"authMode": "Key", "traffic": {"blue": 100}}}
    assert isinstance(body["properties"], dict)
    body["properties"][path[0]] = value
    url = (
        "https://localhost/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices"
        "/workspaces/w/onlineEndpoints/e?api-version=2022-02-01-preview"
    )
    faults = specs.request_faults(Exchange("PUT", url, body, 201, {}, None))
    assert (faults == []) == (found is None)
    assert found is None or found in faults[0]
