"""Ports that are given to processes: two stacks that start at once never get the same."""

from __future__ import annotations

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from dropml.common.ports import Ports, free_port

HOLDER = """
import sys
from dropml.common.ports import Ports
with Ports() as ports:
    print(ports.take(int(sys.argv[1])), flush=True)
    sys.stdin.read()
"""


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
    command = [sys.executable, "-c", HOLDER, str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert int(other.stdout.readline()) == port
        with Ports() as ports:
            assert ports.take(port) != port
        other.kill()
        other.wait()
        with Ports() as ports:
            assert ports.take(port) == port, "a killed start keeps its port"


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
