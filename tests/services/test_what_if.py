"""What the gate saw is kept, can be looked at, and can be judged again by other terms without anything changing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.answers import Answers
from shared.domain.errors import DropMLError
from shared.domain.evidence import Evidence
from shared.domain.gate import GateConfig
from shared.domain.run.acts import Act
from shared.domain.schema import Column
from shared.services.run import comparing, what_if
from shared.services.run.acting import asking
from tests.services.test_fresh import second_file
from tests.services.test_holdouts import FLIP, Town
from tests.services.test_lifecycle import CONFIG, SCHEMA, drop, state, tick
from tests.support.memory import World

BETTER = replace(CONFIG, gate=GateConfig(policy="better"))


def two(config: Any = CONFIG, **rates: float) -> World:
    """Two versions; of each deployment the share of rows that it errs on."""
    world = World()
    Town(world) if not rates else world.scorer.error_rate.update({f"{k}-a1": v for k, v in rates.items()})
    drop(world, "A")
    tick(world)
    drop(world, "B", config=config)
    tick(world)
    return world


def asked(world: World, run_id: str = "bank-2-a1", **terms: Any) -> what_if.WhatIfView:
    return what_if.what_if(run_id, json.dumps(terms).encode() if terms else b"", world.store)


def refused(world: World, body: object, run_id: str = "bank-2-a1") -> DropMLError:
    with pytest.raises(DropMLError) as error:
        what_if.what_if(run_id, json.dumps(body).encode(), world.store)
    return error.value


class TestTheDiff:
    def test_is_kept_with_each_verdict(self) -> None:
        world = two(m1=0.05, m2=0.2)
        found, _ = what_if.diff("bank-2-a1", world.store)
        assert found is not None
        assert (found.champion_run, found.rows, found.holdout) == ("bank-1-a1", 1000, "bank/B/holdout")
        assert (found.flips, found.lost, found.won) == (150, 150, 0)
        assert {flip.values for flip in found.shown} == {None}
        first, _ = what_if.diff("bank-1-a1", world.store)
        assert first is not None
        assert (first.champion_run, first.flips) == (None, 0)

    def test_has_the_values_where_the_setting_says_so(self) -> None:
        world = World()
        world.scorer.error_rate = {"m1-a1": 0.05, "m2-a1": 0.2}
        world.gate_values = True
        for content in "AB":
            drop(world, content)
            tick(world)
        found, _ = what_if.diff("bank-2-a1", world.store)
        assert found is not None
        assert all(flip.values == {"x": flip.row - 1} for flip in found.shown)

    def test_its_etag_spares_the_answer(self) -> None:
        world = two()
        _, etag = what_if.diff("bank-2-a1", world.store)
        assert what_if.diff("bank-2-a1", world.store, etag.__eq__) == (None, etag)

    def test_one_that_can_not_be_made_holds_no_verdict_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: Any, **__: Any) -> Any:
            raise ZeroDivisionError("nobody foresaw this")

        monkeypatch.setattr(comparing, "diff_of", broken)
        world = two()
        assert state(world, "bank-2-a1") == "live"
        assert any(line["what"] == "what the gate saw is not kept" for line in world.logged)
        assert refused(world, {}).error_code == "no-evidence"


class TestWhatIf:
    def test_by_the_same_terms_it_is_the_same(self) -> None:
        for world in (two(), two(m1=0.05, m2=0.2), two(m1=0.2, m2=0.05)):
            for run_id in ("bank-1-a1", "bank-2-a1"):
                found = asked(world, run_id)
                assert found.did == found.would
                assert (found.differs, found.changed) == (False, ())

    def test_a_stricter_policy_would_have_refused_what_went_live(self) -> None:
        world = two()
        found = asked(world, policy="better")
        assert (found.did.outcome, found.would.outcome, found.differs) == ("promote", "reject", True)
        assert found.would.reason.startswith("not proven better, as gate.policy asks: AUC_weighted 0.")
        assert found.changed == ("policy",)
        assert asked(two(config=BETTER), policy="not_worse").would.outcome == "promote"

    def test_another_metric_and_margin(self) -> None:
        world = two()
        found = asked(world, metric="balanced_accuracy", margin=0.5)
        assert found.did.numbers.metric == "AUC_weighted"
        assert (found.would.numbers.metric, found.would.numbers.margin) == ("balanced_accuracy", 0.5)
        assert found.would.numbers.calibration_error is None
        by_precision = asked(world, metric="average_precision_score_weighted")
        assert by_precision.would.numbers.calibration_error == by_precision.did.numbers.calibration_error

    def test_the_floor_of_a_first_model(self) -> None:
        found = asked(two(), "bank-1-a1", floor=0.99)
        assert found.would.outcome == "reject"
        assert "is not above the floor 0.9900" in found.would.reason

    def test_little_evidence(self) -> None:
        world = World()
        world.data.holdout = 40
        for content in "AB":
            drop(world, content)
            tick(world)
        found = asked(world, insufficient_evidence="reject")
        assert (found.did.outcome, found.would.outcome) == ("promote", "reject")

    def test_proven_worse_stays_out_by_any_terms(self) -> None:
        world = two(m1=0.05, m2=0.2)
        found = asked(world, margin=1, floor=-1, policy="not_worse", insufficient_evidence="promote")
        assert found.would.outcome == "reject"
        assert found.would.reason.startswith("proven worse")

    def test_changes_nothing(self) -> None:
        world = two()
        before = dict(world.docs.blobs), dict(world.ledger_store.text)
        asked(world, policy="better")
        assert (world.docs.blobs, world.ledger_store.text) == before

    def test_who_waits_for_a_person_would_wait(self) -> None:
        world = two(config=replace(CONFIG, approval="required"))
        assert state(world, "bank-2-a1") == "awaiting_approval"
        found = asked(world, policy="better")
        assert (found.did.outcome, found.would.outcome) == ("awaiting_approval", "reject")
        asking.decide("bank-2-a1", "approved", Act("ann", 1.0), world.context)
        tick(world)
        assert asked(world).did.outcome == asked(world).would.outcome == "promote"

    def test_of_a_suspicious_file_it_stays_suspicious(self) -> None:
        world, _, second = second_file(lambda x, true: FLIP[true], suspicious="train")
        tick(world, 12)
        assert state(world, second) == "awaiting_approval"
        found = asked(world, second)
        assert found.did == found.would
        assert (
            asked(world, second, metric="balanced_accuracy", margin=1.0).would.numbers.suspicious is not None
        )

    def test_of_numbers(self) -> None:
        world = World()
        schema, config = replace(SCHEMA, classes=()), replace(CONFIG, task="regression")
        world.scorer.labels = lambda e, d, c, rows: [str(row[0] + (d == "m2-a1")) for row in rows]  # type: ignore[method-assign, assignment]
        world.data.draw_holdout = lambda *_: ([[x] for x in range(200)], [str(x) for x in range(200)])  # type: ignore[method-assign, assignment]
        for content in "AB":
            drop(world, content, schema=schema, config=config)
            tick(world)
        found = asked(world, margin=0.5)
        assert (found.did.outcome, found.did.numbers.metric) == ("reject", "r2_score")
        diff, _ = what_if.diff("bank-2-a1", world.store)
        assert diff is not None
        assert (diff.measure, diff.flips, diff.lost) == ("mean_absolute_error", 200, 200)
        assert refused(world, {"metric": "AUC_weighted"}).remedy == "One of auto, r2_score."


class TestWhatCanNotBeAsked:
    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ([], "(body)"),
            ({"metric": "luck"}, "metric"),
            ({"metric": 7}, "metric"),
            ({"margin": "0.1"}, "margin"),
            ({"margin": 2}, "margin"),
            ({"margin": True}, "margin"),
            ({"floor": -2}, "floor"),
            ({"policy": "worse"}, "policy"),
            ({"insufficient_evidence": None}, "insufficient_evidence"),
            ({"collapse": 1.0}, "collapse"),
        ],
    )
    def test_terms_that_are_none(self, body: object, field: str) -> None:
        error = refused(two(), body)
        assert (error.error_code, error.where["field"]) == ("invalid-terms", field)
        assert error.remedy

    def test_a_run_that_no_gate_has_seen(self) -> None:
        world = World()
        run_id = drop(world)
        error = refused(world, {}, run_id)
        assert error.message == (
            "The run bank-1-a1 has no evidence to judge it again by: the gate has not compared its model (it is dropped)."
        )
        with pytest.raises(DropMLError, match="has no prediction diff"):
            what_if.diff(run_id, world.store)

    def test_a_run_that_was_held(self) -> None:
        world = World()
        drop(world, "A")
        tick(world)
        drop(world, "B", schema=replace(SCHEMA, columns=(*SCHEMA.columns, Column("z", "number"))))
        tick(world)
        error = refused(world, {})
        assert "its model was not compared: held: the input schema breaks its callers" in error.message

    def test_a_run_that_an_earlier_release_judged(self) -> None:
        world = two()
        world.docs.delete("evidence/bank-2-a1.json")
        error = refused(world, {})
        assert (error.error_code, error.status) == ("no-evidence", 404)
        assert "an earlier release judged it" in error.message

    def test_more_scores_than_are_kept(self) -> None:
        world = two()
        path = comparing.evidence_path("bank-2-a1")
        kept = world.store.read(path, Evidence)
        assert kept is not None
        world.store.write(path, replace(kept, scores_left_out=True))
        error = refused(world, {})
        assert (error.error_code, error.status) == ("scores-not-kept", 409)
        assert asked(world, metric="accuracy").would.numbers.metric == "accuracy"


def test_what_is_kept_holds_labels_of_the_threshold_that_was_chosen() -> None:
    """The verdict by a chosen threshold comes out again: its rows stay apart from those that it was chosen on."""
    from tests.services.test_threshold import F1
    from tests.support.sure_models import sure_world

    world = sure_world()
    for content in "AB":
        drop(world, content, config=F1)
        tick(world)
    for metric in ("auto", "balanced_accuracy"):
        found = asked(world, metric=metric)
        assert found.would.numbers.per_class == found.did.numbers.per_class
    evidence = world.store.read("evidence/bank-2-a1.json", Evidence)
    assert evidence is not None
    assert evidence.new.flattered


def test_answers_of_strange_labels_are_kept_as_they_are() -> None:
    world = World()
    town = Town(world, script=False)
    real = town.answers

    def answers(e: Any, deployment: str, columns: list[str], rows: list[list[Any]]) -> Answers:
        found = real(e, deployment, columns, rows)
        strange = [name if len(rows) < 3 or i % 7 else "maybe" for i, name in enumerate(found.result)]
        return replace(found, result=strange)

    world.scorer.answers = answers  # type: ignore[method-assign, assignment]
    for content in "AB":
        drop(world, content)
        tick(world)
    found = asked(world)
    assert found.did == found.would
