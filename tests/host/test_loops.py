"""Every loop of the host goes on past an exception that nobody foresaw, and says so."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Self, cast

import pytest
from azure.storage.blob import ContainerClient

from dropml.functions_host import blob_dispatch, blob_scan
from dropml.functions_host.blob_dispatch import BlobDispatcher
from dropml.functions_host.blob_listing import ListedBlob, list_page
from dropml.functions_host.blob_messages import BlobMessage, BlobQueue
from dropml.functions_host.blob_paths import BlobPathPattern
from dropml.functions_host.blob_scan import BlobScanner, BlobTrigger
from dropml.functions_host.connections import from_connection_string
from dropml.functions_host.host import Host
from dropml.functions_host.indexing import FunctionDefinition
from dropml.functions_host.invocation import Invocation, Invoker
from dropml.functions_host.leases import SingletonLock, instance_id
from dropml.functions_host.watchdog import Watchdog
from tests.conftest import StorageAccount
from tests.support.host_harness import wait_for


def definition(handler: Callable[..., Any] = print) -> FunctionDefinition:
    trigger = {"type": "blobTrigger", "name": "blob"}
    return FunctionDefinition("takes", handler, False, trigger, [], None, False, None, False)


class Once:
    """Raises at its first call, then does what it stands for."""

    def __init__(self, action: Callable[..., Any]) -> None:
        self._action = action
        self.calls = 0

    def __call__(self, *args: Any, **options: Any) -> Any:
        self.calls += 1
        if self.calls == 1:
            raise KeyError("nobody foresaw this")
        return self._action(*args, **options)


class HeldLock:
    held = True
    name = "x"


class Scans:
    """A scanner on a container of its own; `sent` is what it enqueued."""

    def __init__(self, account: StorageAccount) -> None:
        self.container = account.container("scanned")
        self.hosts = account.container("hosts")
        self.sent: list[BlobMessage] = []
        queue = SimpleNamespace(enqueue=self._send)
        storage = from_connection_string(account.connection_string)
        pattern = BlobPathPattern.parse(f"{self.container.container_name}/{{name}}.csv")
        trigger = BlobTrigger(definition(), pattern, storage, event_grid=False)
        self.scanner = BlobScanner(
            [trigger], self.hosts, "app", cast("BlobQueue", queue), cast("SingletonLock", HeldLock()), 0.05
        )
        self.stop = threading.Event()

    def _send(self, message: BlobMessage) -> str:
        self.sent.append(message)
        return "an id"

    def names(self) -> list[str]:
        return [message.blob for message in self.sent]

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.scanner.listen, args=(self.stop,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        alive = self._thread.is_alive()
        self.stop.set()
        self._thread.join(10)
        assert alive, "the loop ended by itself"


@pytest.fixture
def scans(storage_account: StorageAccount) -> Scans:
    return Scans(storage_account)


def test_the_blob_poller_goes_on_past_a_listing_that_breaks(
    scans: Scans, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(blob_scan, "list_page", Once(list_page))
    scans.container.upload_blob("a.csv", b"x")
    with scans:
        wait_for(lambda: scans.names() == ["a.csv"], what="the blob")
    assert "nobody foresaw this" in caplog.text


def test_one_blob_that_breaks_leaves_the_others_alone_and_is_tried_again(
    scans: Scans, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    receipts = scans.scanner._receipts
    monkeypatch.setattr(receipts, "enqueue_once", Once(receipts.enqueue_once))
    for name in ("a.csv", "b.csv"):
        scans.container.upload_blob(name, b"x")
    with scans:
        wait_for(lambda: sorted(scans.names()) == ["a.csv", "b.csv"], what="both blobs")
    assert "Blob 'a.csv' could not be enqueued, again at the next poll" in caplog.text


def test_an_idle_poll_costs_one_listing_and_one_receipt_however_many_blobs(
    scans: Scans, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        scans.container.upload_blob(f"{number}.csv", b"x")
    listings: list[int] = []
    looked: list[str] = []
    receipts = scans.scanner._receipts
    known = receipts._create_or_find_open

    def listing(container: ContainerClient, limit: int, continuation: str | None, bad: Any) -> Any:
        listings.append(len(looked))
        return list_page(container, limit, continuation, bad)

    def look(receipt: Any) -> bool:
        looked.append(receipt.blob_name)
        return known(receipt)

    monkeypatch.setattr(blob_scan, "list_page", listing)
    monkeypatch.setattr(receipts, "_create_or_find_open", look)
    monkeypatch.setattr(blob_scan, "REST", 0.0)  # however slow the machine is
    with scans:
        wait_for(lambda: len(scans.sent) == 12, what="all blobs")
        begun = len(listings)
        wait_for(lambda: len(listings) > begun + 6, what="more polls")
    reads = [after - before for before, after in zip(listings[begun:], listings[begun + 1 :], strict=False)]
    assert max(reads) <= 1
    assert len(scans.sent) == 12


def test_many_blobs_make_the_poller_rest_longer_but_never_over_ten_seconds(
    scans: Scans, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            rests.append(timeout or 0)
            return True

    def costly(seconds: float) -> Callable[..., None]:
        def poll(*_: object) -> None:
            scans.scanner._listing_s = seconds

        return poll

    for seconds, rest in ((0.0, 0.05), (0.01, 1.0), (0.5, 10.0)):
        monkeypatch.setattr(scans.scanner, "_poll", costly(seconds))
        scans.scanner.listen(Stop())
        assert rests[-1] == pytest.approx(rest)


def test_a_listing_reads_what_the_sdk_reads(storage_account: StorageAccount) -> None:
    container = storage_account.container("listed")
    assert list_page(container, 10, None).blobs == []
    for name in ("a.csv", "with space & <angle>.csv", "sch\u00f6n/\u65e5\u672c.csv", "100%25.csv"):
        container.upload_blob(name, b"x")
    pages, continuation = [], None
    while True:
        page = list_page(container, 3, continuation)
        pages.append(page.blobs)
        continuation = page.continuation
        if continuation is None:
            break
    assert [len(page) for page in pages] == [3, 1]
    expected = [
        ListedBlob(b.name, str(b.etag).strip('"'), b.last_modified, str(b.blob_type.value))
        for b in container.list_blobs()
    ]
    assert [blob for page in pages for blob in page] == expected
    missing = storage_account.service.get_container_client(storage_account.name("nowhere"))
    assert list_page(missing, 10, None).blobs == []


def test_the_queue_listener_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stop, took = threading.Event(), threading.Event()

    class Messages:
        def by_page(self) -> Any:
            took.set()
            return iter(())

    client = SimpleNamespace(receive_messages=Once(lambda **_: Messages()))
    queue = SimpleNamespace(client=client, arrived=threading.Event())
    dispatcher = BlobDispatcher(
        [],
        cast("Any", None),
        cast("BlobQueue", queue),
        Invoker(None),
        print,
        parallel=1,
        poison_after=1,
        lease_s=1,
    )
    thread = threading.Thread(target=dispatcher.listen, args=(stop,), daemon=True)
    thread.start()
    assert took.wait(10), "it looked again"
    assert thread.is_alive()
    stop.set()
    thread.join(10)
    assert "nobody foresaw this" in caplog.text


def test_a_messages_lease_is_prolonged_again(caplog: pytest.LogCaptureFixture) -> None:
    prolonged = threading.Event()
    message = SimpleNamespace(id="m1")

    def prolong(*_: object, **__: object) -> SimpleNamespace:
        prolonged.set()
        return message

    update = Once(prolong)
    lease = blob_dispatch._Lease(SimpleNamespace(update_message=update), cast("Any", message), 0.05)
    assert prolonged.wait(10)
    lease._done.set()
    assert "Message m1 was not prolonged" in caplog.text


def test_a_lock_is_renewed_again(storage_account: StorageAccount, caplog: pytest.LogCaptureFixture) -> None:
    hosts = storage_account.container("hosts")
    lock = SingletonLock(hosts, "app", "x", instance_id(), 15, renew_every_s=0.3)
    assert lock.try_acquire()
    assert lock._lease is not None
    renew = Once(lock._lease.renew)
    lock._lease.renew = renew  # type: ignore[method-assign]
    wait_for(lambda: renew.calls >= 2, what="the next renewal")
    assert lock.held
    lock.release()
    assert "Singleton lock x could not be renewed" in caplog.text


class Released:
    """A lock that is always to be had."""

    name = "the listener"

    def try_acquire(self) -> bool:
        return True

    def release(self) -> None:
        self.released = True


def test_a_listener_that_breaks_is_started_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    listened = threading.Event()

    def listen(_: threading.Event) -> None:
        listened.set()
        stop.set()

    stop = threading.Event()
    monkeypatch.setattr(stop, "wait", lambda seconds: stop.is_set())
    bare = SimpleNamespace(_stop=stop, _lease_s=15)
    Host._hold_and_listen(cast("Host", bare), cast("SingletonLock", Released()), Once(listen))
    assert listened.is_set()
    assert "the listener: its listener ended; trying again" in caplog.text


def test_one_run_that_cannot_be_given_back_leaves_the_others(caplog: pytest.LogCaptureFixture) -> None:
    given: list[str] = []
    runs = [
        Invocation(definition(), abandon=Once(print)),
        Invocation(definition(), abandon=lambda: given.append("second")),
    ]
    bare = SimpleNamespace(_invoker=SimpleNamespace(running=runs), _locks=[Released()])
    Host._abandon_all(cast("Host", bare))
    assert given == ["second"]
    assert bare._locks[0].released
    assert "Functions.takes could not be given back" in caplog.text


def test_the_watchdog_looks_again(caplog: pytest.LogCaptureFixture) -> None:
    looks = Once(sys.exit)
    invoker = SimpleNamespace(fatal=looks)
    with pytest.raises(SystemExit):
        Watchdog(cast("Invoker", invoker), print, cast("Any", print))._watch()
    assert looks.calls == 2
    assert "The watchdog failed at one look" in caplog.text
