"""A few hundred of the damaged files of `make fuzz-intake`: one verdict each."""

from __future__ import annotations

from collections import Counter

from tests.fuzz.files import generated
from tests.fuzz.verdict import scored_verdict, verdict


def test_every_file_has_exactly_one_verdict() -> None:
    verdicts = Counter(verdict(generated(seed)) for seed in range(1, 301))
    assert verdicts["registered"] > 30
    assert len(verdicts) > 8


def test_every_file_to_score_has_exactly_one_verdict() -> None:
    verdicts = Counter(scored_verdict(generated(seed)) for seed in range(1, 301))
    assert verdicts["scored"] > 30
    assert len(verdicts) > 4


def test_the_same_seed_is_the_same_file() -> None:
    assert generated(7) == generated(7) != generated(8)
