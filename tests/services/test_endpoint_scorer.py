"""What smoke test and gate are told by a deployment, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from shared.domain.answers import Answers, joined
from shared.services.run import ports
from shared.services.scoring import endpoint_scorer
from shared.services.scoring.endpoint_scorer import EndpointScorer
from tests.support.scoring_support import App, Endpoint, Scripted, serve

COLUMNS = ["age"]
ROWS = [[60], [20], [70]]


@pytest.fixture
def app() -> Iterator[App]:
    endpoint = Endpoint()
    with serve(endpoint):
        yield App(endpoint)


def ask(app: App, rows: list[list[Any]]) -> Answers:
    endpoint = ports.Endpoint("bank", "Succeeded", f"{app.endpoint.url}/score", {}, "Key")
    return EndpointScorer(app.calls).answers(endpoint, "m1-a1", COLUMNS, rows)


def scripted(**said: object) -> Scripted:
    return Scripted(200, json.dumps(said).encode())


def test_a_list_of_labels_comes_without_probabilities_and_with_its_time(app: App) -> None:
    found = ask(app, ROWS)
    assert (found.result, found.probabilities, found.classes) == (["yes", "no", "yes"], None, None)
    assert found.seconds > 0


def test_probabilities_come_with_the_names_of_their_classes(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_scorer, "CHUNK_ROWS", 2)
    app.endpoint.script = [
        scripted(result=[1, 0], probabilities=[[0.2, 0.8], [0.9, 0.1]], classes=[0, 1]),
        scripted(result=[1], probabilities=[[0.4, 0.6]], classes=[0, 1]),
    ]
    found = ask(app, ROWS)
    assert (found.result, found.classes) == (["1", "0", "1"], ["0", "1"])
    assert found.probabilities == [[0.2, 0.8], [0.9, 0.1], [0.4, 0.6]]


def test_parts_that_name_their_classes_otherwise_are_not_put_together() -> None:
    one, other = Answers(["a"], [[1, 0]], ["a", "b"], 1.0), Answers(["b"], [[1, 0]], ["b", "a"], 2.0)
    assert joined([one, other]) == Answers(["a", "b"], None, None, 3.0)
    assert joined([one, Answers(["b"])]).probabilities is None
    assert joined([one, one]).probabilities == [[1, 0], [1, 0]]
    assert joined([]) == Answers([])
