"""A tick hears with one read that nothing is marked, and misses no mark: neither a new one nor one whose writer died."""

from __future__ import annotations

from typing import Any

import pytest

from shared.services.quiet import LOOK_SECONDS, Quiet, stir
from tests.support.memory import MemoryDocuments


class Asked(MemoryDocuments):
    """Documents that count what is asked of them."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def get(self, path: str) -> Any:
        self.calls.append("get")
        return super().get(path)

    def page(self, prefix: str, limit: int, after: str = "") -> Any:
        self.calls.append("page")
        return super().page(prefix, limit, after)

    def since(self) -> list[str]:
        """What was asked since this was asked last."""
        calls, self.calls = self.calls, []
        return calls


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def docs() -> Asked:
    return Asked()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def quiet(docs: Asked, clock: Clock) -> Quiet:
    found = Quiet(docs, "open/", clock)
    assert found.still()
    assert docs.since() == ["get", "page"]
    return found


def test_where_nothing_happens_a_look_is_one_read(docs: Asked, quiet: Quiet, clock: Clock) -> None:
    for _ in range(20):
        clock.now += 1
        assert quiet.still()
        assert docs.since() == ["get"]


def test_a_mark_is_seen_at_once_by_every_host(docs: Asked, quiet: Quiet, clock: Clock) -> None:
    other = Quiet(docs, "open/", clock)
    assert other.still()
    docs.mark("open/a", {})
    stir(docs, "open/")
    assert not quiet.still()
    assert not other.still()
    docs.delete("open/a")
    assert quiet.still()
    assert other.still()


def test_while_there_is_a_mark_a_look_is_one_listing(docs: Asked, quiet: Quiet) -> None:
    docs.mark("open/a", {})
    stir(docs, "open/")
    assert not quiet.still()
    docs.since()
    for _ in range(3):
        assert not quiet.still()
        assert docs.since() == ["page"]


def test_the_mark_of_one_who_died_before_the_stir_is_found_in_time(
    docs: Asked, quiet: Quiet, clock: Clock
) -> None:
    docs.mark("open/a", {})
    assert quiet.still(), "nobody has said so"
    clock.now += LOOK_SECONDS
    assert not quiet.still()
    assert docs.since() == ["get", "page"]


def test_a_mark_that_comes_while_it_is_listed_is_not_missed(
    docs: Asked, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = Quiet(docs, "open/", clock)

    def listed(prefix: str, limit: int, after: str = "") -> Any:
        found = MemoryDocuments.page(docs, prefix, limit, after)
        docs.mark("open/late", {})
        stir(docs, "open/")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(docs, "page", listed)
        assert quiet.still(), "it was listed before the mark came"
    assert not quiet.still()


def test_a_stir_written_over_by_hand_hides_nothing(docs: Asked, quiet: Quiet) -> None:
    docs.blobs["stirred/open.json"] = ("no JSON", '"by hand"')
    docs.mark("open/a", {})
    assert not quiet.still()
