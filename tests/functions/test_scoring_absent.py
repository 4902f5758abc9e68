"""A caller without a model is told which of several things it is; a misspelt parameter is told the one meant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from functions import scoring as doors
from shared import bootstrap
from shared.adapters.telemetry import NoTelemetry
from shared.domain.errors import NotFound, Upstream
from shared.domain.run.acts import Act
from shared.domain.run.parts import RunProblem
from shared.domain.run.states import State
from shared.services.scoring.absent import FRESH, Absent
from tests.support.intake_front import Front
from tests.support.scoring_support import ROW, App, Endpoint, body_of, call, request, serve
from tests.support.staging_area import people


@pytest.fixture
def front() -> Front:
    return Front()


def told(front: Front, name: str = "people") -> NotFound:
    found = Absent(front.world.store).why(name)
    assert found.remedy
    return found


def test_a_dataset_that_there_is_not_is_told_with_the_one_meant(front: Front) -> None:
    assert "No file has been dropped yet." in told(front).message
    front.put("people.csv")
    front.drop("people.csv")
    found = told(front, "poeple")
    assert (found.error_code, "Did you mean 'people'?" in found.message) == ("unknown-dataset", True)
    assert "There are: people." in told(front, "nothing-like-it").message


def test_a_run_under_way_is_named_with_its_state(front: Front) -> None:
    front.put("people.csv")
    run_id = front.drop("people.csv")
    found = told(front)
    assert found.error_code == "no-live-model"
    assert f"yet: {run_id} is {front.states()[str(run_id)]}" in found.message
    assert f"GET /api/runs/{run_id}" in found.remedy


def test_a_refused_file_is_named_with_its_code(front: Front) -> None:
    front.put("people.csv", "a,b\n1,2\n")
    run_id = front.drop("people.csv")
    found = told(front)
    assert "its file was refused (label-missing)" in found.message
    assert f"GET /api/quarantine/{run_id}" in found.remedy


def test_a_run_that_failed_is_named(front: Front) -> None:
    front.put("people.csv")
    run, etag = front.world.store.load(str(front.drop("people.csv")))
    front.world.store.save(run.fail(1.0, RunProblem("training-failed", "It failed.")), etag)
    assert f"{run.run_id}, of its newest file, is failed" in told(front).message


def test_a_person_s_word_is_asked_for(front: Front) -> None:
    front.put("people.csv")
    run, etag = front.world.store.load(str(front.drop("people.csv")))
    front.world.store.save(replace(run, state=State.AWAITING_APPROVAL), etag)
    found = told(front)
    assert "waits for a person's word" in found.message
    assert f"/api/runs/{run.run_id}/approve" in found.remedy


def test_a_pause_is_told_with_who_made_it(front: Front) -> None:
    front.put("people.csv")
    front.drop("people.csv")
    front.world.store.change_dataset("people", lambda found: replace(found, paused=Act("ann", 1.0)))
    found = told(front)
    assert "ann paused the dataset" in found.message
    assert "/api/datasets/people/resume" in found.remedy


def test_a_dataset_of_files_to_score_alone_is_told_what_is_missing(front: Front) -> None:
    front.put("people.score.csv")
    front.drop("people.score.csv")
    assert "no table people.csv with a label has come" in told(front).message


def test_a_model_that_is_live_elsewhere_is_worth_another_call(front: Front) -> None:
    front.put("people.csv")
    run_id = str(front.drop("people.csv"))
    front.world.store.change_dataset("people", lambda found: replace(found, champion=run_id))
    assert f"({run_id} is live, and not in service here yet)" in told(front).message


def test_who_asks_on_costs_storage_nothing_and_where_it_is_away_there_is_an_answer_all_the_same(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    store = front.world.store
    absent = Absent(store, lambda: now[0])
    first = absent.why("people").message

    def away(name: str) -> None:
        raise Upstream(f"storage is away, asked for {name}")

    monkeypatch.setattr(store, "find_dataset", away)
    assert absent.why("people").message == first
    now[0] += FRESH
    found = absent.why("people")
    assert (found.error_code, found.message) == (
        "no-live-model",
        "No model of the dataset 'people' is in service.",
    )


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    with serve(Endpoint(deployments={"m1-a1"})) as endpoint:
        app = App(endpoint)
        app.publish()
        monkeypatch.setattr(bootstrap, "scoring", lambda: app.scoring)
        monkeypatch.setattr(bootstrap, "telemetry", NoTelemetry)
        yield app


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("prob", "proba"),
        ("probabilities", "proba"),
        ("Proba", "proba"),
        ("explian", "explain"),
        ("shap", "shape"),
    ],
)
def test_a_misspelt_parameter_is_told_the_one_meant(app: App, name: str, meant: str) -> None:
    response = call(doors.score, request([ROW], route={"dataset": "bank"}, params={name: "true"}))
    found = body_of(response)
    assert (response.status_code, found["code"], found["field"]) == (400, "unknown-parameter", name)
    assert f"did you mean {meant}?" in found["detail"]
    assert app.endpoint.seen == []


def test_the_key_in_the_query_is_the_host_s(app: App) -> None:
    for key, whose in (("code", "clientId"), ("Code", "clientid")):  # the host takes them in any case
        params = {key: "k", whose: "default", "proba": "false"}
        assert call(doors.score, request([ROW], route={"dataset": "bank"}, params=params)).status_code == 200
    assert call(doors.score_only, request([ROW], params={"probe": "1"})).status_code == 400


def test_the_door_says_why_there_is_no_model(app: App, front: Front) -> None:
    front.put("people.csv", people())
    front.drop("people.csv")
    app.scoring.absence = Absent(front.world.store)
    found = body_of(call(doors.score, request([ROW], route={"dataset": "people"})))
    assert (found["status"], found["code"]) == (404, "no-live-model")
    assert "people-1-a1" in found["detail"]
