"""One running host: HTTP front, timers, blob listeners, and how they end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import uvicorn
from azure.core.exceptions import AzureError

from dropml.common.bounded_http import Limits, bounded
from dropml.common.logs import announce
from dropml.functions_host import connections, triggers
from dropml.functions_host.admin import AdminApi
from dropml.functions_host.blob_dispatch import BlobDispatcher
from dropml.functions_host.blob_messages import BlobQueue
from dropml.functions_host.blob_scan import BlobScanner, BlobTrigger
from dropml.functions_host.config import (
    DEFAULT_BODY_LIMIT,
    HostConfig,
    LocalSettings,
    setting_seconds,
    time_zone,
)
from dropml.functions_host.errors import ConfigError
from dropml.functions_host.eventgrid import EventGridWebhook
from dropml.functions_host.http_front import HttpFront, explain
from dropml.functions_host.indexing import BLOB, TIMER, FunctionDefinition
from dropml.functions_host.invocation import Invoker
from dropml.functions_host.keys import KeyRing
from dropml.functions_host.leases import HOSTS_CONTAINER, SingletonLock, instance_id
from dropml.functions_host.manual import ManualRuns
from dropml.functions_host.routes import RouteTable
from dropml.functions_host.timers import BlobStatusStore, TimerListener
from dropml.functions_host.watchdog import Watchdog
from dropml.functions_host.worker_environment import thread_count

log = logging.getLogger("Host.Startup")

DRAIN_S = 3.5  # how long runs in flight may go on after SIGTERM; the whole stop stays under 5 s
RELEASE_S = 1.0


@dataclass(frozen=True)
class App:
    """What a host is started with."""

    directory: Path
    host_id: str
    functions: Sequence[FunctionDefinition]
    config: HostConfig
    settings: LocalSettings
    keys: KeyRing
    storage: str | None  # connection string of AzureWebJobsStorage


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # the host handles signals: there is more to stop than HTTP


class Host:
    """Runs one app until SIGTERM; `start_anew` replaces the process after a function overran functionTimeout."""

    def __init__(self, app: App, start_anew: Callable[[], NoReturn]) -> None:
        self._app = app
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._locks: list[SingletonLock] = []
        self._instance = instance_id()
        self._lease_s = int(setting_seconds("DROPML_HOST_LEASE_SECONDS", 60))
        if not 15 <= self._lease_s <= 60:
            raise ConfigError("DROPML_HOST_LEASE_SECONDS must be within 15 and 60, as blob leases are.")
        self._threads_at_once = thread_count()
        self._invoker = Invoker(app.config.function_timeout_s, self._threads_at_once)
        self._triggers = triggers.build(app.functions, app.config, time_zone())
        self._account = self._host_account()
        self._hosts = self._account.blobs.get_container_client(HOSTS_CONTAINER) if self._account else None
        self._queue: BlobQueue | None = None
        self._watchdog = Watchdog(self._invoker, self._abandon_all, start_anew)

    def _host_account(self) -> connections.StorageAccount | None:
        if self._app.storage:
            return connections.from_connection_string(self._app.storage)
        needing = [f.name for f in self._app.functions if f.trigger_type in (BLOB, TIMER)]
        if needing:
            raise ConfigError(
                f"AzureWebJobsStorage is not set, and {', '.join(needing)} need it: add it to Values of the"
                " settings file, or give --storage."
            )
        return None

    async def run(self, listener: socket.socket) -> None:
        """Serve until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        self._invoker.loop = loop
        ended = asyncio.Event()

        def ask_to_stop(*_: object) -> None:
            self._watchdog.stop_asked()
            loop.call_soon_threadsafe(ended.set)

        # Plain handlers, not the loop's: they run even while a handler blocks the loop.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, ask_to_stop)
        self._report()
        server = self._start_http(listener)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.005)
        self._start_listeners()
        self._watchdog.start()
        address, port = listener.getsockname()[:2]
        announce(f"http://{address}:{port}", sys.stdout)
        await ended.wait()
        await self._drain(server, serving)

    def _report(self) -> None:
        names = [
            f"{f.name} ({f.trigger_type}{', disabled' if f.disabled else ''})" for f in self._app.functions
        ]
        log.info("Host %s: %d functions: %s", self._app.host_id, len(names), ", ".join(names) or "none found")
        for name, error in self._triggers.errors.items():
            log.error("The '%s' function is in error: %s", name, error)

    def _start_http(self, listener: socket.socket) -> _Server:
        app = self._app
        blobs = self._triggers.blobs
        self._queue = BlobQueue(self._account, app.host_id) if self._account and blobs else None
        account = blobs[0].account if blobs else None
        path_style = account.name if account and f"/{account.name}" in account.blobs.url else None
        front = HttpFront(
            RouteTable(self._triggers.routes),
            app.keys,
            self._invoker,
            AdminApi(
                app.host_id,
                app.functions,
                self._triggers.errors,
                app.keys,
                ManualRuns(self._invoker, self._triggers, self._stop).start,
                EventGridWebhook(self._queue, path_style) if self._queue else None,
                app.config.route_prefix,
            ),
            app.config,
            app.settings,
            _body_limit(os.environ.get("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT")),
            self._threads_at_once,
        )
        return _Server(
            uvicorn.Config(
                front,
                http=bounded(Limits(front.body_limit, explain=explain)),
                loop="auto",
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=int(DRAIN_S),
                backlog=2048,
            )
        )

    def _start_listeners(self) -> None:
        if self._account is None or self._hosts is None:
            return
        for timer in self._triggers.timers:
            if not timer.function.disabled:
                lock = self._lock(f"{timer.function.id}.Listener")
                store = BlobStatusStore(self._hosts, self._app.host_id, timer.function)
                self._listen(lock, TimerListener(timer, store, lock, self._invoker).listen)
        blobs = [trigger for trigger in self._triggers.blobs if not trigger.function.disabled]
        if blobs and self._queue is not None:
            self._start_blob_listeners(blobs, self._account, self._queue)
        threading.Thread(target=self._warn_if_out_of_reach, daemon=True).start()

    def _start_blob_listeners(
        self, blobs: list[BlobTrigger], account: connections.StorageAccount, queue: BlobQueue
    ) -> None:
        assert self._hosts is not None
        lock = self._lock("WebJobs.Internal.Blobs.Listener")
        scanned = [trigger for trigger in blobs if not trigger.event_grid]
        poll_s = setting_seconds("DROPML_HOST_BLOB_POLL_SECONDS", 10)
        scanner = BlobScanner(scanned, self._hosts, self._app.host_id, queue, lock, poll_s)
        dispatcher = BlobDispatcher(
            blobs,
            account,
            queue,
            self._invoker,
            scanner.notify_again,
            parallel=self._app.config.max_degree_of_parallelism,
            poison_after=self._app.config.poison_blob_threshold,
            lease_s=setting_seconds("DROPML_HOST_MESSAGE_LEASE_SECONDS", 600),
        )
        if scanned:
            self._listen(lock, scanner.listen)
        self._spawn("blob-queue", lambda: dispatcher.listen(self._stop))

    def _lock(self, name: str) -> SingletonLock:
        assert self._hosts is not None
        lock = SingletonLock(self._hosts, self._app.host_id, name, self._instance, self._lease_s)
        self._locks.append(lock)
        return lock

    def _listen(self, lock: SingletonLock, listen: Callable[[threading.Event], None]) -> None:
        self._spawn(lock.name, lambda: self._hold_and_listen(lock, listen))

    def _hold_and_listen(self, lock: SingletonLock, listen: Callable[[threading.Event], None]) -> None:
        """Listen whenever this host holds the lock; while another does, ask again within a lease's time."""
        while not self._stop.is_set():
            pause = self._lease_s / 3
            try:
                if lock.try_acquire():
                    listen(self._stop)
                    pause = 1.0
            except AzureError as error:
                log.warning("%s: storage does not answer (%s); trying again", lock.name, type(error).__name__)
                pause = 5.0
            except Exception:  # a listener is tried again, whatever ended it
                log.exception("%s: its listener ended; trying again", lock.name)
                pause = 5.0
            finally:
                lock.release()
            self._stop.wait(pause)

    def _spawn(self, name: str, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _warn_if_out_of_reach(self) -> None:
        assert self._account is not None
        try:
            self._account.blobs.get_service_properties(timeout=5)
        except AzureError as error:
            log.error(
                "AzureWebJobsStorage cannot be reached (%s): timers and blob triggers wait for it.", error
            )

    async def _drain(self, server: uvicorn.Server, serving: asyncio.Task[None]) -> None:
        """Take no new work, let what runs finish within DRAIN_S, give back what doesn't, free the locks."""
        deadline = time.monotonic() + DRAIN_S
        log.info("Stopping: %d runs in flight", len(self._invoker.running))
        server.should_exit = True
        self._stop.set()
        if self._queue is not None:
            self._queue.arrived.set()
        while time.monotonic() < deadline and (
            self._invoker.running or any(t.is_alive() for t in self._threads)
        ):
            await asyncio.sleep(0.02)
        await asyncio.wait({serving}, timeout=max(0.1, deadline - time.monotonic()))
        releasing = threading.Thread(target=self._abandon_all, daemon=True)
        releasing.start()
        await asyncio.to_thread(releasing.join, RELEASE_S)

    def _abandon_all(self) -> None:
        """Give back the work of every run that is still in flight, and every lock."""
        for invocation in self._invoker.running:
            log.warning("'%s' (Id=%s) is cut short by the host's end", invocation.log_name, invocation.id)
            if invocation.abandon is not None:
                _give_back(invocation.log_name, invocation.abandon)
        for lock in self._locks:
            _give_back(lock.name, lock.release)


def _body_limit(text: str | None) -> int:
    """Bytes that a request may have. Raises ConfigError for what is no number."""
    if not text:
        return DEFAULT_BODY_LIMIT
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ConfigError(f"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT is {text[:80]!r}; it takes a number of bytes.")
    return int(text)


def _give_back(what: str, action: Callable[[], None]) -> None:
    try:
        action()
    except Exception:  # the others are given back all the same
        log.exception("%s could not be given back", what)
