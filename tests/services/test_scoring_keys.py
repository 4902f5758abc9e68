"""The endpoint's keys: read once, refreshed when refused, rotated under load without a failed request."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from functions import scoring as doors
from shared import bootstrap
from shared.adapters.telemetry import NoTelemetry
from shared.domain.errors import Conflict, DropMLError
from shared.services.scoring import rotation_work
from shared.services.scoring.keys import Slot
from shared.services.scoring.rotation import Rotation
from tests.support.memory import Crash, CrashPoints
from tests.support.scoring_support import SCHEMA, App, Endpoint, body_of, call, request, serve

TWO = {"data": [dict(row) for row in SCHEMA.example]}


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    with serve(Endpoint()) as endpoint:
        app = App(endpoint)
        app.publish()
        monkeypatch.setattr(bootstrap, "scoring", lambda: app.scoring)
        monkeypatch.setattr(bootstrap, "endpoints", lambda: app.endpoints)
        monkeypatch.setattr(bootstrap, "rotations", lambda: app.rotations)
        monkeypatch.setattr(bootstrap, "serving", lambda: app.directory)
        monkeypatch.setattr(bootstrap, "telemetry", NoTelemetry)
        yield app


def score(body: Any = None, dataset: str = "bank", **kwargs: Any) -> Any:
    req = request(TWO if body is None else body, route={"dataset": dataset}, **kwargs)
    return call(doors.score, req)


def problem(response: Any) -> tuple[int, str]:
    assert response.mimetype == "application/problem+json"
    doc = body_of(response)
    assert doc["status"] == response.status_code
    return response.status_code, doc["code"]


def test_keys_are_read_once_and_again_when_refused(app: App) -> None:
    for _ in range(3):
        assert score().status_code == 200
    assert app.endpoint.key_reads == 1
    app.endpoint.live_keys = ["new", "s0"]
    assert score().status_code == 200
    assert app.endpoint.key_reads == 2


def test_the_secondary_key_is_used_when_the_primary_is_refused(app: App) -> None:
    app.endpoint.keys = lambda endpoint: ("wrong", "s0")  # type: ignore[method-assign]
    assert score().status_code == 200
    assert score().status_code == 200
    assert [seen["headers"]["authorization"] for seen in app.endpoint.seen] == [
        "Bearer wrong",
        "Bearer s0",
        "Bearer s0",
    ]


def test_when_no_key_is_taken_it_says_so_and_does_not_hammer(app: App) -> None:
    app.endpoint.live_keys = ["a", "b"]
    app.endpoint.keys = lambda endpoint: ("x", "y")  # type: ignore[method-assign]
    assert problem(score()) == (502, "endpoint-unauthorized")
    before = len(app.endpoint.seen)
    assert problem(score()) == (502, "endpoint-unauthorized")
    assert len(app.endpoint.seen) == before + 1


def test_a_token_is_used_where_the_endpoint_takes_tokens(app: App) -> None:
    app.publish(auth_mode="aad_token")
    app.directory.refresh("bank")
    assert score().status_code == 200
    assert app.endpoint.seen[-1]["headers"]["authorization"] == "Bearer t0"
    app.endpoint.token_value = "t1"
    assert score().status_code == 200
    assert app.endpoint.seen[-1]["headers"]["authorization"] == "Bearer t1"


def test_rotation_and_swapped_deployments_under_load_fail_no_request(app: App) -> None:
    """Two processes score (each with keys of its own) while a third rotates twice and the deployment is swapped."""
    apps = [app, App(app.endpoint, app.documents)]
    stop, counts = threading.Event(), [0] * 4
    failures: list[BaseException] = []

    def load(at: int) -> None:
        entry_of = apps[at % 2]
        while not stop.is_set():
            try:
                entry = entry_of.scoring.entry("bank")
                body = b'{"input_data": {"columns": ["age"], "index": [0], "data": [[60]]}}'
                scored = entry_of.scoring.predict(entry, body, 1, entry_of.calls.deadline(5))
                assert scored.prediction.result == ["yes"]
                counts[at] += 1
            except (DropMLError, AssertionError) as error:
                failures.append(error)

    threads = [threading.Thread(target=load, args=(at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    rotator = App(app.endpoint, app.documents)
    for _ in range(2):
        rotator.rotations.request("bank-abc123")
        assert set(work(rotator).rotated) == {"primary", "secondary"}
        time.sleep(0.1)
    app.endpoint.deployments.add("m2-a1")
    app.publish(live="m2-a1", traffic={"m2-a1": 100})
    app.endpoint.deployments.discard("m1-a1")
    time.sleep(0.2)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert min(counts) > 10
    assert len(set(app.endpoint.live_keys) & {"p0", "s0"}) == 0


def work(app: App, seconds: float = 30.0) -> Rotation:
    """A tick of the timer; the rotation as it stands then."""
    rotation_work.step_rotations(app.rotations, time.monotonic() + seconds, observe=told)
    found = app.rotations.load("bank-abc123")
    assert found is not None
    return found[0]


def told(message: str, /, **fields: object) -> None:
    """Where observations go."""


def rotate(name: str) -> Any:
    return call(doors.rotate_key, request(route={"name": name}))


def shown(name: str = "bank-abc123") -> Any:
    return call(doors.show_rotation, request(method="GET", route={"name": name}))


def test_rotation_over_http_is_taken_at_once_and_worked_off_later(app: App) -> None:
    assert problem(shown()) == (404, "no-rotation")
    taken = rotate("bank-abc123")
    assert taken.status_code == 202
    assert taken.headers["Location"] == "/api/endpoints/bank-abc123/rotation"
    assert (body_of(taken)["status"], app.endpoint.regenerated) == ("queued", [])
    work(app)
    done = body_of(shown())
    assert (done["id"], done["status"], done["error"]) == (body_of(taken)["id"], "completed", None)
    assert done["rotated"] == ["secondary", "primary"]
    assert app.endpoint.regenerated == ["secondary", "primary"]
    assert app.rotations.open.entries() == {}
    assert score().status_code == 200
    assert problem(rotate("other")) == (404, "unknown-endpoint")
    assert problem(shown("other")) == (404, "unknown-endpoint")
    app.publish(auth_mode="aad_token")
    app.directory.refresh("bank")
    assert problem(rotate("bank-abc123")) == (409, "no-keys-in-use")


def test_no_key_is_ever_written_down(app: App) -> None:
    app.endpoint.live_keys = ["primary-secret", "secondary-secret"]
    app.rotations.request("bank-abc123")
    regenerate = app.endpoint.begin_regenerate
    app.endpoint.begin_regenerate = lambda endpoint, which: None  # type: ignore[method-assign]
    work(app, rotation_work.MARGIN + 0.5)
    assert "-secret" not in str(app.documents.blobs)
    app.endpoint.begin_regenerate = regenerate  # type: ignore[method-assign]


def test_asking_again_while_one_is_open_means_that_one(app: App) -> None:
    """From two hosts at once, too."""
    other = App(app.endpoint, app.documents)
    first = app.rotations.request("bank-abc123")
    assert other.rotations.request("bank-abc123").id == first.id
    threads = [threading.Thread(target=work, args=(each,)) for each in (app, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert app.endpoint.regenerated == ["secondary", "primary"]
    assert app.rotations.request("bank-abc123").id != first.id


def test_one_host_works_on_a_rotation_until_its_claim_has_run_out(app: App) -> None:
    app.rotations.request("bank-abc123")
    found = app.rotations.load("bank-abc123")
    assert found is not None
    claimed = replace(found[0], status="running", claimed_until=time.time() + 100)
    _, etag = app.rotations.save(claimed, found[1])
    assert work(app).status == "running"
    assert app.endpoint.regenerated == []
    app.rotations.save(replace(claimed, claimed_until=0.0), etag)
    assert work(app).status == "completed"


@pytest.mark.parametrize("die_at", range(12))
def test_a_host_that_dies_anywhere_leaves_a_rotation_that_another_ends(app: App, die_at: int) -> None:
    app.rotations.request("bank-abc123")
    dying = App(app.endpoint, app.documents)
    points = CrashPoints()
    points.die_at = die_at
    regenerate, replace_document = app.endpoint.begin_regenerate, app.documents.replace
    points.wrap(app.endpoint, ["begin_regenerate"])
    points.wrap(app.documents, ["replace"])
    with pytest.raises(Crash):
        work(dying)
    app.endpoint.begin_regenerate = regenerate  # type: ignore[method-assign]
    app.documents.replace = replace_document  # type: ignore[method-assign]
    later = rotation_work.CLAIM_SECONDS + 1
    successor = App(app.endpoint, app.documents)
    successor.rotations = replace(successor.rotations, clock=lambda: time.time() + later)
    rotation = work(successor)
    assert (rotation.status, rotation.rotated) == ("completed", ("secondary", "primary"))
    assert not {"p0", "s0"} & set(app.endpoint.live_keys)
    assert score().status_code == 200


def test_an_endpoint_that_is_busy_is_asked_again(app: App) -> None:
    """A change of traffic is under way: Azure answers 409."""
    regenerate, refusals = app.endpoint.begin_regenerate, [1, 1]

    def busy(endpoint: str, which: Slot) -> None:
        if refusals:
            refusals.pop()
            raise Conflict("An operation is in progress.")
        regenerate(endpoint, which)

    app.endpoint.begin_regenerate = busy  # type: ignore[method-assign]
    app.rotations.request("bank-abc123")
    assert work(app).status == "completed"
    assert app.endpoint.regenerated == ["secondary", "primary"]


def test_a_tick_ends_at_its_deadline_and_the_next_goes_on(app: App) -> None:
    regenerate = app.endpoint.begin_regenerate
    app.endpoint.begin_regenerate = lambda endpoint, which: None  # type: ignore[method-assign]
    app.rotations.request("bank-abc123")
    rotation = work(app, rotation_work.MARGIN + 0.5)
    assert (rotation.status, rotation.claimed_until) == ("running", 0.0)
    regenerate("", "secondary")  # Azure lists the new key a while later
    app.endpoint.begin_regenerate = regenerate  # type: ignore[method-assign]
    assert work(app).status == "completed"


def test_rotation_never_destroys_the_only_key_that_works(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation_work, "SETTLE_SECONDS", 0.3)
    app.endpoint.live_keys = ["other", "s0"]
    monkeypatch.setattr(app.endpoint, "keys", lambda endpoint: ("p0", "s0"))
    app.rotations.request("bank-abc123")
    rotation = work(app)
    assert rotation.status == "failed"
    assert rotation.error is not None
    assert rotation.error.code == "key-not-taken"
    assert "doesn't take its primary key" in rotation.error.message
    assert app.endpoint.regenerated == []


def test_of_hosts_that_ask_and_tick_at_once_one_rotates(app: App) -> None:
    hosts = [App(app.endpoint, app.documents) for _ in range(4)]
    regenerate, under_way, together = (
        app.endpoint.begin_regenerate,
        threading.Semaphore(1),
        threading.Barrier(4),
    )

    def alone(endpoint: str, which: Slot) -> None:
        assert under_way.acquire(blocking=False), "two at the same time"
        time.sleep(0.05)
        regenerate(endpoint, which)
        under_way.release()

    app.endpoint.begin_regenerate = alone  # type: ignore[method-assign]

    def host(of: App) -> str:
        together.wait(30)
        asked = of.rotations.request("bank-abc123", "monday")
        together.wait(30)
        rotation_work.step_rotations(of.rotations, time.monotonic() + 20, observe=told)
        return asked.id

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(host, hosts))) == 1
    assert sorted(app.endpoint.regenerated) == ["primary", "secondary"]
    assert work(app).status == "completed"


def test_the_key_of_a_rotation_that_has_ended_still_means_it(app: App) -> None:
    first = app.rotations.request("bank-abc123", "monday")
    assert work(app).status == "completed"
    assert app.rotations.request("bank-abc123", "monday").id == first.id
    assert app.rotations.request("bank-abc123", "monday").status == "completed"
    assert app.rotations.request("bank-abc123", "tuesday").id != first.id
    route = {"name": "bank-abc123"}
    wrong = request(route=route, headers={"Idempotency-Key": "../x"})
    assert problem(call(doors.rotate_key, wrong)) == (400, "invalid-idempotency-key")


def test_a_rotation_that_waits_keeps_no_other_waiting(app: App) -> None:
    """`autumn` comes first by name, and takes none of its keys."""
    app.publish("autumn")
    app.directory._listed = None
    keys = app.endpoint.keys
    app.endpoint.keys = (  # type: ignore[method-assign]
        lambda endpoint: ("none", "taken") if "autumn" in endpoint else keys(endpoint)
    )
    app.rotations.request("autumn-abc123")
    app.rotations.request("bank-abc123")
    assert work(app, seconds=4.0).status == "completed"
    waiting = app.rotations.load("autumn-abc123")
    assert waiting is not None
    assert waiting[0].status == "running"
