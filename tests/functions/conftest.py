"""Who comes to the dashboard of a test's own `house`."""

from __future__ import annotations

import pytest

from tests.support.guest import Guest, guest_of
from tests.support.intake_front import Front


@pytest.fixture
def guest(house: Front, monkeypatch: pytest.MonkeyPatch) -> Guest:
    """Signed in."""
    guest = guest_of(house, monkeypatch)
    guest.sign_in("Ada Lovelace")
    return guest
