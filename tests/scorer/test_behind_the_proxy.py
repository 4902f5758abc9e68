"""The entry script itself behind the proxy: what one asks the other takes, and what that answers is read."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import BayesianRidge, LogisticRegression

from shared.adapters.serving_directory import StoredServing
from shared.domain.documents import from_json, to_json
from shared.domain.errors import Conflict
from shared.domain.run.serving import ServingEntry
from shared.domain.schema import Column, Schema
from shared.services.scoring.calling import Answer, EndpointCalls
from shared.services.scoring.exchange import ScoreAnswer, ScoreRequest
from shared.services.scoring.keys import KeyRing
from shared.services.scoring.proxy import Scoring
from tests.support.inference_server import Deployment, in_process
from tests.support.memory import MemoryDocuments
from tests.support.scoring_support import Endpoint, serving_document

X = pd.DataFrame({"age": np.linspace(18, 80, 120), "income": np.tile([1.0, 2.0, 3.0], 40)})
OLD = np.where(X["age"] > 50, "yes", "no")
COLUMNS = (Column("age", "number"), Column("income", "number"))
ROWS = {"data": [{"age": 60, "income": 2}, {"age": 20, "income": 1}]}


class Script:
    """Speaks to the script as an endpoint does, which tells a script's refusal as 424."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.asked: list[Any] = []

    def send(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], timeout: float
    ) -> Answer:
        self.asked.append(json.loads(body or b""))
        status, said = self.deployment.post(body)
        if status == 200:
            return Answer(200, {}, json.dumps(said).encode())
        return Answer(424, {"ms-azureml-model-error-statuscode": str(status)}, json.dumps(said).encode())


class Door:
    """The proxy over one model."""

    def __init__(self, model: Any, classes: tuple[str, ...], folder: Path, stack: ExitStack) -> None:
        (folder / "model.pkl").write_bytes(pickle.dumps(model))
        self.script = Script(stack.enter_context(in_process(folder, folder)))
        self.documents = MemoryDocuments()
        self.schema = Schema("y", COLUMNS, classes)
        directory = StoredServing(self.documents)
        self.scoring = Scoring(directory, EndpointCalls(self.script, KeyRing(Endpoint(url="http://x"))))
        self.publish(None)

    def publish(self, threshold: float | None) -> None:
        version = {"run_id": "bank-1-a1", "model": "bank:1", "mode": "script", "threshold": threshold}
        document = serving_document(Endpoint(url="http://x"), deployments={"m1-a1": version})
        document["schema"] = to_json(self.schema)
        from_json(document, ServingEntry)
        found = self.documents.get("serving/bank.json")
        if found is None:
            self.documents.create("serving/bank.json", document)
        else:
            self.documents.replace("serving/bank.json", document, found[1])
            self.scoring.directory.refresh("bank")

    def score(self, **options: str) -> ScoreAnswer:
        return self.scoring.score(ScoreRequest("bank", json.dumps(ROWS).encode(), **options))

    def told(self, **options: str) -> dict[str, Any]:
        return dict(json.loads(self.score(**options).body))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_labels_probabilities_and_the_threshold_in_force(tmp_path: Path, stack: ExitStack) -> None:
    model = LogisticRegression().fit(X, OLD)
    door = Door(model, ("no", "yes"), tmp_path, stack)
    expected = model.predict_proba(pd.DataFrame(ROWS["data"]))
    assert door.told() == {"result": ["yes", "no"]}
    assert door.script.asked[-1]["params"] == {"method": "predict"}
    told = door.told(proba="true")
    assert (told["result"], told["classes"]) == (["yes", "no"], ["no", "yes"])
    assert np.allclose(told["probabilities"], expected)
    door.publish(float(expected[1][1]) / 2)
    answer = door.score()
    assert json.loads(answer.body) == {"result": ["yes", "yes"]}
    assert float(answer.headers["x-dropml-threshold"]) == expected[1][1] / 2
    with pytest.raises(Conflict) as caught:
        door.score(explain="true")
    assert caught.value.error_code == "no-explanation"


def test_classes_that_are_numbers(tmp_path: Path, stack: ExitStack) -> None:
    kinds = X["income"].astype(int)
    door = Door(LogisticRegression(max_iter=1000).fit(X, kinds), ("1", "2", "3"), tmp_path, stack)
    told = door.told(proba="true")
    assert told["classes"] == [1, 2, 3]
    assert [len(row) for row in told["probabilities"]] == [3, 3]
    header = door.score(proba="true", shape="csv").body.splitlines()[0]
    assert header == b"prediction,probability_1,probability_2,probability_3"


def test_a_regression_and_how_far_off_it_may_be(tmp_path: Path, stack: ExitStack) -> None:
    door = Door(BayesianRidge().fit(X, X["age"] * 2 + X["income"] + np.sin(X["age"])), (), tmp_path, stack)
    assert door.told().keys() == {"result"}
    told = door.told(proba="true")
    assert told.keys() == {"result", "intervals", "coverage"}
    for value, (low, high) in zip(told["result"], told["intervals"], strict=True):
        assert low < value < high
