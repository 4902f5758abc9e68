"""A canary when something else goes wrong at the same time: callers of a bad challenger are brought back all the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from shared.domain.errors import Transient, Upstream
from shared.domain.run.ledger import Verification, verify
from shared.services.run import traffic as traffic_of
from shared.services.run.acting import asking, putting_back
from shared.services.run.canary import ASK_SECONDS
from shared.services.run.levers import shifting
from tests.services.test_acts import ANN, BEN, live, states, traffic
from tests.services.test_bad_cloud import until
from tests.services.test_canary import callers
from tests.services.test_lifecycle import drop, state, tick
from tests.support import sweeps
from tests.support.memory import Crash, World

BACK = {"m1-a1": 100}


def in_canary(seconds: float = 100, **options: Any) -> World:
    world = live("A", canary_seconds=seconds, **options)
    until(world, drop(world, "B"), "canary")
    tick(world, 5)
    return world


@pytest.fixture
def updating(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Azure has been changing the endpoint since the canary began, and doesn't come to an end."""
    world = in_canary()
    (endpoint,) = world.azureml.endpoints.values()
    endpoint |= {"state": "Updating", "wanted": dict(endpoint["traffic"])}
    with monkeypatch.context() as patch:
        patch.setattr(world.azureml, "_ready", lambda _: False)
        yield world
    tick(world, 5)
    assert (states(world), traffic(world)) == (["live", "rejected"], BACK), "the endpoint follows once it can"


class TestAnEndpointThatDoesNotSettle:
    def test_callers_who_meet_a_breach_are_brought_back(self, updating: World) -> None:
        callers(updating, "host-a", "m2-a1", 40, failing=True)
        tick(updating, 3)
        assert updating.serving("bank").traffic == BACK
        before = updating.docs.blobs["serving/bank.json"]
        tick(updating, 3)
        assert updating.docs.blobs["serving/bank.json"] == before, "and are told so once"

    def test_for_longer_than_a_run_may_stay_open(self, updating: World) -> None:
        for _ in range(30):
            updating.clock.now += 3600
            tick(updating, 1)
        assert updating.serving("bank").traffic == BACK
        assert updating.store.open_datasets() != {}, (
            "the run is open for as long as the endpoint has not followed"
        )


def test_an_endpoint_whose_last_change_was_cancelled_can_be_changed() -> None:
    world = live("AB", canary_seconds=1)
    (endpoint,) = world.azureml.endpoints.values()
    endpoint["state"] = "Canceled"
    putting_back.rollback("bank", None, ANN, None, world.context)
    tick(world, 20)
    assert (states(world), traffic(world)) == (["live", "rolled_back"], BACK)


def test_a_canary_may_last_as_long_as_runs_may_stay_open() -> None:
    world = in_canary(86_400, open_run_hours=24.0)
    for _ in range(900):
        world.clock.now += 100
        tick(world, 1)
    assert states(world) == ["retired", "live"]


class TestAPausedDataset:
    def test_a_breach_after_the_canarys_time_brings_callers_back(self) -> None:
        world = in_canary()
        asking.pause("bank", ANN, world.context)
        tick(world, 120)
        assert (world.run("bank-2-a1").waits_for or "").startswith("ann paused")
        callers(world, "host-a", "m2-a1", 200, failing=True)
        tick(world, 10)
        assert (states(world), traffic(world)) == (["live", "rejected"], BACK)

    def test_who_promotes_it_by_name_means_it(self) -> None:
        """Else the canary would go on unwatched, for as long as the pause lasts."""
        world = in_canary()
        asking.pause("bank", ANN, world.context)
        assert putting_back.promote("bank-2-a1", BEN, world.context).moved
        tick(world, 10)
        assert (states(world), traffic(world)) == (["retired", "live"], {"m2-a1": 100})

    def test_whoever_resumes_it_gives_no_failing_challenger_all_traffic(self) -> None:
        world = in_canary()
        asking.pause("bank", ANN, world.context)
        tick(world, 120)
        callers(world, "host-a", "m2-a1", 200, failing=True)
        tick(world, 1)
        asking.resume("bank", ANN, world.context)
        tick(world, 10)
        assert states(world) == ["live", "rejected"]


class TestTheSmokeRowsAtTheEnd:
    @pytest.mark.parametrize(
        ("away", "ends"), [(1, "live"), (20, "live"), (3 * int(ASK_SECONDS), "rejected")]
    )
    def test_an_answer_that_may_still_come_is_asked_for_again(
        self, away: int, ends: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = in_canary()
        real, left = world.scorer.answers, [away]

        def flaky(endpoint: Any, deployment: str, *rest: Any) -> Any:
            if deployment == "m2-a1" and left[0]:
                left[0] -= 1
                raise Transient("HTTP 429: the endpoint has more requests than it can handle")
            return real(endpoint, deployment, *rest)

        monkeypatch.setattr(world.scorer, "answers", flaky)
        tick(world, 120 + 2 * int(ASK_SECONDS))
        assert state(world, "bank-2-a1") == ends


class TestAPersonActsMeanwhile:
    def test_nobody_is_crowned_whose_canary_was_rolled_back_a_moment_before(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = in_canary()
        real, acted = traffic_of._watch, list[str]()

        def before_crowning(*of: Any) -> Any:
            found = real(*of)
            if not acted:
                acted.append("rolled back")
                putting_back.rollback("bank", None, ANN, None, world.context)
                for _ in range(6):
                    world.clock.now += 1
                    shifting.follow("bank", world.context)
            return found

        monkeypatch.setattr(traffic_of, "_watch", before_crowning)
        tick(world, 130)
        dataset = world.store.dataset("bank")
        assert acted
        assert dataset is not None
        assert dataset.champion == "bank-1-a1"
        assert (states(world), world.serving("bank").traffic) == (["live", "rolled_back"], BACK)

    def test_what_callers_were_just_brought_back_to_is_not_taken_away(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = live("AB", canary_seconds=30)
        until(world, drop(world, "C"), "canary")
        real, acted = world.azureml.deployments, list[str]()

        def listing(endpoint: str) -> Any:
            found = real(endpoint)
            if not acted and state(world, "bank-2-a1") == "retired":
                acted.append("rolled back")
                with monkeypatch.context() as patch:
                    patch.setattr(world.azureml, "begin_traffic", _busy)
                    putting_back.rollback("bank", "bank-1-a1", ANN, None, world.context)
            return found

        monkeypatch.setattr(world.azureml, "deployments", listing)
        tick(world, 60)
        assert acted
        assert world.serving("bank").traffic == traffic(world) == BACK
        assert state(world, "bank-1-a1") == "live"


class TestNoWayBack:
    """Somebody took the live model's deployment away: the canary ends all the same, and the next model takes its place."""

    def given(self) -> World:
        """All traffic given to the challenger in Azure, the champion's deployment deleted there."""
        world = in_canary()
        (endpoint,) = world.azureml.endpoints.values()
        endpoint |= {"traffic": {"m2-a1": 100}, "wanted": {"m2-a1": 100}}
        del endpoint["deployments"]["m1-a1"]
        return world

    def ended(self, world: World, ends: str) -> None:
        assert (states(world), traffic(world)) == (["live", ends], {})
        (endpoint,) = world.azureml.endpoints.values()
        assert not endpoint["deployments"]
        run_id = drop(world, "C")
        tick(world, 60)
        assert state(world, run_id) == "live", world.run(run_id).waits_for
        assert traffic(world) == world.serving("bank").traffic == {"m3-a1": 100}

    def test_a_breach_ends_it(self) -> None:
        world = self.given()
        callers(world, "host-a", "m2-a1", 40, failing=True)
        tick(world, 20)
        assert "no deployment of bank-1-a1 stands to go back to: 40 of its 40" in str(
            world.run("bank-2-a1").gate
        )
        self.ended(world, "rejected")

    def test_so_does_who_cancels_it(self) -> None:
        world = self.given()
        asking.cancel("bank-2-a1", ANN, world.context)
        tick(world, 20)
        self.ended(world, "cancelled")

    def test_traffic_that_is_refused_for_a_while_ends_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = live("A")
        (endpoint,) = world.azureml.endpoints.values()
        endpoint |= {"traffic": {}, "wanted": {}, "deployments": {}}

        def refuse(*_: Any) -> None:
            raise Upstream("policy refuses this change")

        with monkeypatch.context() as patch:
            patch.setattr(world.azureml, "begin_traffic", refuse)
            until(world, drop(world, "B"), "canary")
            tick(world, 60)
        self.ended(world, "rejected")

    def test_a_live_model_whose_deployment_has_failed_is_nothing_to_share_with(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = live("A")
        (endpoint,) = world.azureml.endpoints.values()
        endpoint |= {"traffic": {}, "wanted": {}}
        world.azureml.failed_deployments = {"m1-a1"}
        begin = world.azureml.begin_traffic

        def healthy(name: str, shares: dict[str, int]) -> None:
            if "m1-a1" in shares:
                raise Upstream("m1-a1 has failed: it can't be given traffic")
            begin(name, shares)

        monkeypatch.setattr(world.azureml, "begin_traffic", healthy)
        drop(world, "B")
        tick(world, 60)
        assert (states(world), traffic(world)) == (["retired", "live"], {"m2-a1": 100})

    @pytest.mark.parametrize("how", ["breach", "cancel"])
    def test_hosts_that_die_anywhere_end_it_once(self, how: str) -> None:
        for point in sweeps.places():
            world, died = self.given(), False
            if how == "breach":
                callers(world, "host-a", "m2-a1", 40, failing=True)
            world.points.die_at = 2 * len(world.points.seen) + point
            try:
                if how == "cancel":
                    asking.cancel("bank-2-a1", ANN, world.context)
                tick(world, 20)
            except Crash:
                died = True
                world.points.die_at = None
                world.restart()
                if how == "cancel":
                    asking.cancel("bank-2-a1", ANN, world.context)
                tick(world, 30)
            world.points.die_at = None
            self.ended(world, {"breach": "rejected", "cancel": "cancelled"}[how])
            run = world.run("bank-2-a1")
            assert verify(world.store.ledger(run.run_id), run.ledger_head, run.pending) == Verification(), (
                point
            )
            if not died:
                break
        assert point > 8


def _busy(*_: Any) -> None:
    raise Transient("HTTP 429")
