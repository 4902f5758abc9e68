"""An endpoint as the walkthrough's screen shows it: auth mode, traffic, deployments, Application Insights; and its log."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest

from functions import scoring as doors
from shared.domain.canary import Tally
from shared.domain.documents import to_json
from shared.services.monitoring.hours import Counts
from shared.services.run.ports import Deployment
from tests.functions.test_openapi import DOCUMENT, resolved
from tests.services.test_acts import in_canary
from tests.support.guest import Guest, guest_of
from tests.support.intake_front import Front
from tests.support.scoring_support import body_of, call, request


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Front:
    """A canary is under way."""
    house = Front()
    house.world = in_canary()
    guest_of(house, monkeypatch)
    return house


def name_of(house: Front) -> str:
    return house.world.serving("bank").endpoint


def asked(function: Any, name: str, body: Any = None, **params: str) -> Any:
    return call(function, request(body, route={"name": name}, params=params))


def test_it_is_told_as_azure_has_it(house: Front) -> None:
    said = body_of(asked(doors.show_endpoint, name_of(house)))
    jsonschema.Draft202012Validator(resolved(DOCUMENT["components"]["schemas"]["Endpoint"])).validate(said)
    assert (said["auth_mode"], said["app_insights_enabled"], said["traffic"]) == (
        "key",
        True,
        {"m1-a1": 90, "m2-a1": 10},
    )
    assert {each["name"]: (each["run_id"], each["live"]) for each in said["deployments"]} == {
        "m1-a1": ("bank-1-a1", True),
        "m2-a1": ("bank-2-a1", False),
    }


def test_insights_are_turned_off_and_on_for_all_that_has_traffic(house: Front) -> None:
    for enabled in (False, False, True):
        answer = asked(doors.set_app_insights, name_of(house), {"enabled": enabled})
        assert (answer.status_code, body_of(answer)["app_insights_enabled"]) == (202, enabled)
        assert body_of(asked(doors.show_endpoint, name_of(house)))["app_insights_enabled"] is enabled
    assert [each["enabled"] for each in house.world.logged if each["what"] == "app-insights-set"] == [
        False,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    "body", [None, b"{", {}, {"enabled": "yes"}, {"enabled": 1}, {"enabled": True, "x": 1}, []]
)
def test_a_body_that_says_neither_is_refused(house: Front, body: Any) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
    assert asked(doors.set_app_insights, name_of(house), raw).status_code == 400
    assert not house.world.azureml.silent


def test_its_log_is_that_of_the_live_deployment_or_of_the_one_named(house: Front) -> None:
    said = body_of(asked(doors.show_endpoint_log, name_of(house)))
    assert (said["deployment"], said["log"]) == ("m1-a1", "worker timed out")
    assert (
        body_of(asked(doors.show_endpoint_log, name_of(house), deployment="m2-a1"))["deployment"] == "m2-a1"
    )
    other = asked(doors.show_endpoint_log, name_of(house), deployment="m9-a9")
    assert (other.status_code, body_of(other)["code"]) == (404, "unknown-deployment")


def test_an_endpoint_of_somebody_else_is_none(house: Front) -> None:
    for function in (doors.show_endpoint, doors.show_endpoint_log, doors.set_app_insights):
        assert asked(function, "others-123456", {"enabled": True}).status_code == 404


def test_the_dashboard_has_the_switch_and_the_rollout(house: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    guest: Guest = guest_of(house, monkeypatch)
    guest.sign_in("Ada")
    path = f"/endpoints/{name_of(house)}"
    assert "Application Insights enabled true" in guest.page(path).text
    answer = guest.press(f"/ask{path}/app-insights-off")
    assert answer.status_code == 303
    assert "Application Insights enabled false" in guest.page(path).text
    assert "10 % of live traffic" in guest.page("/runs/bank-2-a1/rollout").text
    assert guest.press("/ask/runs/bank-2-a1/promote", note="enough").status_code == 303
    promoted = house.world.run("bank-2-a1").promoted
    assert promoted is not None
    assert (promoted.actor, promoted.note) == ("Ada", "enough")


def test_its_traffic_is_told_by_the_hour(house: Front) -> None:
    """`hours` of an endpoint that two processes have served; the page of it draws the same."""
    entry, now = house.world.serving("bank"), time.time()
    first = Tally()
    for seconds in (0.004, 0.03):
        first.answered(seconds, None, 1)
    first.failed()
    day, hour = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H").split()
    counts = to_json(Counts({hour: {"m1-a1": first}}))
    for process in ("one", "two"):
        house.world.docs.create(f"hours/{entry.slug}/{day}/{process}.json", counts)
    said = body_of(asked(doors.show_endpoint_traffic, name_of(house), hours="2"))
    jsonschema.Draft202012Validator(resolved(DOCUMENT["components"]["schemas"]["Traffic"])).validate(said)
    assert [each["calls"] for each in said["hours"]][-1] == 6
    assert (said["whole"]["errors"], said["whole"]["p95_ms"], said["whole"]["deployments"]) == (
        2,
        50,
        {"m1-a1": 6},
    )
    assert asked(doors.show_endpoint_traffic, name_of(house), hours="900").status_code == 400


def test_while_azure_changes_it_nothing_else_is_begun(house: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """Azure would refuse a second change; whoever asks for one is told before, and the page offers none."""
    ours, azureml = house.world.azureml.deployments, house.world.azureml

    def changing(name: str) -> list[Deployment]:
        return [replace(each, state="Updating") for each in ours(name)]

    monkeypatch.setattr(azureml, "deployments", changing)
    answer = asked(doors.set_app_insights, name_of(house), {"enabled": False})
    assert (answer.status_code, body_of(answer)["code"]) == (409, "deployment-busy")
    assert not azureml.silent
    guest = guest_of(house, monkeypatch)
    guest.sign_in()
    page = guest.page(f"/endpoints/{name_of(house)}")
    assert "being changed" in page.text
    assert not [link for link in page.links() if "app-insights" in link]
