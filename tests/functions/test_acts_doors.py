"""The doors of what people do: who asks and why reaches the ledger, what can't be read is refused with its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from functions import acts, notifications, pipelines, quarantine, runs, scoring
from shared import bootstrap
from shared.adapters.telemetry import NoTelemetry
from shared.services.run import loop
from tests.functions.test_openapi import DOCUMENT, resolved
from tests.services.test_acts import entries, in_canary, live
from tests.services.test_lifecycle import tick
from tests.support.guest import guest_of
from tests.support.intake_front import Front
from tests.support.memory import World
from tests.support.scoring_support import body_of, call, request

#: Each door, and what its path names.
DOORS: dict[str, tuple[Callable[..., Any], dict[str, str]]] = {
    "/api/datasets/{dataset}/rollback": (acts.rollback_dataset, {"dataset": "bank"}),
    "/api/datasets/{dataset}/pause": (acts.pause_dataset, {"dataset": "bank"}),
    "/api/datasets/{dataset}/resume": (acts.resume_dataset, {"dataset": "bank"}),
    "/api/runs/{id}/promote": (acts.promote_run, {"id": "bank-1-a1"}),
    "/api/runs/{id}/cancel": (acts.cancel_run, {"id": "bank-2-a1"}),
    "/api/runs/{id}/approve": (acts.approve_run, {"id": "bank-2-a1"}),
    "/api/runs/{id}/reject": (acts.reject_run, {"id": "bank-2-a1"}),
}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return behind_the_doors(live(), monkeypatch)


def behind_the_doors(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(bootstrap, "context", lambda: world.context)
    monkeypatch.setattr(bootstrap, "store", lambda: world.store)
    monkeypatch.setattr(bootstrap, "telemetry", NoTelemetry)
    return world


def ask(path: str, body: Any = None, **headers: str) -> Any:
    function, route = DOORS[path]
    return call(
        function, request(body, route=route, headers={k.replace("_", "-"): v for k, v in headers.items()})
    )


@pytest.mark.parametrize("path", ["/api/datasets/{dataset}/rollback", "/api/runs/{id}/promote"])
def test_the_run_in_force_is_answered_as_the_document_says(path: str, world: World) -> None:
    answer = ask(path, {"note": "über Nacht"}, x_dropml_actor="Ann Smith")
    assert answer.status_code == 200
    said = body_of(answer)
    schema = resolved(DOCUMENT["components"]["schemas"]["InForce"])
    jsonschema.Draft202012Validator(schema).validate(said)
    assert (said["run_id"], said["moved"]) == ("bank-1-a1", True)
    tick(world, 3)
    last = entries(world, "bank-1-a1")[-1]
    assert (last["actor"], last["detail"]["note"]) == ("Ann Smith", "über Nacht")


def test_without_a_name_it_was_http(world: World) -> None:
    ask("/api/datasets/{dataset}/rollback")
    tick(world, 3)
    assert entries(world, "bank-1-a1")[-1]["actor"] == "http"


def test_back_to_a_named_run_with_a_key(world: World) -> None:
    for _ in range(2):
        said = body_of(ask("/api/datasets/{dataset}/rollback", {"to": "bank-1-a1"}, idempotency_key="k"))
        assert said["run_id"] == "bank-1-a1"
    other = ask("/api/datasets/{dataset}/rollback", {"to": "bank-2-a1"}, idempotency_key="k")
    assert (other.status_code, body_of(other)["code"]) == (409, "idempotency-key-reused")


def test_pause_and_resume(world: World) -> None:
    said = body_of(ask("/api/datasets/{dataset}/pause", {"note": "inventory"}, x_dropml_actor="ann"))
    assert (said["paused"], said["actor"], said["note"]) == (True, "ann", "inventory")
    (shown,) = body_of(call(runs.list_datasets, request(method="GET")))["datasets"]
    assert shown["paused"]["actor"] == "ann"
    assert body_of(ask("/api/datasets/{dataset}/resume"))["paused"] is False


def test_a_cancelled_run_is_taken_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    world = behind_the_doors(in_canary(), monkeypatch)
    answer = ask("/api/runs/{id}/cancel", {"note": "wrong file"}, x_dropml_actor="ann")
    assert answer.status_code == 202
    schema = resolved(DOCUMENT["components"]["schemas"]["Asked"])
    jsonschema.Draft202012Validator(schema).validate(body_of(answer))
    tick(world, 5)
    shown = body_of(call(runs.show_run, request(method="GET", route={"id": "bank-2-a1"})))
    assert (shown["state"], shown["cancelling"]["note"]) == ("cancelled", "wrong file")


@pytest.mark.parametrize("path", ["/api/runs/{id}/approve", "/api/runs/{id}/reject"])
def test_nothing_waits_here(path: str, world: World) -> None:
    answer = ask(path)
    assert (answer.status_code, body_of(answer)["code"]) == (409, "not-awaiting-approval")
    assert body_of(answer)["remedy"]


@pytest.mark.parametrize("path", DOORS)
@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"{", {}, "invalid-json"),
        (b"[]", {}, "invalid-input"),
        (b'{"note": 7}', {}, "invalid-input"),
        (b'{"note": "\\ud800"}', {}, "invalid-input"),
        (json.dumps({"note": "x" * 1001}).encode(), {}, "invalid-input"),
        (b'{"nots": "x"}', {}, "invalid-input"),
        (b"", {"x-dropml-actor": "a" * 81}, "invalid-actor"),
        (b"", {"x-dropml-actor": "Ann\u00fc"}, "invalid-actor"),
        (b"", {"x-dropml-actor": "a\nb"}, "invalid-actor"),
    ],
)
def test_what_can_not_be_read_changes_nothing(
    path: str, body: bytes, headers: dict[str, str], code: str, world: World
) -> None:
    before = dict(world.docs.blobs)
    answer = ask(path, body, **headers)
    assert (answer.status_code, body_of(answer)["code"]) == (400, code)
    assert world.docs.blobs == before


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Front:
    """Two refused files, one of them no table and without a run, and a run that was cancelled."""
    house = Front()
    house.put("people.csv")
    house.drop("people.csv")
    house.put("broken.csv", "a,y\n1,2,3\n")
    house.drop("broken.csv")
    house.put("people.xlsx", "PK")
    house.drop("people.xlsx")
    guest_of(house, monkeypatch)
    call(acts.cancel_run, request(route={"id": "people-1-a1"}))
    for _ in range(3):
        loop.tick(house.world.context)
        house.world.clock.now += 60
    return house


def note_id(house: Front) -> str:
    (found,) = house.world.docs.list("notes/")
    return str(found).removeprefix("notes/").removesuffix(".json")


@pytest.mark.parametrize("file", ["broken-1-a1", "people.xlsx"])
def test_why_a_refused_file_was_discarded_is_kept_and_shown(file: str, house: Front) -> None:
    route = {"id": file if file.endswith("-a1") else note_id(house)}
    for note, actor in (("old export", "ann"), ("another", "bob")):
        asked = request({"note": note}, route=route, headers={"x-dropml-actor": actor})
        assert body_of(call(quarantine.discard_refused, asked))["actor"] == "ann"
    decision = body_of(call(quarantine.show_refused, request(method="GET", route=route)))["decision"]
    assert (decision["actor"], decision["note"]) == ("ann", "old export")


def test_why_a_run_is_tried_again_stands_in_the_ledger_of_the_attempt(house: Front) -> None:
    asked = request({"note": "more memory"}, route={"id": "people-1-a1"}, headers={"x-dropml-actor": "ann"})
    new = body_of(call(runs.retry_run, asked))["run_id"]
    assert new == "people-1-a2"
    (first, *_) = house.world.run(new).pending or house.world.store.ledger(new)
    assert (json.loads(first)["actor"], json.loads(first)["detail"]) == ("ann", {"note": "more memory"})


@pytest.mark.parametrize("body", [b'{"note": [1,2', b"{", b"[]", b'{"nots": "x"}', b'{"note": 7}'])
@pytest.mark.parametrize(
    ("function", "route"),
    [
        (quarantine.release_refused, {"id": "broken-1-a1"}),
        (quarantine.accept_schema, {"id": "broken-1-a1"}),
        (quarantine.discard_refused, {"id": "broken-1-a1"}),
        (runs.retry_run, {"id": "people-1-a1"}),
        (notifications.resend_notification, {"id": "x"}),
        (pipelines.publish_pipeline, {"dataset": "people"}),
        (scoring.rotate_key, {"name": "people-abc123"}),
    ],
)
def test_a_body_that_is_not_read_is_refused_and_nothing_is_done(
    function: Callable[..., Any], route: dict[str, str], body: bytes, house: Front
) -> None:
    before = dict(house.world.docs.blobs)
    answer = call(function, request(body, route=route))
    assert (answer.status_code, body_of(answer)["code"]) in ((400, "invalid-json"), (400, "invalid-input"))
    assert house.world.docs.blobs == before


def test_an_empty_object_says_nothing_and_is_taken(house: Front) -> None:
    answer = call(pipelines.publish_pipeline, request(b" {} ", route={"dataset": "people"}))
    assert answer.status_code == 202


def test_a_list_of_pipeline_runs_is_not_sent_twice(house: Front) -> None:
    def listed(**headers: str) -> Any:
        asked = request(method="GET", route={"dataset": "people"}, headers=headers)
        return call(pipelines.list_pipeline_runs, asked)

    etag = listed().headers["ETag"]
    assert listed(**{"if-none-match": etag}).status_code == 304
    call(pipelines.publish_pipeline, request(route={"dataset": "people"}))
    assert listed(**{"if-none-match": etag}).status_code == 200
