"""What is in service is answered from memory, follows promotions, and survives a storage outage."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared.adapters.serving_directory import StoredServing
from shared.domain.errors import Transient
from tests.support.memory import MemoryDocuments
from tests.support.scoring_support import App, Endpoint


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class SlowDocuments(MemoryDocuments):
    """Storage that can be held up or down, and counts its reads."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.down = False
        self.open = threading.Event()
        self.open.set()

    def get(self, path: str) -> Any:
        self.reads += 1
        self.open.wait(5)
        if self.down:
            raise Transient("storage is down")
        return super().get(path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def documents() -> SlowDocuments:
    return SlowDocuments()


@pytest.fixture
def app(documents: SlowDocuments) -> App:
    app = App(Endpoint(url="http://nowhere"), documents)
    app.publish()
    documents.reads = 0
    return app


@pytest.fixture
def directory(app: App, documents: SlowDocuments, clock: Clock) -> StoredServing:
    return StoredServing(documents, clock=clock)


def live(directory: StoredServing) -> str | None:
    entry = directory.get("bank")
    return entry.live if entry else None


def eventually(condition: Any) -> None:
    until = time.monotonic() + 3
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_an_entry_is_read_once_while_fresh(directory: StoredServing, documents: SlowDocuments) -> None:
    for _ in range(10):
        assert live(directory) == "m1-a1"
    assert documents.reads == 1


def test_a_stale_entry_is_served_while_it_is_read_again(
    app: App, directory: StoredServing, documents: SlowDocuments, clock: Clock
) -> None:
    live(directory)
    app.publish(live="m2-a1")
    clock.now += 6
    documents.open.clear()  # storage hangs
    started = time.monotonic()
    assert live(directory) == "m1-a1"
    assert time.monotonic() - started < 0.2
    documents.open.set()
    eventually(lambda: live(directory) == "m2-a1")


def test_after_a_long_sleep_the_first_call_already_sees_the_promotion(
    app: App, directory: StoredServing, clock: Clock
) -> None:
    live(directory)
    app.publish(live="m2-a1")
    clock.now += 3600
    assert live(directory) == "m2-a1"


def test_after_a_long_sleep_a_hanging_storage_is_waited_for_only_shortly(
    directory: StoredServing, documents: SlowDocuments, clock: Clock
) -> None:
    live(directory)
    clock.now += 3600
    documents.open.clear()
    started = time.monotonic()
    assert live(directory) == "m1-a1"
    assert time.monotonic() - started < 1.0
    documents.open.set()


def test_an_outage_of_storage_is_survived(
    directory: StoredServing, documents: SlowDocuments, clock: Clock
) -> None:
    live(directory)
    documents.down = True
    for _ in range(5):
        clock.now += 100
        assert live(directory) == "m1-a1"
    assert [entry.slug for entry in directory.all() or []] == ["bank"]


def test_without_anything_known_an_outage_is_told(directory: StoredServing, documents: SlowDocuments) -> None:
    documents.down = True
    with pytest.raises(Transient):
        directory.get("bank")


def test_an_unchanged_document_keeps_its_compiled_validator(directory: StoredServing) -> None:
    first = directory.get("bank")
    assert first is not None
    again = directory.refresh("bank")
    assert again is first


def test_unknown_names_are_remembered_for_a_while(
    app: App, directory: StoredServing, documents: SlowDocuments, clock: Clock
) -> None:
    for _ in range(5):
        assert directory.get("wine") is None
    assert documents.reads == 2, "the name's own short form, and the next one"
    app.publish("wine")
    clock.now += 6
    assert directory.get("wine") is not None


def test_a_dataset_whose_short_form_another_has_is_found_under_its_own(
    app: App, directory: StoredServing
) -> None:
    from shared.domain import names

    first, second, *_ = names.slugs("Sales 2024/EU")
    document = app.documents.get("serving/bank.json")
    assert document is not None
    other = {"dataset": "a name that came first", "slug": first}
    app.documents.create(
        f"serving/{second}.json", {**document[0], "dataset": "Sales 2024/EU", "slug": second}
    )
    found = directory.get("Sales 2024/EU")
    assert found is not None, "the other isn't in service yet"
    app.documents.create(f"serving/{first}.json", {**document[0], **other})
    later = StoredServing(app.documents)
    form = list(names.slugs(first))[1]
    app.documents.create(f"serving/{form}.json", {**document[0], "dataset": first, "slug": form})
    for name, slug in (("Sales 2024/EU", second), (first, form), (second, second)):
        found = later.get(name)
        assert found is not None
        assert found.slug == slug


def test_a_dataset_is_found_by_name_and_slug(app: App, directory: StoredServing) -> None:
    from shared.domain import names

    dataset = "Sales 2024/EU"
    slug = names.slug(dataset)
    app.documents.create(
        f"serving/{slug}.json",
        {**app.documents.get("serving/bank.json")[0], "dataset": dataset, "slug": slug},  # type: ignore[index]
    )
    for name in (dataset, slug):
        entry = directory.get(name)
        assert entry is not None
        assert entry.dataset == dataset
    assert directory.get("sales-2024-eu") is None
    assert {entry.slug for entry in directory.all()} == {"bank", slug}


def test_documents_read_again_take_no_place_of_a_name_not_known_yet(
    app: App, directory: StoredServing, documents: SlowDocuments, clock: Clock
) -> None:
    known = documents.blobs["serving/bank.json"][0]
    names = [f"d{n}" for n in range(20)]
    for name in names:
        documents.create(f"serving/{name}.json", {**json.loads(known), "dataset": name, "slug": name})
        directory.get(name)
    clock.now += 10
    documents.open.clear()
    for name in names:  # all of them are being read again, and storage takes its time
        assert directory.get(name) is not None
    threading.Timer(0.2, documents.open.set).start()
    assert live(directory) == "m1-a1"


def test_a_burst_of_names_not_known_yet_passes(app: App, documents: SlowDocuments) -> None:
    directory = StoredServing(documents, burst_patience=5.0)
    documents.open.clear()
    with ThreadPoolExecutor(24) as pool:
        asked = [pool.submit(directory.get, f"nobody-{n}") for n in range(24)]
        eventually(lambda: documents.reads == 8)
        documents.open.set()
        assert [found.result() for found in asked] == [None] * 24


def test_where_storage_hangs_few_wait_for_names_not_known_yet(app: App, documents: SlowDocuments) -> None:
    directory = StoredServing(documents, burst_patience=0.05, first_patience=0.5)
    documents.open.clear()
    with ThreadPoolExecutor(24) as pool:
        asked = [pool.submit(directory.get, f"nobody-{n}") for n in range(24)]
        assert [type(found.exception()) for found in asked] == [Transient] * 24
    assert documents.reads == 8
    documents.open.set()


def test_a_dataset_called_by_its_short_form_answers_while_storage_hangs(
    app: App, directory: StoredServing, documents: SlowDocuments, clock: Clock
) -> None:
    from shared.domain import names

    slug = names.slug("My Sales")
    document = json.loads(documents.blobs["serving/bank.json"][0])
    documents.create(f"serving/{slug}.json", {**document, "dataset": "My Sales", "slug": slug})
    assert directory.get(slug) is not None
    clock.now += 10
    documents.open.clear()
    for _ in range(20):
        assert directory.get(slug) is not None
    assert documents.reads <= 6, "none of them waited for a read of its own"
    documents.open.set()


@pytest.mark.parametrize("damage", [{"slug": "other", "dataset": "other"}, {"live": 7}, {"schema": None}])
def test_a_damaged_document_is_no_dataset_without_a_model(
    directory: StoredServing, documents: SlowDocuments, clock: Clock, damage: dict[str, object]
) -> None:
    whole = json.loads(documents.blobs["serving/bank.json"][0])
    documents.put("serving/bank.json", {**whole, **damage})
    with pytest.raises(Transient, match="'bank'") as caught:
        directory.get("bank")
    assert (caught.value.status, caught.value.error_code) == (503, "invalid-document")
    assert "serving/bank.json" in caught.value.remedy
    documents.put("serving/bank.json", whole)
    assert directory.get("bank") is not None
    documents.put("serving/bank.json", {**whole, **damage})
    clock.now += 10
    assert live(directory) == whole["live"], "what is known goes on"


def test_a_name_of_nothing_is_nothing_however_many_such_names_are_asked_for(
    directory: StoredServing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of very many the first are forgotten, and one may be before its own caller has looked."""
    wait = directory._await

    def crowded(slug: str, *more: Any, **said: Any) -> None:
        wait(slug, *more, **said)
        directory._slots.pop(slug, None)

    monkeypatch.setattr(directory, "_await", crowded)
    assert directory.get("nobody") is None
