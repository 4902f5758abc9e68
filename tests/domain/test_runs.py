"""Runs, datasets and pipeline runs as documents: how they move, what they remember, how old ones open."""

from __future__ import annotations

import pytest

from shared.domain.documents import to_json
from shared.domain.errors import Conflict, InvalidInput
from shared.domain.run.dataset import REMEMBERED, Dataset, Holdout
from shared.domain.run.documents import Run, RunDetail
from shared.domain.run.migrations import dataset_of, pipeline_run_of, run_of
from shared.domain.run.parts import Moment, RunProblem, Source, Trouble
from shared.domain.run.pipeline_run import PipelineRun
from shared.domain.run.states import NEXT, OPEN, State


def run(n: int = 1, attempt: int = 1, state: State = State.DROPPED) -> Run:
    return Run(f"bank-{n}-a{attempt}", "bank", "bank", n, attempt, "k", "drop", state, 1.0, 1.0, "c")


class TestMoves:
    @pytest.mark.parametrize("state", State)
    @pytest.mark.parametrize("to", State)
    def test_a_run_goes_only_where_the_states_lead(self, state: State, to: State) -> None:
        if to in NEXT[state] or to is State.FAILED or (to is State.CANCELLED and state in OPEN):
            moved = run(state=state).advance(to, 2.5)
            assert (moved.state, moved.entered_at, moved.history) == (to, 2.5, (Moment(to, 2.5),))
        else:
            with pytest.raises(Conflict, match=f"from {state} to {to}"):
                run(state=state).advance(to, 2.5)

    def test_a_move_forgets_the_trouble_of_the_state_before(self) -> None:
        troubled = Run(**{**vars(run()), "trouble": Trouble(1, "m", 1.0)})
        assert troubled.advance(State.VALIDATING, 2.0).trouble is None

    def test_a_failure_keeps_where_it_came_from(self) -> None:
        ended = run(state=State.TRAINING).fail(2.0, RunProblem("x", "m"))
        assert ended.problem == RunProblem("x", "m", failed_in=State.TRAINING)
        assert not ended.is_open

    def test_live_is_no_work_for_a_timer(self) -> None:
        assert State.LIVE not in OPEN
        assert run().is_open

    def test_people_see_everything_but_what_the_store_keeps_for_itself(self) -> None:
        shown = to_json(run().opened(1.0, "me").detail())
        assert set(to_json(run())) - set(shown) == {
            "pending",
            "ledger_size",
            "ledger_head",
            "paced_at",
            "schema",
        }
        assert type(run().detail()) is RunDetail


class TestDataset:
    dataset = Dataset("bank", "bank", 1.0, Holdout("s", 0.1))

    def claim(
        self, dataset: Dataset, key: str, delivery: str | None = None, **more: bool
    ) -> tuple[Dataset, str, bool]:
        stands = more.pop("stands", True)
        return dataset.claimed(key, run, stands=lambda _: stands, delivery=delivery, brings_data=True, **more)

    def test_numbers_are_given_once_and_in_order(self) -> None:
        one, first, fresh = self.claim(self.dataset, "A", "e1")
        assert (first, fresh, one.next_n) == ("bank-1-a1", True, 2)
        two, second, fresh = self.claim(one, "B", "e2")
        assert (second, fresh, two.next_n) == ("bank-2-a1", True, 3)
        assert set(two.open) == {"bank-1-a1", "bank-2-a1"}
        assert self.claim(two, "A", "e3")[1:] == ("bank-3-a1", True), "A, then B, then A again"

    def test_the_same_again_is_the_same_and_its_delivery_is_remembered(self) -> None:
        one, first, _ = self.claim(self.dataset, "A", "e1")
        again, found, fresh = self.claim(one, "A", "e2")
        assert (found, fresh) == (first, False)
        assert again.drops == {"e1": first, "e2": first}
        assert self.claim(again, "Z", "e2")[1:] == (first, False), "a delivery is what it was"

    def test_what_no_longer_stands_gets_the_next_attempt_of_its_number(self) -> None:
        one, _, _ = self.claim(self.dataset, "A")
        two, second, fresh = self.claim(one, "A", stands=False)
        assert (second, fresh, two.next_n) == ("bank-1-a2", True, 2)
        assert self.claim(two, "A", stands=False)[1] == "bank-1-a3"

    def test_an_older_key_is_tried_again_only_when_asked_to(self) -> None:
        one, _, _ = self.claim(self.dataset, "A")
        two, _, _ = self.claim(one, "B")
        assert self.claim(two, "A", stands=False, again=True)[1] == "bank-1-a2"
        assert self.claim(two, "A", again=True)[1:] == ("bank-1-a1", False)

    def test_the_oldest_deliveries_are_forgotten_first(self) -> None:
        dataset = self.dataset
        for number in range(REMEMBERED + 3):
            dataset, _, _ = self.claim(dataset, f"k{number}", f"e{number}")
        assert len(dataset.drops) == len(dataset.keys) == REMEMBERED
        assert next(iter(dataset.drops)) == "e3"

    def test_a_run_that_has_ended_is_open_no_more_and_promotes_no_more(self) -> None:
        one, first, _ = self.claim(self.dataset, "A")
        two, second, _ = self.claim(one, "B")
        promoting = Dataset(**{**vars(two), "promoting": first})
        assert promoting.closed(second).promoting == first
        closed = promoting.closed(first)
        assert (closed.promoting, set(closed.open)) == (None, {second})


class TestOldDocuments:
    def test_a_run_that_never_got_anywhere(self) -> None:
        old = to_json(run()) | {
            "data": {},
            "job": {},
            "endpoint": {},
            "best": {},
            "model": {},
            "gate": {},
            "error": None,
        }
        old |= {"trouble": {}, "schema": 1, "source": {"container": "incoming", "content_hash": None}}
        for part in ("snapshot", "training", "placement", "canary", "problem"):
            del old[part]
        opened = run_of(old)
        assert opened == Run(**{**vars(run()), "source": Source("incoming")})

    def test_a_canary_under_way_and_one_that_was_breached(self) -> None:
        gate = {"decision": "promote", "reason": "better", "canary_percent": 20, "canary_since": 7.0}
        old = {k: v for k, v in to_json(run()).items() if k != "canary"} | {"schema": 1, "gate": gate}
        canary = run_of(old).canary
        assert canary is not None
        assert (canary.percent, canary.since, canary.passed, canary.breach) == (20, 7.0, False, None)
        old["gate"] = gate | {"breach": "it failed", "canary_calls": {"champion": 1, "challenger": 2}}
        canary = run_of(old).canary
        assert canary is not None
        assert (canary.breach, canary.calls) == ("it failed", {"champion": 1, "challenger": 2})
        assert run_of(old | {"gate": {"canary_percent": 0}}).canary is not None
        assert run_of(old | {"gate": {"decision": "reject", "reason": "worse"}}).canary is None

    def test_a_dataset_and_a_pipeline_run(self) -> None:
        old = to_json(Dataset("bank", "bank", 1.0, Holdout("s", 0.1), open={"bank-1-a1": run()}))
        assert dataset_of({**old, "schema": 1, "previous": "x"}).open == {"bank-1-a1": run()}
        asked = {
            "id": "r",
            "dataset": "bank",
            "slug": "bank",
            "status": "failed",
            "created_at": 1.0,
            "updated_at": 2.0,
        }
        opened = pipeline_run_of(asked | {"error": {"code": "c", "message": "m", "line": 3}})
        assert opened.error == RunProblem("c", "m", where={"line": 3})
        assert pipeline_run_of(asked).error is None


@pytest.mark.parametrize(
    ("status", "is_open"), [("publishing", True), ("running", True), ("completed", False), ("failed", False)]
)
def test_a_pipeline_run_is_open_until_it_has_ended(status: str, is_open: bool) -> None:
    assert PipelineRun("r", "bank", "bank", status, 1.0, 1.0).is_open is is_open


def test_a_problem_says_where_as_json_has_it() -> None:
    found = RunProblem.of(
        InvalidInput("m", remedy="r", line=3, column="a", share=0.5, fresh=True, kind=State.LIVE)
    )
    assert found.where == {"line": 3, "column": "a", "share": 0.5, "fresh": True, "kind": "live"}
