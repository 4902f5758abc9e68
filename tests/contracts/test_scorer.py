"""Scorers: the stand-in of the lifecycle's tests, and the real one against an endpoint over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.services.run.ports import Endpoint, Scorer
from shared.services.scoring.endpoint_scorer import EndpointScorer
from tests.contracts.scorer import ScorerContract
from tests.support import scoring_support
from tests.support.memory import MemoryScorer
from tests.support.scoring_support import App, Scripted, serve


class TestMemoryScorer(ScorerContract):
    @pytest.fixture
    def scorer(self) -> Scorer:
        return MemoryScorer()

    @pytest.fixture
    def endpoint(self) -> Endpoint:
        return Endpoint("bank", "Succeeded", "http://bank/score", {}, "Key")

    def row(self, label: str) -> list[int]:
        return [60 if label == "yes" else 21]

    def broken(self, scorer: Scorer, deployment: str) -> None:
        assert isinstance(scorer, MemoryScorer)
        scorer.broken.add(deployment)


@dataclass
class Served(scoring_support.Endpoint):
    """Two deployments; the model of one may fail, as a container says it."""

    deployments: set[str] = field(default_factory=lambda: {"m1-a1", "m2-a1"})
    failing: set[str] = field(default_factory=set)

    def answer(self, headers: Any, body: bytes) -> Scripted:
        if headers.get("azureml-model-deployment") in self.failing:
            return Scripted(424, b"out of memory", {"ms-azureml-model-error-statuscode": "500"})
        return super().answer(headers, body)


class TestEndpointScorer(ScorerContract):
    """A deployment without a script, which answers labels alone."""

    @pytest.fixture
    def served(self) -> Iterator[Served]:
        served = Served()
        with serve(served):
            yield served

    @pytest.fixture
    def scorer(self, served: Served) -> Scorer:
        self.asked = served
        return EndpointScorer(App(served).calls)

    @pytest.fixture
    def endpoint(self, served: Served) -> Endpoint:
        return Endpoint("bank", "Succeeded", f"{served.url}/score", {}, "Key")

    def row(self, label: str) -> list[int]:
        return [60 if label == "yes" else 21]

    def broken(self, scorer: Scorer, deployment: str) -> None:
        self.asked.failing.add(deployment)


class TestScriptScorer(TestEndpointScorer):
    """One with a script, which answers probabilities, too."""

    @pytest.fixture
    def served(self) -> Iterator[Served]:
        served = Served(scripts={"m1-a1": ["no", "yes"]})
        with serve(served):
            yield served
