"""The doors of what the gate saw, as the document describes them."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from functions import judgement
from tests.functions.test_acts_doors import behind_the_doors
from tests.functions.test_openapi import DOCUMENT, resolved
from tests.services.test_fresh import second_file
from tests.services.test_lifecycle import tick
from tests.support.memory import World
from tests.support.scoring_support import body_of, call, request


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Two versions, the second of which the first has met."""
    made, _, _ = second_file()
    tick(made)
    return behind_the_doors(made, monkeypatch)


def fits(component: str, said: Any) -> None:
    schema = resolved(DOCUMENT["components"]["schemas"][component])
    jsonschema.Draft202012Validator(schema).validate(said)


class TestPerformance:
    def show(self, dataset: str = "bank", **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return call(
            judgement.show_performance, request(method="GET", route={"dataset": dataset}, headers=named)
        )

    def test_is_a_series_with_an_etag(self, world: World) -> None:
        answer = self.show()
        said = body_of(answer)
        fits("Performance", said)
        assert (said["dataset"], [point["run_id"] for point in said["points"]]) == ("bank", ["bank-2-a1"])
        etag = answer.headers["ETag"]
        again = self.show(if_none_match=etag)
        assert (again.status_code, again.headers["ETag"]) == (304, etag)

    def test_of_a_dataset_that_has_none_is_empty(self, world: World) -> None:
        world.docs.delete("performance/bank.json")
        answer = self.show()
        assert (answer.status_code, body_of(answer)["points"]) == (200, [])
        assert self.show(if_none_match=answer.headers["ETag"]).status_code == 304

    def test_of_none_is_not_found(self, world: World) -> None:
        assert (self.show("nobody").status_code, body_of(self.show("nobody"))["code"]) == (404, "not-found")


class TestTheDiff:
    def test_is_told_with_an_etag(self, world: World) -> None:
        answer = call(judgement.show_diff, request(method="GET", route={"id": "bank-2-a1"}))
        said = body_of(answer)
        fits("Diff", said)
        assert (said["run_id"], said["champion_run"], said["rows"]) == ("bank-2-a1", "bank-1-a1", 1000)
        known = {"if-none-match": answer.headers["ETag"]}
        again = call(judgement.show_diff, request(method="GET", route={"id": "bank-2-a1"}, headers=known))
        assert again.status_code == 304

    def test_of_a_run_that_has_none(self, world: World) -> None:
        world.docs.delete("gate/bank-2-a1.json")
        answer = call(judgement.show_diff, request(method="GET", route={"id": "bank-2-a1"}))
        assert (answer.status_code, body_of(answer)["code"]) == (404, "no-evidence")


class TestWhatIf:
    def ask(self, body: Any = None) -> Any:
        return call(judgement.ask_what_if, request(body, route={"id": "bank-2-a1"}))

    def test_tells_both_decisions(self, world: World) -> None:
        answer = self.ask({"policy": "better"})
        said = body_of(answer)
        fits("WhatIf", said)
        assert answer.status_code == 200
        assert (said["did"]["outcome"], said["would"]["outcome"], said["differs"]) == (
            "promote",
            "reject",
            True,
        )

    def test_without_a_body_it_is_the_decision_that_fell(self, world: World) -> None:
        assert body_of(self.ask())["differs"] is False

    def test_a_metric_of_the_other_task_is_told(self, world: World) -> None:
        answer = self.ask({"metric": "r2_score"})
        said = body_of(answer)
        assert (answer.status_code, said["code"], said["field"]) == (409, "metric-of-other-task", "metric")

    def test_what_is_no_term_is_refused_with_its_place(self, world: World) -> None:
        answer = self.ask({"metric": "luck"})
        said = body_of(answer)
        assert (answer.status_code, said["code"], said["field"]) == (400, "invalid-terms", "metric")
