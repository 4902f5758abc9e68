"""Models that are more or less sure: deployments that answer probabilities, over a holdout with a rare class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.domain.answers import Answers
from shared.domain.errors import Upstream
from shared.domain.schema import Schema, Value
from shared.services.run.ports import Endpoint
from tests.support.memory import MemoryAzureML, MemoryData, MemoryScorer, World

CLASSES = ["no", "yes"]


def rare(x: int) -> str:
    """One row in ten is `yes`."""
    return "yes" if x % 10 == 0 else "no"


def unsure(x: int) -> float:
    """A model that knows the rare class, and seldom gives it more than one half: its best threshold lies far lower."""
    noise = (x * 7919) % 1000 / 1000
    return 0.2 + 0.4 * noise if rare(x) == "yes" else 0.35 * noise


class SureScorer(MemoryScorer):
    """Answers by the threshold that each deployment was put with, as the entry script does."""

    def __init__(self, azureml: MemoryAzureML) -> None:
        super().__init__()
        self._azureml = azureml
        self.share: Callable[[int], float] = unsure
        #: Another one's, by its deployment.
        self.shares: dict[str, Callable[[int], float]] = {}
        self.silent = False

    def answers(
        self, endpoint: Endpoint, deployment: str, columns: list[str], rows: list[list[Any]]
    ) -> Answers:
        if deployment in self.broken:
            raise Upstream("the container answered 500")
        share = self.shares.get(deployment, self.share)
        threshold = self._azureml.endpoints[endpoint.name]["deployments"][deployment].threshold
        second = [share(int(row[0] or 0)) for row in rows]
        hits = [p > 0.5 if threshold is None else p >= threshold for p in second]
        result = [CLASSES[hit] for hit in hits]
        return Answers(result) if self.silent else Answers(result, [[1 - p, p] for p in second], CLASSES)


class RareData(MemoryData):
    """A holdout in which one row in ten is of the rare class."""

    def draw_holdout(self, path: str, schema: Schema, limit: int) -> tuple[list[list[Value]], list[str]]:
        xs = range(min(limit, self.holdout))
        return [[x] for x in xs], [rare(x) for x in xs]


def sure_world(**options: Any) -> World:
    """A world whose deployments answer probabilities."""
    world = World(**options)
    world.scorer = SureScorer(world.azureml)
    world.data = RareData()
    return world
