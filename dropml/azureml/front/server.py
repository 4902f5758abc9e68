"""Serves the emulator: https for everything, plain http for ingestion, in one process and one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import signal
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

import uvicorn

from dropml.azureml.core.config import HOST, Settings
from dropml.azureml.front.app import build
from dropml.azureml.front.connections import LIMITS, Server
from dropml.azureml.front.tls import ensure_certificates
from dropml.common.bounded_http import Limits, bounded
from dropml.common.logs import announce


class StartError(Exception):
    """The emulator can't start; the message says why and what to do."""


def _bind(port: int) -> socket.socket:
    # With the protocol named, asyncio sets TCP_NODELAY; without it each answer waits 40 ms for a delayed ACK.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(("127.0.0.1", port))
    except OSError as error:
        raise StartError(
            f"Port {port} can't be used: {error.strerror}. Give another one, or 0 for any."
        ) from None
    return sock


def _server(
    app: object,
    settings: Settings,
    cert: Path | None = None,
    key: Path | None = None,
    limits: Limits = LIMITS,
) -> Server:
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        interface="asgi3",
        http=bounded(limits),
        proxy_headers=False,
        log_level=settings.log_level,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
        ssl_certfile=str(cert) if cert else None,
        ssl_keyfile=str(key) if key else None,
    )
    server = Server(config)
    # Signals are handled once, below, for both servers.
    server.capture_signals = contextlib.nullcontext  # type: ignore[assignment,method-assign]
    return server


async def _answered(servers: list[Server]) -> None:
    """Give requests under way a second."""
    deadline = time.monotonic() + 1
    while any(s.server_state.tasks for s in servers) and time.monotonic() < deadline:
        await asyncio.sleep(0.02)


async def serve(settings: Settings) -> None:
    """Until SIGTERM or SIGINT. Prints `ready URL` once it answers."""
    # Keys and secrets lie in it: its owner's alone, also where an earlier release left it open.
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings.data.chmod(0o700)
    lock = (settings.data / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise StartError(f"Another emulator uses {settings.data}: stop it or give another --data.") from None
    cert, key = ensure_certificates(settings.data)
    main, plain = _bind(settings.port), _bind(settings.http_port)
    settings = replace(settings, port=main.getsockname()[1], http_port=plain.getsockname()[1])
    emulator = build(settings)
    servers = [_server(emulator.app, settings, cert, key), _server(emulator.ingestion, settings)]
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    tasks = [
        loop.create_task(server.serve(sockets=[sock]))
        for server, sock in zip(servers, (main, plain), strict=True)
    ]
    await emulator.start()
    while not all(server.started for server in servers):
        if any(task.done() for task in tasks):
            raise StartError("The server did not start: see the log above.")
        await asyncio.sleep(0.01)
    announce(f"https://{HOST}:{settings.port}", sys.stdout)
    await stopping.wait()
    # Idle TLS connections may outlast the grace; uvicorn would call that an error.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    for server in servers:
        server.should_exit = True
    await _answered(servers)
    await emulator.stop()
    for server in servers:
        # Idle connections, whose TLS farewell may never come, are not waited for.
        server.force_exit = True
    await asyncio.gather(*tasks, return_exceptions=True)
    lock.close()


def run(settings: Settings) -> int:
    """The process's exit code."""
    try:
        asyncio.run(serve(settings))
    except StartError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
