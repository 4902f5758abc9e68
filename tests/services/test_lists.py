"""Lists of runs: newest first, page by page, narrowed by dataset and state, the same answer under the same ETag."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from shared.domain.errors import InvalidInput
from shared.services.run import views
from shared.services.run.first_page import FirstPage
from shared.services.run.views import PageQuery, RunQuery
from tests.services.test_lifecycle import drop, tick
from tests.support.memory import MemoryDocuments, World


@pytest.fixture(scope="module")
def world() -> World:
    """Twelve datasets; `d3` has three runs, of which the second failed."""
    made = World()
    for n in range(12):
        drop(made, dataset=f"d{n}")
        made.clock.now += 60
    tick(made)
    failing = drop(made, "B", dataset="d3")
    made.azureml.job_status[failing] = "Failed"
    tick(made)
    drop(made, "C", dataset="d3")
    tick(made)
    return made


def listed(world: World, **params: str) -> list[str]:
    return [summary.run_id for summary in views.runs(RunQuery.parse(params), world.store)[0].runs]


def test_newest_first(world: World) -> None:
    assert listed(world)[:3] == ["d3-3-a1", "d3-2-a1", "d11-1-a1"]
    assert len(listed(world)) == 14


@pytest.mark.parametrize("limit", [1, 3, 7, 14, 500])
@pytest.mark.parametrize(
    "narrowed", [{}, {"state": "live"}, {"dataset": "d3"}, {"dataset": "d3", "state": "live"}]
)
def test_pages_are_the_list_in_pieces(world: World, limit: int, narrowed: dict[str, str]) -> None:
    pieces: list[str] = []
    params = {**narrowed, "limit": str(limit)}
    for _ in range(20):
        found, _ = views.runs(RunQuery.parse(params), world.store)
        assert len(found.runs) <= limit
        pieces += [summary.run_id for summary in found.runs]
        if found.cursor is None:
            break
        params["cursor"] = found.cursor
    assert pieces == listed(world, **narrowed)


def test_narrowed_by_dataset_and_state(world: World) -> None:
    assert listed(world, dataset="d3") == ["d3-3-a1", "d3-2-a1", "d3-1-a1"]
    assert listed(world, dataset="d3", state="failed") == ["d3-2-a1"]
    assert listed(world, state="failed") == ["d3-2-a1"]
    assert listed(world, dataset="nobody") == []


def test_a_summary_says_what_became_of_the_run(world: World) -> None:
    found, _ = views.runs(RunQuery.parse({"dataset": "d3"}), world.store)
    live, failed, retired = found.runs
    assert (live.state, failed.state, retired.state) == ("live", "failed", "retired")
    assert live.AUC_weighted == 0.95
    assert (live.metric, live.score) == ("AUC_weighted", 0.95)
    assert (failed.metric, failed.score) == (None, None)
    assert live.best_algorithm == "VotingEnsemble"
    assert "out of memory" in (failed.error or "")


def test_the_etag_changes_with_what_is_shown_and_with_nothing_else() -> None:
    world = World()
    for dataset in ("d3", "d5"):
        drop(world, dataset=dataset)
    tick(world)

    def etag(**params: str) -> str:
        return views.runs(RunQuery.parse(params), world.store)[1]

    before, other = etag(dataset="d3"), etag(dataset="d5")
    assert before == etag(dataset="d3")
    drop(world, "D", dataset="d3")
    tick(world, 1)
    assert etag(dataset="d3") != before
    assert etag(dataset="d5") == other


NESTED = base64.urlsafe_b64encode(b"[" * 1400).decode()


@pytest.mark.parametrize(
    "cursor", ["x", "!!", "bm9uZQ", "WzEsMl0", "eyJhIjoxfQ", "W10", "WyJcdTAwMDAiLCJ4Il0", NESTED]
)
def test_a_cursor_of_another_make_is_refused(world: World, cursor: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        views.runs(RunQuery.parse({"cursor": cursor}), world.store)
    assert caught.value.where["field"] == "cursor"


@pytest.mark.parametrize("path", ["serving/d1.json", "datasets/d1.json"])
@pytest.mark.parametrize("text", ["{", '{"dataset": 7}'])
def test_a_dataset_that_cannot_be_read_hides_no_other(path: str, text: str) -> None:
    world = World()
    for n in range(3):
        drop(world, dataset=f"d{n}")
    tick(world)
    world.docs.blobs[path] = (text, world.docs.blobs[path][1])
    found = views.datasets(PageQuery(), world.store).datasets
    assert [d.slug for d in found] == ["d0", "d1", "d2"]
    assert [d.problem is None for d in found] == [True, False, True]


def test_datasets_page_by_name(world: World) -> None:
    first = views.datasets(PageQuery(limit=5), world.store)
    assert [d.slug for d in first.datasets] == ["d0", "d1", "d10", "d11", "d2"]
    second = views.datasets(PageQuery(limit=500, cursor=first.cursor), world.store)
    assert len(second.datasets) == 7
    assert second.cursor is None
    assert second.datasets[0].model == "d3:3"


class Counted:
    """Documents that tell how often storage is asked."""

    page: Any

    def __init__(self, documents: Any) -> None:
        self._documents = documents
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any) -> Any:
            self.calls.append(name)
            return getattr(self._documents, name)(*args)

        return call


def first_page() -> tuple[World, Counted, FirstPage]:
    world = World()
    drop(world)
    tick(world)
    counted = Counted(world.store.documents)
    return world, counted, FirstPage(counted, "index/runs/", "index/first/runs.json")


def test_the_first_page_costs_one_call_until_a_run_moves() -> None:
    world, counted, first = first_page()
    asked = [first.page(50), first.page(50), first.page(1)]
    assert counted.calls == ["get", "page", "replace", "get", "get"]
    assert asked[0] == asked[1] == asked[2]
    drop(world, "B")
    tick(world)
    counted.calls.clear()
    assert len(first.page(50)[0]) == 2
    assert counted.calls == ["get", "page", "replace"]


def test_a_longer_first_page_is_listed_anew() -> None:
    world, counted, first = first_page()
    drop(world, "B")
    tick(world)
    assert len(first.page(1)[0]) == 1
    assert len(first.page(2)[0]) == 2
    assert counted.calls.count("page") == 2


def test_a_page_that_may_have_missed_a_change_is_not_kept() -> None:
    world, counted, first = first_page()
    listing = counted.page

    def moved_meanwhile(*args: Any) -> Any:
        found = listing(*args)
        drop(world, "B")
        tick(world)
        return found

    counted.page = moved_meanwhile
    assert len(first.page(50)[0]) == 1
    del counted.page
    assert len(first.page(50)[0]) == 2


def test_a_first_page_written_by_hand_spares_nothing_and_hides_nothing() -> None:
    world, _, first = first_page()
    documents = world.store.documents
    assert isinstance(documents, MemoryDocuments)
    for text in ("[]", "{", '{"entries": 1}'):
        documents.blobs["index/first/runs.json"] = (text, '"x"')
        assert len(first.page(50)[0]) == 1
