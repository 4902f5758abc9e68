"""The transport over plain HTTP and over TLS."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from shared.adapters import endpoint
from shared.adapters.endpoint import EndpointHttp
from shared.domain.problems import DeadlineExceeded
from shared.services.scoring.calling import Transport
from tests.contracts.transport import TransportContract
from tests.support.scoring_support import certificate
from tests.support.scripted_http import Service, scripted


class TestPlain(TransportContract):
    @pytest.fixture
    def transport(self) -> Iterator[Transport]:
        http = EndpointHttp()
        yield http
        http.close()

    @pytest.fixture
    def service(self) -> Iterator[Service]:
        with scripted() as service:
            yield service


class TestTls(TestPlain):
    @pytest.fixture
    def service(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate(tmp_path)))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(tmp_path / "server.pem")
        with scripted(tls=tls) as service:
            yield service


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\n"
STATUS = b"HTTP/1.1 200 OK\r\nX-Pad: "


@pytest.mark.parametrize("first", [HEAD, ENDLESS, STATUS, b""])
def test_an_answer_that_comes_byte_by_byte_ends_at_the_deadline(first: bytes) -> None:
    """Each byte came within the time that one read may take: a call of half a second went on for minutes."""
    stop = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(first)
            while not stop.wait(0.05):
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=drip, args=(listener,), daemon=True)
        server.start()
        guard = threading.Timer(60, stop.set)
        guard.start()
        with pytest.raises(DeadlineExceeded):
            EndpointHttp().send("POST", f"http://127.0.0.1:{listener.getsockname()[1]}/score", b"{}", {}, 0.5)
        assert not stop.is_set(), "the endpoint never stopped sending"
        guard.cancel()
        stop.set()
        server.join(10)


def test_connections_are_kept_and_calls_in_time_are_left_alone() -> None:
    with scripted() as service:
        http = EndpointHttp()
        for _ in range(3):
            assert http.send("POST", service.url, b"{}", {}, 0.3).status == 200
            time.sleep(0.4)
        assert http.send("POST", service.url, b"{}", {}, 5).status == 200
        assert endpoint.WATCH._calls == {}
