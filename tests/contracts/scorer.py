"""What the lifecycle needs of whatever scores rows (`shared.services.run.ports.Scorer`)."""

from __future__ import annotations

import pytest

from shared.domain.answers import Answers
from shared.domain.errors import Upstream
from shared.services.run.ports import Endpoint, Scorer

#: More rows than one call of an endpoint takes.
MANY = 6000


class ScorerContract:
    """A subclass gives `scorer`, the `endpoint` that it asks, `row` for a label, and `broken`; m1-a1 answers rightly."""

    @pytest.fixture
    def scorer(self) -> Scorer:
        raise NotImplementedError

    @pytest.fixture
    def endpoint(self) -> Endpoint:
        raise NotImplementedError

    def row(self, label: str) -> list[int]:
        """A row of one column, `age`, to which `label` ("yes" or "no") is the answer."""
        raise NotImplementedError

    def broken(self, scorer: Scorer, deployment: str) -> None:
        """From now on the model of this deployment fails at whatever it is asked."""
        raise NotImplementedError

    def ask(self, scorer: Scorer, endpoint: Endpoint, labels: list[str]) -> Answers:
        return scorer.answers(endpoint, "m1-a1", ["age"], [self.row(label) for label in labels])

    def test_each_row_has_its_answer_in_its_place(self, scorer: Scorer, endpoint: Endpoint) -> None:
        found = self.ask(scorer, endpoint, ["yes", "no", "no", "yes"])
        assert found.result == ["yes", "no", "no", "yes"]
        assert found.seconds >= 0

    def test_any_number_of_rows_is_one_question(self, scorer: Scorer, endpoint: Endpoint) -> None:
        labels = [("yes", "no", "no")[at % 3] for at in range(MANY)]
        assert self.ask(scorer, endpoint, labels).result == labels
        assert self.ask(scorer, endpoint, []) == Answers([])

    def test_probabilities_come_for_every_row_with_their_classes_or_not_at_all(
        self, scorer: Scorer, endpoint: Endpoint
    ) -> None:
        found = self.ask(scorer, endpoint, ["yes", "no"])
        assert (found.probabilities is None) == (found.classes is None)
        for row in found.probabilities or ():
            assert len(row) == len(found.classes or ())
        assert found.probabilities is None or len(found.probabilities) == len(found.result)

    def test_the_same_rows_have_the_same_answers(self, scorer: Scorer, endpoint: Endpoint) -> None:
        first, second = (self.ask(scorer, endpoint, ["no", "yes"]) for _ in range(2))
        assert (first.result, first.probabilities) == (second.result, second.probabilities)

    def test_a_model_that_fails_is_told_as_that(self, scorer: Scorer, endpoint: Endpoint) -> None:
        """As no verdict, and of no other deployment."""
        self.broken(scorer, "m2-a1")
        with pytest.raises(Upstream):
            scorer.answers(endpoint, "m2-a1", ["age"], [self.row("yes")])
        assert self.ask(scorer, endpoint, ["yes"]).result == ["yes"]
