"""A threshold is chosen on one half of the holdout, told by the other, and in force before callers meet the model."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from shared.domain.config import DatasetConfig
from shared.domain.gate import GateConfig
from shared.domain.run.ledger import verify
from shared.domain.schema import Column, Schema
from shared.domain.threshold import Cost, Curve, Graded, ThresholdRule, first_half
from shared.services.run import threshold_views
from shared.services.run.thresholds import curve_path
from tests.services.test_lifecycle import CONFIG, SCHEMA, drop, state, tick
from tests.support import sweeps
from tests.support.memory import Crash, World
from tests.support.sure_models import SureScorer, rare, sure_world, unsure

BY_LABELS = GateConfig(metric="balanced_accuracy")
F1 = replace(CONFIG, threshold=ThresholdRule(maximise="f1"))


def scorer(world: World) -> SureScorer:
    assert isinstance(world.scorer, SureScorer)
    return world.scorer


def put(world: World) -> list[float | None]:
    """The threshold that each deployment has now, by the order of the runs."""
    (endpoint,) = world.azureml.endpoints.values()
    return [spec.threshold for spec in endpoint["deployments"].values()]


def halves(first: bool) -> Graded:
    return Graded([(rare(x) == "yes", unsure(x)) for x in range(1000) if first_half([x]) is first])


def updates(world: World) -> int:
    return world.points.seen.count("MemoryAzureML.begin_deployment")


class TestTheFirstModel:
    def test_answers_by_what_its_rule_chose_before_it_gets_traffic(self) -> None:
        world = sure_world()
        run_id = drop(world, config=F1)
        tick(world)
        run = world.run(run_id)
        assert (state(world, run_id), run.threshold is not None) == ("live", True)
        found = run.threshold
        assert found is not None
        choosing, telling = halves(True), halves(False)
        best = max(choosing.counts(cut).f1 for cut in choosing.cuts())
        assert found.value is not None
        assert found.value < 0.5
        assert best >= choosing.counts(found.value).f1 > best - 0.05, "by a smooth curve, not by a few rows"
        assert found.chosen_on is not None
        assert found.reported_on is not None
        assert found.plain is not None
        assert found.chosen_on.f1 == round(choosing.counts(found.value).f1, 6)
        assert found.reported_on.f1 == round(telling.counts(found.value).f1, 6)
        assert found.plain.f1 == round(telling.counts(0.5000001).f1, 6)
        assert found.reported_on.f1 > found.plain.f1 + 0.3
        assert (found.classes, found.positive, found.deployment) == (("no", "yes"), "yes", "follows")
        assert put(world) == [found.value]
        assert world.serving("bank").version(world.serving("bank").live).threshold == found.value
        effects = [
            what for what in world.points.seen if "begin_deployment" in what or "begin_traffic" in what
        ]
        assert [what.partition(".")[2] for what in effects] == [
            "begin_deployment",
            "begin_deployment",
            "begin_traffic",
        ]

    def test_its_smoke_rows_are_asked_anew(self) -> None:
        """The same rows may be answered otherwise by right."""
        world = sure_world()
        scorer(world).share = lambda x: 0.45 if rare(x) == "yes" else 0.1
        run_id = drop(world, config=F1, schema=replace(SCHEMA, example=({"x": 10}, {"x": 11})))
        tick(world)
        run = world.run(run_id)
        assert run.gate is not None
        assert run.gate.smoke == ("yes", "no")
        (smoke,) = [json.loads(line)["detail"] for line in world.store.ledger(run_id) if '"smoke"' in line]
        assert smoke == {"smoke": ["no", "no"]}

    def test_labels_are_judged_on_rows_that_it_was_not_chosen_on(self) -> None:
        world = sure_world()
        run_id = drop(world, config=replace(F1, gate=BY_LABELS))
        tick(world)
        run = world.run(run_id)
        assert run.gate is not None
        assert run.gate.numbers is not None
        assert run.threshold is not None
        assert run.threshold.reported_on is not None
        assert run.gate.numbers.rows == sum(not first_half([x]) for x in range(1000))
        assert run.gate.numbers.challenger == run.threshold.reported_on.balanced_accuracy

    def test_probabilities_are_judged_on_all_rows(self) -> None:
        """They have nothing from the choice."""
        world = sure_world()
        run_id = drop(world, config=F1)
        tick(world)
        run = world.run(run_id)
        assert run.gate is not None
        assert run.gate.numbers is not None
        assert run.threshold is not None
        assert run.threshold.reported_on is not None
        assert (run.gate.numbers.metric, run.gate.numbers.rows) == ("AUC_weighted", 1000)
        yes = run.gate.numbers.per_class[1]
        assert (yes.label, yes.challenger) == ("yes", run.threshold.reported_on.recall)
        assert yes.rows == run.threshold.reported_on.tp + run.threshold.reported_on.fn

    def test_the_ledger_and_the_curve_tell_of_it(self) -> None:
        world = sure_world()
        run_id = drop(world, config=replace(CONFIG, threshold=ThresholdRule(cost=Cost(1, 5))))
        tick(world)
        run = world.run(run_id)
        assert run.threshold is not None
        (told,) = [json.loads(line)["detail"] for line in world.store.ledger(run_id) if '"rule"' in line]
        assert (told["threshold"], told["rule"]) == (
            run.threshold.value,
            "cost 1 a false positive, 5 a false negative",
        )
        view = threshold_views.curve(run_id, world.store)
        assert (view.rows, view.classes, view.positive) == (1000, ("no", "yes"), "yes")
        assert len(view.points) <= 200
        assert run.threshold.value in [point.threshold for point in view.points]
        assert all(point.cost == point.fp + 5 * point.fn for point in view.points)
        assert [point.threshold for point in view.points] == sorted(point.threshold for point in view.points)
        first = view.points[0]
        assert (first.tp, first.fp, first.recall, first.precision) == (100, 900, 1.0, 0.1)

    def test_a_number_that_was_said_is_there_from_the_start_and_told_by_all_rows(self) -> None:
        world = sure_world()
        run_id = drop(world, config=replace(CONFIG, threshold=ThresholdRule(value=0.3)))
        tick(world)
        found = world.run(run_id).threshold
        assert found is not None
        assert (found.value, found.chosen_on, put(world), updates(world)) == (0.3, None, [0.3], 1)
        assert found.reported_on is not None
        assert found.reported_on.tp + found.reported_on.fn == 100

    def test_without_a_rule_the_more_probable_class_is_answered_and_the_curve_is_kept(self) -> None:
        world = sure_world()
        run_id = drop(world)
        tick(world)
        found = world.run(run_id).threshold
        assert found is not None
        assert (found.value, found.rule, found.note, updates(world)) == (None, None, "", 1)
        assert found.plain is not None
        assert len(threshold_views.curve(run_id, world.store).points) > 100

    @pytest.mark.parametrize(
        ("rule", "positive"),
        [(ThresholdRule(maximise="mcc", positive="no"), "no"), (ThresholdRule(min_recall=0.95), "yes")],
    )
    def test_rules_speak_of_the_class_that_is_positive(self, rule: ThresholdRule, positive: str) -> None:
        world = sure_world()
        run_id = drop(world, config=replace(CONFIG, threshold=rule))
        tick(world)
        found = world.run(run_id).threshold
        assert found is not None
        assert found.positive == positive
        assert found.chosen_on is not None
        rows = found.chosen_on.tp + found.chosen_on.fn
        assert rows == sum(first_half([x]) and rare(x) == positive for x in range(1000))
        if rule.min_recall:
            assert found.chosen_on.recall is not None
            assert found.chosen_on.recall >= 0.95


class TestARuleThatChoosesNothing:
    def note(self, world: World, rule: ThresholdRule, schema: Schema = SCHEMA, **changes: object) -> str:
        run_id = drop(world, config=replace(CONFIG, threshold=rule, **changes), schema=schema)  # type: ignore[arg-type]
        tick(world)
        assert state(world, run_id) == "live"
        found = world.run(run_id).threshold
        assert found is not None
        assert (found.value, updates(world), found.deployment) == (None, 1, "follows")
        return found.note

    def test_out_of_reach(self) -> None:
        world = sure_world()
        scorer(world).share = lambda x: 0.6 if rare(x) == "yes" or x % 10 == 1 else 0.1
        note = self.note(world, ThresholdRule(min_precision=0.99))
        assert note.startswith(
            "No threshold: a precision of 0.99 is out of reach: the highest is 0.4653, with a recall"
        )
        assert note.endswith("The more probable class is answered.")

    def test_labels_alone(self) -> None:
        world = sure_world()
        scorer(world).silent = True
        scorer(world).share = lambda x: 1.0 if rare(x) == "yes" else 0.0
        assert "the deployment answers no probabilities" in self.note(world, ThresholdRule(maximise="f1"))

    def test_no_code(self) -> None:
        world = sure_world(deployment_mode="no_code")
        scorer(world).silent = True
        scorer(world).share = lambda x: 1.0 if rare(x) == "yes" else 0.0
        assert "DEPLOYMENT_MODE=no_code" in self.note(world, ThresholdRule(value=0.3))

    def test_three_classes_which_the_settings_rule_met(self) -> None:
        world = sure_world()
        scorer(world).share = lambda x: 1.0 if rare(x) == "yes" else 0.0
        three = replace(SCHEMA, classes=("maybe", "no", "yes"))
        assert "only a label of two classes has a threshold" in self.note(
            world, ThresholdRule(value=0.3), schema=three
        )

    def test_no_holdout(self) -> None:
        world = sure_world()
        world.data.holdout = 0
        assert "there are no holdout rows to choose it on" in self.note(world, ThresholdRule(maximise="f1"))


def test_a_number_needs_no_holdout() -> None:
    world = sure_world()
    world.data.holdout = 0
    run_id = drop(world, config=replace(CONFIG, threshold=ThresholdRule(value=0.2)))
    tick(world)
    found = world.run(run_id).threshold
    assert found is not None
    assert (state(world, run_id), found.value, put(world)) == ("live", 0.2, [0.2])
    assert found.note == "There are no holdout rows to tell what it is worth."


def test_few_rows_are_told() -> None:
    world = sure_world()
    world.data.holdout = 300
    run_id = drop(world, config=F1)
    tick(world)
    found = world.run(run_id).threshold
    assert found is not None
    assert found.note.startswith("Little evidence: ")


def test_a_regression_has_none() -> None:
    world = sure_world()
    numbers = Schema("y", (Column("x", "integer"),), (), ({"x": 1}, {"x": 2}))
    run_id = drop(world, schema=numbers, config=DatasetConfig(task="regression", timeout_minutes=1.0))
    tick(world, 8)
    assert world.run(run_id).threshold is None


class TestAChallenger:
    def test_gets_its_threshold_before_its_canary_and_passes(self) -> None:
        world = sure_world()
        first = drop(world, "A", config=F1)
        tick(world)
        second = drop(world, "B", config=F1)
        tick(world, 60)
        assert (state(world, first), state(world, second)) == ("retired", "live")
        gate = world.run(second).gate
        assert gate is not None
        assert gate.numbers is not None
        assert gate.numbers.difference == 0
        thresholds = [version.threshold for version in world.serving("bank").deployments.values()]
        assert thresholds == put(world)
        assert None not in thresholds

    def test_is_judged_by_labels_of_its_own_threshold_against_those_of_the_champions(self) -> None:
        """The challenger knows as much, and says it with lower probabilities: without thresholds it would be rejected."""
        world = sure_world()
        first = drop(world, "A", config=replace(F1, threshold=ThresholdRule(value=0.27), gate=BY_LABELS))
        tick(world)
        scorer(world).share = lambda x: unsure(x) / 2
        plain = drop(world, "B", config=replace(CONFIG, gate=BY_LABELS))
        tick(world, 30)
        second = drop(world, "C", config=replace(F1, gate=BY_LABELS))
        tick(world, 60)
        assert (state(world, first), state(world, plain), state(world, second)) == (
            "retired",
            "rejected",
            "live",
        )

    def test_whose_deployment_cannot_be_changed_is_given_up_and_the_champion_stays(self) -> None:
        world = sure_world()
        first = drop(world, "A")
        tick(world)
        second = drop(world, "B", config=F1)
        while not world.run(second).threshold:
            tick(world, 1)
        world.azureml.failed_deployments.add(str(world.run(second).placement and "m2-a1"))
        tick(world, 30)
        assert (state(world, first), state(world, second)) == ("live", "rejected")
        gate = world.run(second).gate
        assert gate is not None
        assert "came out as Failed when it was given its threshold" in str(gate.reason)
        assert world.serving("bank").traffic == {"m1-a1": 100}

    def test_first_model_whose_deployment_cannot_be_changed_fails_with_the_reason(self) -> None:
        world = sure_world()
        run_id = drop(world, "A", config=F1)
        while not world.run(run_id).threshold:
            tick(world, 1)
        world.azureml.failed_deployments.add("m1-a1")
        tick(world, 30)
        problem = world.run(run_id).problem
        assert problem is not None
        assert (state(world, run_id), problem.code) == ("failed", "threshold-not-deployed")
        assert put(world) == []


def story(die_at: int | None = None) -> World:
    """A champion, then a challenger with a threshold; the process may die once."""
    world = sure_world()
    drop(world, "A", config=F1)
    tick(world)
    world.points.seen.clear()
    world.points.die_at = die_at
    try:
        drop(world, "B", config=F1)
        tick(world, 60)
    except Crash:
        world.points.die_at = None
        world.restart()
        drop(world, "B", config=F1)
        tick(world, 60)
    return world


WHOLE = story()


@pytest.mark.parametrize("point", sweeps.part(range(0, 2 * len(WHOLE.points.seen), 2)))
def test_a_death_at_any_moment_leads_to_the_same_end(point: int) -> None:
    world = story(point)
    assert [state(world, run.run_id) for run in world.runs()] == ["retired", "live"]
    for run in world.runs():
        before = WHOLE.run(run.run_id)
        assert run.threshold is not None
        assert before.threshold is not None
        assert replace(run.threshold, at=0.0) == replace(before.threshold, at=0.0)
        assert verify(world.store.ledger(run.run_id), run.ledger_head, run.pending).broken_at is None
        assert world.store.read(curve_path(run.run_id), Curve) == WHOLE.store.read(
            curve_path(run.run_id), Curve
        )
    assert put(world) == put(WHOLE)
    assert world.serving("bank").deployments == WHOLE.serving("bank").deployments
