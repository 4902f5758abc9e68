"""What scoring needs of whatever has an endpoint's keys (`shared.services.scoring.keys.KeySource`)."""

from __future__ import annotations

import time

import pytest

from shared.services.scoring.keys import SLOTS, KeySource, Slot
from tests.support.emulator_support import eventually

#: An endpoint that is there, authenticated by keys.
ENDPOINT = "bank-ep"


class KeySourceContract:
    """A subclass gives `source`, which knows ENDPOINT."""

    @pytest.fixture
    def source(self) -> KeySource:
        raise NotImplementedError

    def test_an_endpoint_has_two_keys_that_stay(self, source: KeySource) -> None:
        found = source.keys(ENDPOINT)
        assert len(set(found)) == 2
        assert all(found)
        assert source.keys(ENDPOINT) == found

    @pytest.mark.parametrize("which", SLOTS)
    def test_one_key_is_made_anew_and_the_other_stays(self, source: KeySource, which: Slot) -> None:
        at = SLOTS.index(which)
        before = source.keys(ENDPOINT)
        source.begin_regenerate(ENDPOINT, which)
        eventually(lambda: source.keys(ENDPOINT)[at] != before[at], what="another key")
        after = source.keys(ENDPOINT)
        assert after[1 - at] == before[1 - at]
        assert after[at] not in before

    def test_a_token_has_its_end_to_come(self, source: KeySource) -> None:
        token, ends = source.token(ENDPOINT)
        assert token
        assert ends > time.time() + 60

    def test_the_address_is_that_of_scoring(self, source: KeySource) -> None:
        assert source.address(ENDPOINT).startswith("http")
        assert source.address(ENDPOINT).endswith("/score")
