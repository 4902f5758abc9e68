"""A person sets the live model's threshold: at once for callers of the proxy, then in the deployment, once, with a trace."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.canary import Tally
from shared.domain.config import DatasetConfig
from shared.domain.documents import to_json
from shared.domain.errors import Conflict, DropMLError, InvalidInput, NotFound
from shared.domain.problems import MalformedBody
from shared.domain.run.acts import Watch
from shared.domain.run.ledger import verify
from shared.domain.schema import Column, Schema
from shared.domain.threshold import Cost, Curve, Threshold, ThresholdRule, tradeoff
from shared.domain.threshold.counts import Counts
from shared.services.run import live_threshold, threshold_views
from shared.services.run.threshold_views import LiveThresholdView, parsed
from shared.services.run.thresholds import comparable, curve_path, remark
from tests.services.test_lifecycle import CONFIG, SCHEMA, drop, state, tick
from tests.services.test_threshold import F1, put, scorer
from tests.support import sweeps
from tests.support.memory import Crash, World
from tests.support.sure_models import sure_world


def live(**options: Any) -> World:
    world = sure_world(**options)
    drop(world, "A")
    tick(world)
    assert state(world, "bank-1-a1") == "live"
    return world


def ask(world: World, actor: str = "http", **body: object) -> LiveThresholdView:
    return threshold_views.set_threshold("bank", json.dumps(body).encode(), actor, world.context)


def served(world: World, deployment: str = "m1-a1") -> float | None:
    return world.serving("bank").version(deployment).threshold


def events(world: World, run_id: str = "bank-1-a1") -> list[dict[str, Any]]:
    """What the ledger says of thresholds that a person set."""
    lines = map(json.loads, world.store.ledger(run_id))
    return [line for line in lines if str(line["event"]).startswith("threshold")]


def begun(world: World) -> int:
    return world.points.seen.count("MemoryAzureML.begin_deployment")


class TestANumber:
    def test_holds_for_the_proxy_at_once_and_for_the_deployment_after_a_while(self) -> None:
        world = live()
        before = begun(world)
        view = ask(world, threshold=0.3, note="the campaign of May")
        assert (view.in_force.value, view.pending, served(world), put(world)) == (0.3, True, 0.3, [None])
        assert view.says == "'yes' is answered where its probability is at least 0.3."
        assert (view.dataset, view.run_id, view.model) == ("bank", "bank-1-a1", "bank:1")
        assert view.curve == "/api/runs/bank-1-a1/threshold"
        tick(world, 5)
        assert (put(world), begun(world) - before) == ([0.3], 1)
        view = threshold_views.in_force("bank", world.context)
        assert (view.pending, view.in_force.comment, view.in_force.actor) == (
            False,
            "the campaign of May",
            "http",
        )
        assert not world.store.open_datasets(), "nothing is left to do"

    def test_leaves_a_trace_with_who_asked(self) -> None:
        world = live()
        ask(world, "anna", threshold=0.3, note="May")
        tick(world, 5)
        asked, update, done = events(world)
        assert (asked["event"], asked["actor"]) == ("threshold", "anna")
        assert asked["detail"] == {"threshold": 0.3, "before": None, "rule": "0.3", "note": "May"}
        assert (update["event"], done["event"], done["actor"]) == (
            "threshold-update-begun",
            "threshold-deployed",
            "dropml",
        )
        run = world.run("bank-1-a1")
        assert verify(world.store.ledger(run.run_id), run.ledger_head).broken_at is None

    def test_is_told_by_the_nearest_point_of_the_curve(self) -> None:
        world = live()
        points = threshold_views.curve("bank-1-a1", world.store).points
        exact = points[len(points) // 2]
        found = ask(world, threshold=exact.threshold).in_force
        assert found.reported_on is not None
        assert (found.reported_on.tp, found.reported_on.fp, found.note) == (exact.tp, exact.fp, "")
        path = curve_path("bank-1-a1")
        kept = world.store.read(path, Curve)
        assert kept is not None
        earlier = replace(kept, points=tuple(replace(point, over=None, upto=None) for point in kept.points))
        world.docs.put(path, to_json(earlier))
        other = ask(world, threshold=exact.threshold + 1e-9).in_force
        assert other.reported_on == found.reported_on
        assert other.note.startswith(f"The numbers are those of {exact.threshold:g}, the nearest point")

    @pytest.mark.parametrize("asked", [0.3, 0.45, 0.72, 0.9, 1.0])
    def test_on_a_whole_curve_is_told_by_what_holds_at_it(self, asked: float) -> None:
        """Counts change at the rows' probabilities alone, so a point tells of all thresholds between two of them."""
        world = sure_world()
        world.data.holdout = 60
        drop(world, "A")
        tick(world)
        found = ask(world, threshold=asked).in_force
        assert (found.note, found.reported_on is None) == ("", False)
        alike = {point.whole for point in whole(world).points if point.holds_at(asked)}
        assert [tradeoff(counts) for counts in alike] == [found.reported_on]

    def test_can_be_taken_back(self) -> None:
        world = live()
        ask(world, threshold=0.3)
        tick(world, 5)
        view = ask(world, threshold=None)
        assert (view.in_force.value, view.says, served(world)) == (
            None,
            "The more probable class is answered.",
            None,
        )
        tick(world, 5)
        assert put(world) == [None]

    def test_asked_twice_is_asked_once(self) -> None:
        world = live()
        first = ask(world, threshold=0.3)
        assert ask(world, threshold=0.3) == first, "while it is pending"
        tick(world, 5)
        assert ask(world, "another", threshold=0.3).in_force.actor == "http", "and once it is done"
        assert [line["event"] for line in events(world)].count("threshold") == 1
        assert ask(world, threshold=0.4).in_force.value == 0.4

    def test_that_is_in_force_anyway_changes_nothing(self) -> None:
        world = live()
        seen = len(world.points.seen)
        assert not ask(world, threshold=None).pending
        assert (len(world.points.seen), events(world)) == (seen, [])

    def test_asked_while_another_is_under_way_is_the_one_that_stays(self) -> None:
        world = live()
        ask(world, threshold=0.3)
        tick(world, 1)
        assert put(world) == [0.3]
        ask(world, threshold=0.4)
        assert served(world) == 0.4
        tick(world, 8)
        assert (put(world), served(world)) == ([0.4], 0.4)
        assert not threshold_views.in_force("bank", world.context).pending


def whole(world: World) -> Curve:
    found = world.store.read(curve_path("bank-1-a1"), Curve)
    assert found is not None
    return found


class TestARule:
    @pytest.mark.parametrize(
        ("rule", "holdout"),
        [
            *(({"maximise": metric}, rows) for metric in ("f1", "mcc") for rows in (60, 300, 1000)),
            *((rule, 60) for rule in ({"min_precision": 0.5}, {"min_recall": 0.8})),
        ],
    )
    def test_chooses_what_the_configuration_would_have_with_the_same_remark(
        self, rule: dict[str, Any], holdout: int
    ) -> None:
        configured, asked = sure_world(), sure_world()
        for world in (configured, asked):
            world.data.holdout = holdout
        drop(configured, "A", config=replace(CONFIG, threshold=ThresholdRule(**rule)))
        drop(asked, "A")
        tick(configured)
        tick(asked)
        before, now = configured.run("bank-1-a1").threshold, ask(asked, **rule).in_force
        assert before is not None
        same = ("value", "chosen_on", "reported_on", "plain", "note")
        assert [getattr(now, name) for name in same] == [getattr(before, name) for name in same]
        if holdout == 60:
            assert now.note.startswith("Little evidence: ")

    def test_whose_bound_the_other_half_falls_short_of_says_what_that_reaches(self) -> None:
        rows, other = Counts(40, 0, 10, 50), Counts(20, 10, 30, 40)
        assert remark(ThresholdRule(min_precision=0.9999), rows, other) == (
            "The rows that it was not chosen on reach a precision of 0.6667, less than the 0.9999 asked for."
        )
        assert remark(ThresholdRule(min_precision=0.6), rows, other) == ""

    def test_is_met_from_the_curve_as_the_gate_would_have(self) -> None:
        """The optimum is among the points of the curve."""
        world = live()
        view = ask(world, maximise="f1")
        other = sure_world()
        drop(other, "A", config=F1)
        tick(other)
        before = other.run("bank-1-a1").threshold
        assert before is not None
        now = view.in_force
        assert (now.chosen_on, now.plain) == (before.chosen_on, before.plain)
        assert now.rule == ThresholdRule(maximise="f1")

    @pytest.mark.parametrize(
        ("body", "rule"),
        [
            ({"min_recall": 0.9}, ThresholdRule(min_recall=0.9)),
            ({"threshold": {"min_precision": 0.5}}, ThresholdRule(min_precision=0.5)),
            ({"threshold": "maximise mcc"}, ThresholdRule(maximise="mcc")),
            ({"cost": {"false_negative": 9}}, ThresholdRule(cost=Cost(1, 9))),
            ({"min_recall": 0.9, "positive": "no"}, ThresholdRule(min_recall=0.9, positive="no")),
        ],
    )
    def test_may_be_any_of_the_configurations(self, body: dict[str, Any], rule: ThresholdRule) -> None:
        world = live()
        found = ask(world, **body).in_force
        assert (found.rule, found.positive) == (rule, rule.positive or "yes")
        assert found.chosen_on is not None
        share = found.chosen_on.precision if rule.min_precision else found.chosen_on.recall
        assert share is not None
        assert share >= (rule.min_precision or rule.min_recall or 0)

    def test_out_of_reach_leaves_the_model_as_it_is(self) -> None:
        world = sure_world()
        scorer(world).share = lambda x: 0.6 if x % 10 < 2 else 0.1
        drop(world, "A")
        tick(world)
        with pytest.raises(
            InvalidInput, match=r"a precision of 0\.9 is out of reach: the highest is"
        ) as caught:
            ask(world, min_precision=0.9)
        assert caught.value.error_code == "threshold-out-of-reach"
        assert (served(world), events(world)) == (None, [])

    def test_needs_a_curve_and_a_number_does_not(self) -> None:
        world = sure_world()
        world.data.holdout = 0
        drop(world, "A")
        tick(world)
        with pytest.raises(
            NotFound, match="has no curve of thresholds: the gate has not scored its model"
        ) as gone:
            threshold_views.curve("bank-1-a1", world.store)
        with pytest.raises(Conflict, match="has no curve to choose a threshold from") as caught:
            ask(world, maximise="f1")
        assert (gone.value.error_code, caught.value.error_code) == ("no-curve", "no-curve")
        view = ask(world, threshold=0.3)
        assert (view.in_force.value, view.curve) == (0.3, None)
        assert (
            view.says
            == "the second class of deployment m1-a1 is answered where its probability is at least 0.3."
        )


class TestWhatCannotBeAsked:
    @pytest.mark.parametrize(
        ("body", "message", "field"),
        [
            ([], "The body must be a JSON object", "(body)"),
            ({}, "threshold in the request says no rule.", "threshold"),
            ({"note": "?"}, "threshold in the request says no rule.", "threshold"),
            ({"threshold": 1.5}, "threshold in the request is 1.5; it takes none, a number", "threshold"),
            ({"threshold": "0.5"}, "threshold is the text '0.5', not a number.", "threshold"),
            ({"threshold": " 50 % "}, "threshold is the text ' 50 % ', not a number.", "threshold"),
            ({"cost": {"false_positive": 2}}, "cost says nothing of false_negative.", "threshold.cost"),
            ({"threshold": {"cost": {}}}, "cost says nothing of false_negative.", "threshold.cost"),
            (
                {"cost": {"false_positive": 1, "false_negative": "5"}},
                "threshold.cost.false_negative is the text '5', not a number.",
                "threshold.cost.false_negative",
            ),
            (
                {"cost": {"false_positive": 1, "false_negative": 1e308}},
                "threshold.cost.false_negative in the request is 1e+308; it takes a cost from 0 to 1e12",
                "threshold.cost.false_negative",
            ),
            (
                {"threshold": {"min_recall": "0.9"}},
                "threshold.min_recall is the text '0.9', not a number.",
                "threshold.min_recall",
            ),
            ({"threshold": True}, "threshold in the request is True", "threshold"),
            ({"threshold": 0.3, "maximise": "f1"}, "The body says threshold and 'maximise'", "threshold"),
            ({"maximise": "auc"}, "threshold.maximise in the request is 'auc'", "threshold.maximise"),
            ({"maximum": "f1"}, "'threshold.maximum' in the request is no known key", "threshold.maximum"),
            (
                {"threshold": 0.3, "note": "x" * 1001},
                "note must be a text of at most 1000 characters.",
                "note",
            ),
            ({"threshold": 0.3, "note": "\ud800"}, "note must be a text", "note"),
            (
                {"maximise": "f1", "positive": "maybe"},
                "threshold.positive is 'maybe', which is no class",
                "positive",
            ),
        ],
    )
    def test_a_body_of_no_known_shape(self, body: object, message: str, field: str) -> None:
        world = live()
        with pytest.raises(InvalidInput) as caught:
            threshold_views.set_threshold("bank", json.dumps(body).encode(), "http", world.context)
        assert caught.value.message.startswith(message)
        assert (caught.value.error_code, caught.value.where["field"]) == ("invalid-threshold", field)
        assert caught.value.remedy
        assert events(world) == []

    def test_what_is_no_json(self) -> None:
        with pytest.raises(MalformedBody):
            parsed(b"0.3 of them")

    @given(
        st.recursive(
            st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=9),
            st.lists,
            max_leaves=4,
        )
        | st.dictionaries(
            st.sampled_from(["threshold", "maximise", "cost", "positive", "note", "x"]),
            st.none() | st.floats(-1, 2) | st.text(max_size=9) | st.just({"false_positive": 1}),
        )
    )
    def test_whatever_is_sent_is_a_rule_or_refused(self, body: object) -> None:
        try:
            asked = parsed(json.dumps(body).encode())
        except InvalidInput:
            return
        value = asked.rule.value if asked.rule else None
        assert value is None or 0 <= value <= 1

    @pytest.mark.parametrize("reading", [True, False])
    def test_where_there_is_no_such_thing(self, reading: bool) -> None:
        def refusal(world: World, dataset: str = "bank") -> tuple[str, int]:
            call = partial(threshold_views.set_threshold, dataset, b'{"threshold": 0.3}', "http")
            with pytest.raises(DropMLError) as caught:
                (partial(threshold_views.in_force, dataset) if reading else call)(world.context)
            assert caught.value.remedy
            return caught.value.error_code, caught.value.status

        world = sure_world()
        assert refusal(world) == ("not-found", 404)
        drop(world, "A")
        assert refusal(world) == ("no-live-model", 404)
        tick(world)
        assert refusal(world, "boat") == ("not-found", 404)
        world = sure_world(deployment_mode="no_code")
        drop(world, "A")
        scorer(world).silent = True
        scorer(world).share = lambda x: float(x % 10 == 0)
        tick(world)
        assert refusal(world) == ("no-probabilities", 409)
        world = World()
        drop(world, "A", schema=replace(SCHEMA, classes=("maybe", "no", "yes")))
        tick(world)
        assert refusal(world) == ("no-threshold", 409)
        numbers = Schema("y", (Column("x", "integer"),), (), ({"x": 1},))
        world = sure_world()
        run_id = drop(
            world, "A", schema=numbers, config=DatasetConfig(task="regression", timeout_minutes=1.0)
        )
        world.store.change_dataset("bank", lambda found: replace(found, champion=run_id))
        assert refusal(world) == ("no-threshold", 409)


def story(die_at: int | None = None) -> World:
    """A threshold is set, the lifecycle goes on; the process may die once, and the caller never comes back."""
    world = live()
    world.points.seen.clear()
    world.points.die_at = die_at
    try:
        ask(world, maximise="f1", note="once")
        tick(world, 8)
    except Crash:
        world.points.die_at = None
        world.restart()
        tick(world, 8)
    return world


WHOLE = story()


@pytest.mark.parametrize("point", sweeps.part(range(2 * len(WHOLE.points.seen))))
def test_a_death_at_any_moment_loses_nothing_of_what_was_taken(point: int) -> None:
    """Before the dataset's document has it nothing was asked; from then on all of it is done, once."""
    world = story(point)
    run, before = world.run("bank-1-a1"), WHOLE.run("bank-1-a1")
    assert verify(world.store.ledger(run.run_id), run.ledger_head, run.pending).broken_at is None
    assert not world.store.open_datasets()
    assert run.threshold is not None
    assert before.threshold is not None
    if run.threshold.comment == "":
        assert (put(world), served(world), events(world)) == ([None], None, [])
        return
    assert replace(run.threshold, at=0.0) == replace(before.threshold, at=0.0)
    assert (put(world), served(world)) == (put(WHOLE), served(WHOLE))
    assert [line["event"] for line in events(world)].count("threshold") == 1
    assert run.threshold.deployment == "follows"


def test_a_death_loses_only_what_was_not_taken_yet() -> None:
    taken = [story(point).run("bank-1-a1").threshold for point in range(2 * len(WHOLE.points.seen))]
    lost = [found is None or not found.comment for found in taken]
    assert 0 < sum(lost) < 6
    assert lost == sorted(lost, reverse=True)


class TestADeploymentThatCannotBeChanged:
    def test_is_told_and_tried_again_when_asked_again(self) -> None:
        world = live()
        ask(world, threshold=0.3)
        tick(world, 1)
        world.azureml.failed_deployments.add("m1-a1")
        tick(world, 3)
        view = threshold_views.in_force("bank", world.context)
        assert view.pending
        assert view.in_force.note.startswith(
            "The deployment m1-a1 came out as Failed when it was given its threshold."
        )
        assert served(world) == 0.3, "callers of the proxy have it"
        assert events(world)[-1]["event"] == "threshold-not-deployed"
        assert not world.store.open_datasets()
        world.azureml.failed_deployments.clear()
        assert ask(world, threshold=0.3).in_force.note == ""
        tick(world, 5)
        assert not threshold_views.in_force("bank", world.context).pending

    def test_that_takes_for_ever_is_given_up(self) -> None:
        world = live(open_run_hours=0.01)
        ask(world, threshold=0.3)
        world.azureml.patience = 10**9
        tick(world, 60)
        note = threshold_views.in_force("bank", world.context).in_force.note
        assert note.startswith("The deployment has not taken it in 0.01 hours.")
        assert not world.store.open_datasets()

    def test_that_storms_keep_from_it_is_changed_after_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = live()
        ask(world, threshold=0.3)

        def stormy(*_: object) -> None:
            raise Conflict("the endpoint has an operation in progress")

        with monkeypatch.context() as storm:
            storm.setattr(world.azureml, "begin_deployment", stormy)
            tick(world, 3)
        assert put(world) == [None]
        tick(world, 5)
        assert put(world) == [0.3]


class TestWhileACanaryRuns:
    def canary(self) -> World:
        world = live(canary_seconds=1000)
        drop(world, "B", config=F1)
        while not (world.run("bank-2-a1").canary and world.serving("bank").shared):
            tick(world, 1)
        return world

    def test_the_champions_changes_alone_and_calls_are_counted_anew(self) -> None:
        world = self.canary()
        before = world.serving("bank")
        ask(world, threshold=0.3)
        after = world.serving("bank")
        assert (served(world), served(world, "m2-a1")) == (0.3, before.version("m2-a1").threshold)
        assert after.updated_at > before.updated_at, "the split's name: what was counted before tells nothing"
        assert after.traffic == before.traffic

    def test_of_a_model_that_is_replaced_it_is_dropped(self) -> None:
        world = live()
        run = world.run("bank-1-a1")
        dataset = world.store.find_dataset("bank")
        wanted = replace(run.threshold, value=0.3, at=1.0, actor="http") if run.threshold else None
        assert wanted is not None
        live_threshold.ask(dataset, run, wanted, world.context)
        drop(world, "B", config=F1)
        world.store.change_dataset("bank", lambda found: replace(found, champion="bank-2-a1"))
        tick(world, 1)
        assert world.store.find_dataset("bank").change is None
        assert any("not live any more" in line["what"] for line in world.logged)

    def test_a_model_that_went_live_meanwhile_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = live()
        drop(world, "B", config=CONFIG)

        def meanwhile(*arguments: Any) -> Any:
            world.store.change_dataset("bank", lambda found: replace(found, champion="bank-2-a1"))
            return taken(*arguments)

        taken = live_threshold.ask
        monkeypatch.setattr(live_threshold, "ask", meanwhile)
        with pytest.raises(
            Conflict, match="Another model of 'bank' went live meanwhile: bank-2-a1"
        ) as caught:
            ask(world, threshold=0.3)
        assert caught.value.error_code == "live-model-changed"
        assert events(world) == []


class TestWhatCallersMeet:
    """Labels that differ because a threshold was asked for speak against nobody."""

    def test_labels_are_compared_under_the_same_rule_alone(self) -> None:
        world = live()
        one = world.run("bank-1-a1")
        other = replace(one, threshold=Threshold(0.3, ThresholdRule(value=0.3)))
        met = Tally(calls=100, labels={"no": 90, "yes": 10}, scores={"yes": [5] * 20})
        assert comparable(one, one, met) == met
        assert comparable(other, one, met) == replace(met, labels={})
        earlier = replace(one, threshold=None)
        assert comparable(one, earlier, met) == met, "neither of them has a rule"

    def test_under_watch_a_persons_threshold_is_no_breach(self) -> None:
        world = live()
        met = Tally(calls=500, labels={"no": 900, "yes": 100})
        watch = Watch("bank-1-a1", "bank-0-a1", 0.0, 0.0, met)
        world.store.change_dataset("bank", lambda found: replace(found, watch=watch))
        ask(world, threshold=0.05)
        kept = world.store.find_dataset("bank").watch
        assert kept is not None
        assert (kept.baseline.calls, kept.baseline.labels) == (500, {})
