"""The live model meets the new file before anything is trained on it: a series, a suspicion, and never a hindrance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.domain.answers import Answers
from shared.domain.errors import Transient, Upstream
from shared.domain.gate import Verdict
from shared.domain.run.acts import Act
from shared.domain.run.fresh import MOST, Fresh, Point, Series
from shared.domain.run.ledger import Verification, verify
from shared.domain.schema import Schema
from shared.services.run import fresh, loop, retraining
from shared.services.run.acting import asking
from shared.services.run.fresh import PART, series_path
from shared.services.run.levers import approving
from tests.services.test_acts import entries
from tests.services.test_holdouts import FLIP, Town, gone, half_shuffled, shuffled, verdict
from tests.services.test_lifecycle import CONFIG, SCHEMA, drop, state, tick
from tests.support import sweeps
from tests.support.memory import Crash, World

ANN = Act("ann", 1.0, "the label was turned round on purpose")


def series(world: World) -> tuple[Point, ...]:
    found = world.store.read(series_path("bank"), Series)
    return found.points if found else ()


def met(world: World, run_id: str) -> Fresh:
    found = world.run(run_id).fresh
    assert found is not None
    return found


def second_file(
    poison: Any = None, *, config: Any = CONFIG, rows: int = 1000, **options: Any
) -> tuple[World, Town, str]:
    """A champion, and a second file that was dropped."""
    world = World(**options)
    world.data.holdout = rows
    town = Town(world)
    drop(world, "A")
    tick(world)
    if poison:
        town.says["B"] = poison
        world.data.draw_holdout = gone(town, "bank/A/")  # type: ignore[method-assign]
    town.asked.clear()
    return world, town, drop(world, "B", config=config)


def until(world: World, run_id: str, wanted: str) -> None:
    """Step by step, so that the moment isn't passed over."""
    for _ in range(60):
        if state(world, run_id) == wanted:
            return
        loop.step(run_id, world.context)
        world.clock.now += 1
    raise AssertionError(f"never {wanted}: {state(world, run_id)}")


class TestTheSeries:
    def test_has_the_live_model_s_value_on_each_new_file(self) -> None:
        world, _, second = second_file()
        tick(world)
        drop(world, "C")
        tick(world)
        first, then = series(world)
        assert (first.run_id, first.champion, first.model) == (second, "bank-1-a1", "bank:1")
        assert (then.run_id, then.champion, then.model) == ("bank-3-a1", second, "bank:2")
        assert (first.metric, first.rows, first.suspicious, first.note) == ("AUC_weighted", 1000, None, None)
        assert first.low is not None
        assert first.high is not None
        assert 0.8 < first.low < first.value < first.high < 1
        assert first.before == verdict(world, "bank-1-a1").challenger
        assert met(world, second) == Fresh(first, listed=True)
        told = next(entry for entry in entries(world, second) if entry["event"] == "fresh")
        assert (told["detail"]["value"], told["detail"]["rows"]) == (first.value, 1000)

    def test_first_models_and_a_champion_s_own_bytes_have_none(self) -> None:
        world = World()
        Town(world)
        first = drop(world, "A")
        tick(world)
        again = retraining.begin(world.run(first), "2026-01-05T03:00", "retrain", world.context)
        tick(world)
        assert [world.run(run_id).fresh for run_id in (first, again)] == [None, None]
        assert series(world) == ()

    def test_is_measured_before_money_is_spent_and_in_parts_that_leave_room_for_callers(self) -> None:
        world, town, second = second_file()
        seen: list[int] = []
        submit = world.azureml.submit
        world.azureml.submit = lambda job: (seen.append(len(town.asked)), submit(job))[1]  # type: ignore[method-assign, func-returns-value]
        tick(world)
        assert seen == [1000 // PART]
        assert town.asked[: seen[0]] == [("m1-a1", PART)] * seen[0]
        assert met(world, second).point is not None

    def test_same_rows_scored_by_the_same_champion_are_one_point(self) -> None:
        world, town, second = second_file()
        world.azureml.job_status[second] = "Failed"
        tick(world)
        again = retraining.retry(second, "ann", world.context)
        town.files["m2-a2"] = "B"
        tick(world)
        assert state(world, again) == "live"
        assert len(series(world)) == 1
        assert met(world, again).point is not None

    def test_is_bounded(self) -> None:
        points = [
            Point(f"bank-{n}-a1", n, 0.0, "c", "m", "accuracy", 0.5, 10, holdout=str(n))
            for n in range(MOST + 9)
        ]
        found = Series()
        for point in points:
            found = found.having(point).having(point)
        assert found.points == tuple(points[9:])

    def test_one_that_can_not_be_read_is_begun_anew(self) -> None:
        for text in ("not json", '{"points": 7}'):
            world, _, second = second_file()
            world.docs.blobs[series_path("bank")] = (text, '"x"')
            tick(world)
            assert [point.run_id for point in series(world)] == [second]

    def test_labels_alone_are_measured_by_labels(self) -> None:
        world = World()
        Town(world, script=False)
        drop(world, "A")
        tick(world)
        drop(world, "B")
        tick(world)
        (point,) = series(world)
        assert point.metric == "balanced_accuracy"
        assert point.note == "balanced_accuracy of the labels: the model answers no probabilities"

    def test_numbers_are_measured_by_r2(self) -> None:
        world = World()
        schema, config = replace(SCHEMA, classes=()), replace(CONFIG, task="regression")
        world.scorer.labels = lambda e, d, c, rows: [str(row[0] + 1) for row in rows]  # type: ignore[method-assign, assignment]
        world.data.draw_holdout = lambda *_: ([[x] for x in range(200)], [str(x) for x in range(200)])  # type: ignore[method-assign, assignment]
        for content in "AB":
            drop(world, content, schema=schema, config=config)
            tick(world)
        (point,) = series(world)
        assert (point.metric, round(point.value, 3), point.rows) == ("r2_score", 1.0, 200)


class TestACollapse:
    @pytest.mark.parametrize("poison", [shuffled, half_shuffled, lambda x, true: FLIP[true]])
    def test_asks_a_person_before_anything_is_trained(self, poison: Any) -> None:
        world, _, second = second_file(poison)
        tick(world)
        run = world.run(second)
        assert str(run.state) == "awaiting_approval"
        assert second not in world.azureml.jobs
        assert run.approval is not None
        assert run.approval.why.startswith("The file is suspicious: the champion reaches ")
        assert run.approval.why.endswith(
            "the labels of the new file may be wrong, or mean something else than they did. Nothing was trained on it yet."
        )
        assert series(world)[-1].suspicious is not None
        third = drop(world, "C")
        tick(world)
        assert state(world, third) == "live", "an honest file passes the one that waits"

    def test_approved_it_trains_and_nobody_is_asked_again(self) -> None:
        world, _, second = second_file(lambda x, true: FLIP[true])
        tick(world)
        asking.decide(second, "approved", ANN, world.context)
        tick(world)
        assert state(world, second) == "live"
        history = [str(moment.state) for moment in world.run(second).history]
        assert history[2:5] == ["registered", "awaiting_approval", "registered"]
        assert history.count("awaiting_approval") == 1

    def test_where_every_model_is_approved_the_word_on_the_file_is_none_on_the_model(self) -> None:
        world, _, second = second_file(
            lambda x, true: FLIP[true], config=replace(CONFIG, approval="required")
        )
        tick(world)
        asking.decide(second, "approved", ANN, world.context)
        tick(world)
        run = world.run(second)
        assert str(run.state) == "awaiting_approval"
        assert run.approval is not None
        assert run.approval.why.startswith("The dataset asks for approval of every model.")
        asking.decide(second, "approved", ANN, world.context)
        tick(world)
        assert state(world, second) == "live"

    def test_rejected_it_costs_nothing(self) -> None:
        world, _, second = second_file(shuffled)
        tick(world)
        asking.decide(second, "rejected", ANN, world.context)
        run = world.run(second)
        assert (str(run.state), second in world.azureml.jobs) == ("rejected", False)
        assert run.gate is not None
        assert run.gate.reason == f"rejected by ann: {ANN.note}"
        assert verify(world.store.ledger(second), run.ledger_head, run.pending) == Verification()

    def test_cancelled_it_ends(self) -> None:
        world, _, second = second_file(shuffled)
        tick(world)
        asking.cancel(second, ANN, world.context)
        tick(world, 10)
        assert state(world, second) == "cancelled"

    def test_where_nobody_is_to_be_asked_it_is_rejected_at_once(self) -> None:
        world, _, second = second_file(shuffled, config=replace(CONFIG, approval="none"))
        tick(world)
        run = world.run(second)
        assert (str(run.state), second in world.azureml.jobs) == ("rejected", False)
        assert run.gate is not None
        assert str(run.gate.reason).startswith("suspicious data: the champion reaches ")

    def test_by_setting_it_trains_and_the_gate_asks(self) -> None:
        world, town, second = second_file(lambda x, true: FLIP[true], suspicious="train")
        until(world, second, "gate")
        town.says["A"] = town.says["B"] = lambda x, true: true  # what the gate sees is beyond doubt
        tick(world, 12)
        run = world.run(second)
        assert second in world.azureml.jobs
        assert str(run.state) == "awaiting_approval"
        assert run.approval is not None
        assert run.approval.why == f"The file is suspicious: {met(world, second).suspicious}."

    def test_of_another_champion_is_no_word_on_this_one(self) -> None:
        world, _, second = second_file(shuffled)
        tick(world)
        run, fine = world.run(second), Verdict("promote", "better")
        assert approving.suspected(run, "bank-7-a1", fine) == fine
        held = approving.suspected(run, "bank-1-a1", fine)
        assert (held.decision, held.suspicious) == ("reject", met(world, second).suspicious)
        assert held.reason == f"suspicious data: {held.suspicious}"
        worse = replace(fine, objection="too slow")
        assert approving.suspected(run, "bank-1-a1", worse).reason.endswith("; too slow")

    def test_few_rows_accuse_nobody(self) -> None:
        world = World()
        world.data.holdout = 40
        town = Town(world)
        drop(world, "A")
        tick(world)
        town.says["B"] = lambda x, true: FLIP[true]
        drop(world, "B")
        tick(world, 4)
        (point,) = series(world)
        assert point.suspicious is None
        assert point.note == "little evidence: 20 holdout rows of the rarest class"


class TestWhatKeepsItFromAnswering:
    @pytest.mark.parametrize(
        "fault",
        [Upstream("the container answered 500"), Transient("no connection"), KeyError("nobody foresaw it")],
    )
    def test_is_told_and_the_run_goes_on(self, fault: Exception) -> None:
        world, town, second = second_file()
        real, count = town.answers, [0]

        def answers(e: Any, deployment: str, columns: list[str], rows: list[list[Any]]) -> Answers:
            if len(rows) == PART:
                count[0] += 1
                raise fault
            return real(e, deployment, columns, rows)

        world.scorer.answers = answers  # type: ignore[method-assign, assignment]
        tick(world)
        assert (state(world, second), count, series(world)) == ("live", [1], ())
        found = met(world, second)
        assert found.point is None
        assert found.skipped is not None
        assert any(line["what"] == "the live model did not meet the new file" for line in world.logged)
        told = next(entry for entry in entries(world, second) if entry["event"] == "fresh")
        assert told["detail"] == {"champion": "bank-1-a1", "skipped": found.skipped}

    def test_an_endpoint_that_is_gone_is_told_too(self) -> None:
        world, _, second = second_file()
        real = world.azureml.endpoint
        world.azureml.endpoint = lambda name: None if state(world, second) == "registered" else real(name)  # type: ignore[method-assign]
        until(world, second, "training")
        assert str(met(world, second).skipped).startswith("There is no endpoint bank-")

    def test_another_label_is_passed_over(self) -> None:
        world = World()
        Town(world)
        drop(world, "A")
        tick(world)
        second = drop(world, "B", schema=replace(SCHEMA, label="z"), config=replace(CONFIG, schema="free"))
        tick(world)
        assert met(world, second) == Fresh(skipped="The live model answers another label.")

    def test_a_file_without_held_out_rows_is_passed_over(self) -> None:
        world, town, second = second_file()

        def draw(path: str, schema: Schema, limit: int) -> Any:
            return ([], []) if path.startswith("bank/B") else town.draw(path, schema, limit)

        world.data.draw_holdout = draw  # type: ignore[method-assign]
        tick(world, 4)
        assert met(world, second) == Fresh(skipped="The file holds no rows out that the live model takes.")


def poisoned(point: int | None) -> tuple[World, str, bool]:
    """A suspicious file, approved; the process dies once, at an effect."""
    world, _, second = second_file(lambda x, true: FLIP[true], rows=120)
    world.points.seen.clear()
    world.points.die_at = point
    died = False

    def living(action: Any) -> None:
        nonlocal died
        try:
            action()
        except Crash:
            died = True
            world.points.die_at = None
            world.restart()
            action()

    for _ in range(8):
        living(lambda: loop.tick(world.context))
        world.clock.now += 1
    living(lambda: asking.decide(second, "approved", ANN, world.context))
    for _ in range(30):
        living(lambda: loop.tick(world.context))
        world.clock.now += 1
    return world, second, died


def test_dying_before_or_after_any_effect_changes_nothing() -> None:
    whole, second, _ = poisoned(None)
    expected = series(whole), len(whole.store.ledger(second)), "live"
    assert len(expected[0]) == 1
    for point in sweeps.places():
        world, run_id, died = poisoned(point)
        found = [replace(each, at=expected[0][0].at) for each in series(world)]
        assert (tuple(found), len(world.store.ledger(run_id)), state(world, run_id)) == expected, point
        run = world.run(run_id)
        assert verify(world.store.ledger(run_id), run.ledger_head, run.pending) == Verification()
        assert world.azureml.submissions == len(world.azureml.jobs) == 2
        if not died:
            break


def test_the_step_lists_the_point_once_however_many_hosts_do(monkeypatch: pytest.MonkeyPatch) -> None:
    world, _, second = second_file()
    while not (found := world.run(second).fresh):
        loop.step(second, world.context)
    assert found.point is not None
    for _ in range(3):
        fresh.shown(lambda run, _: run)(world.run(second), world.context)
    assert len(series(world)) == 1
