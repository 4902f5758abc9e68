"""Ports that are given to processes: two stacks that start at once never get the same."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from dropml.common.ports import Ports, free_port

HOLDER = """
import sys
from dropml.common.ports import Ports
with Ports() as ports:
    print(ports.take(int(sys.argv[1])), flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_start(port: int, **variables: str) -> Iterator[int]:
    """What a process that wants the port gets, while it holds it."""
    command = [sys.executable, "-c", HOLDER, str(port)]
    env = os.environ | variables
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
    ) as other:
        assert other.stdout is not None
        yield int(other.stdout.readline())
        other.kill()


def test_a_wanted_port_is_taken_where_it_is_free() -> None:
    port = free_port()
    with Ports() as ports:
        assert ports.take(port) == port
    with Ports() as ports:
        assert ports.take(port) == port, "it was kept longer than the start took"


def test_a_port_somebody_listens_on_is_not_given() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, Ports() as ports:
        taken = server.getsockname()[1]
        assert ports.take(taken) != taken


def test_a_port_another_process_is_about_to_listen_on_is_not_given() -> None:
    port = free_port()
    with another_start(port) as taken:
        assert taken == port
        with Ports() as ports:
            assert ports.take(port) != port
    with Ports() as ports:
        assert ports.take(port) == port, "a killed start keeps its port"


def test_a_port_that_began_to_be_listened_on_just_before_it_is_held_is_not_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port, hold, servers = free_port(), Ports._hold, list[socket.socket]()

    def listened_on_meanwhile(ports: Ports, found: int) -> bool:
        if found == port:
            servers.append(socket.create_server(("127.0.0.1", port)))
        return hold(ports, found)

    monkeypatch.setattr(Ports, "_hold", listened_on_meanwhile)
    with Ports() as ports:
        assert ports.take(port) != port
    servers[0].close()


@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_without_a_folder_to_write_into_a_port_is_given_all_the_same(
    system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(sys, "platform", system)
    port = free_port()
    with Ports() as ports:
        assert ports.take(port) == port


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a port is held by a file among the user's")
def test_starts_of_two_users_get_ports_of_their_own(tmp_path: Path) -> None:
    port = free_port()
    with another_start(port, HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path)) as taken, Ports() as ports:
        assert taken == port
        assert ports.take(port) != port


def test_where_the_kernel_has_no_names_a_file_holds_a_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "darwin")
    port = free_port()
    with Ports() as first, Ports() as second:
        assert first.take(port) == port
        assert second.take(port) != port
    with Ports() as third:
        assert third.take(port) == port


def test_starts_at_the_same_time_get_ports_of_their_own() -> None:
    wanted = free_port()
    with ThreadPoolExecutor(8) as pool:
        starts = [Ports() for _ in range(8)]
        taken = list(pool.map(lambda ports: ports.take(wanted), starts))
    for ports in starts:
        with ports:
            pass
    assert wanted in taken
    assert len(set(taken)) == len(taken)


def test_what_was_held_is_let_go_of_when_a_start_fails() -> None:
    port = free_port()

    def start() -> None:
        with Ports() as ports:
            ports.take(port)
            raise RuntimeError("the process did not start")

    with pytest.raises(RuntimeError):
        start()
    with Ports() as ports:
        assert ports.take(port) == port
