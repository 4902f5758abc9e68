"""Whatever bytes arrive, in whatever portions: sound answers, or silence."""

import asyncio
import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from dropml.azureml.serving import answers
from dropml.azureml.serving.connection import Connection, Hub
from dropml.azureml.serving.messages import Answer, ConnectionLimits, Request
from tests.support.serving_support import (
    PRIMARY,
    Endpoint,
    one_model,
    payload,
    statuses,
)

KEYS = ["input_data", "columns", "index", "data", "age", "job", "params"]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with one_model(tmp_path_factory.mktemp("bytes")) as endpoint:
        yield endpoint


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:  # type: ignore[override]
        assert not self.closed
        self.written += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def connect(limits: ConnectionLimits, *, later: bool = False) -> tuple[Connection, Wire, list[Request]]:
    asked: list[Request] = []

    def handle(request: Request) -> Answer | None:
        asked.append(request)
        return None if later else answers.text(200, f"{request.method} {len(request.body)}")

    hub = Hub(limits, handle, answers.text, lambda _headers: None)
    connection, wire = Connection(hub), Wire()
    connection.connection_made(wire)
    return connection, wire, asked


PIECES = st.sampled_from(
    [
        b"GET / HTTP/1.1\r\n",
        b"POST /score HTTP/1.1\r\n",
        b"POST /score HTTP/1.0\r\n",
        b"Content-Length: 3\r\n",
        b"Content-Length: 99999\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: keep-alive\r\n",
        b"Connection: close\r\n",
        b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
        b"Expect: 100-continue\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"abc",
        b"3\r\nabc\r\n",
        b"0\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\n\r\n",
        b"\x00",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ]
)


STREAMS = st.one_of(
    st.binary(max_size=400),
    st.lists(st.one_of(PIECES, st.binary(max_size=20)), max_size=25).map(b"".join),
)


@given(STREAMS, st.lists(st.integers(1, 60), min_size=1, max_size=20), st.booleans())
@examples(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_bytes_in_any_portions_give_sound_answers_or_silence(
    stream: bytes, cuts: list[int], later: bool
) -> None:
    connection, wire, asked = connect(
        ConnectionLimits(body=500, head=300, url=60, header_count=8), later=later
    )
    position = 0
    for turn in range(len(stream) + 1):
        portion = stream[position : position + cuts[turn % len(cuts)]]
        if not portion or wire.closed:
            break
        connection.data_received(portion)
        position += len(portion)
        if later and connection.current is not None and turn % 2:
            connection.send(connection.current, answers.text(200, "late"))
    while later and connection.current is not None:
        connection.send(connection.current, answers.text(200, "late"))
    connection.overdue(time.monotonic() + 1000)
    for request in asked:
        assert len(request.body) <= 500
        assert len(request.target) <= 60
    codes = [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) [A-Z]", wire.written)]
    assert codes.count(200) == len(asked)
    assert all(code in (100, 200) or 400 <= code < 500 for code in codes)
    refusals = [place for place, code in enumerate(codes) if code >= 400]
    assert refusals in ([], [len(codes) - 1])  # a refusal is the last word


@given(st.lists(st.binary(max_size=80), min_size=1, max_size=6), st.lists(st.integers(1, 50), min_size=1))
@examples(max_examples=200, deadline=None)
def test_sound_requests_survive_any_portioning_with_bodies_intact(
    bodies: list[bytes], cuts: list[int]
) -> None:
    connection, wire, asked = connect(ConnectionLimits())
    stream = b"".join(
        b"POST /score HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        if place % 2
        else b"POST /score HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        + (b"%x\r\n%b\r\n" % (len(body), body) if body else b"")
        + b"0\r\n\r\n"
        for place, body in enumerate(bodies)
    )
    position = turn = 0
    while position < len(stream):
        step = cuts[turn % len(cuts)]
        connection.data_received(stream[position : position + step])
        position, turn = position + step, turn + 1
    assert [request.body for request in asked] == bodies
    assert not wire.closed


def test_random_bytes_over_the_socket_leave_it_serving(endpoint: Endpoint, tmp_path: Path) -> None:
    @given(st.binary(min_size=1, max_size=200))
    @examples(max_examples=60, deadline=None)
    def throw(data: bytes) -> None:
        assert all(400 <= code < 500 for code in statuses(endpoint.raw(data, half_close=True)))

    throw()
    assert endpoint.score(payload(50), key=PRIMARY).json() == ["yes"]
    assert (endpoint.folder / "stderr.txt").read_text() == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner)
    ),
    max_leaves=8,
)


HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "azureml-model-deployment",
            "x-request-id",
            "x-ms-request-id",
            "x-ms-client-request-id",
            "content-type",
        ]
    ),
    st.binary(max_size=60).map(lambda value: re.sub(rb"[\x00-\x08\x0a-\x1f\x7f]", b"", value)),
)


TARGETS = st.sampled_from([b"/score", b"/", b"/swagger.json", b"/score?input_data="]).flatmap(
    lambda path: st.binary(max_size=20).map(lambda tail: path + re.sub(rb"[^!-~]", b"", tail))
)


def test_no_sound_request_brings_a_5xx(endpoint: Endpoint) -> None:
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=5) as client:
        sent = client.makefile("rb")

        @given(TARGETS, st.sampled_from(["GET", "POST", "PUT"]), HEADERS, JSON | st.binary(max_size=40))
        @examples(max_examples=300, deadline=None)
        def ask(target: bytes, method: str, headers: dict[str, bytes], document: object) -> None:
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            head = endpoint.head("TARGET", method=method).encode().replace(b"TARGET", target)
            if "content-type" in headers:
                head = head.replace(b"Content-Type: application/json\r\n", b"")
            lines = b"".join(name.encode() + b": " + value + b"\r\n" for name, value in headers.items())
            client.sendall(head + lines + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            status = int(sent.readline().split()[1])
            length = 0
            while (line := sent.readline()) != b"\r\n":
                name, _, value = line.partition(b": ")
                length = int(value) if name == b"Content-Length" else length
            sent.read(length)
            assert status in (200, 401, 404, 424)

        ask()
    assert (endpoint.folder / "stderr.txt").read_text() == ""
