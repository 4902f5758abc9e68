"""HTTP as clients really send it, and as attackers do."""

import contextlib
import json
import re
import socket
import time
from collections.abc import Iterator
from unittest import mock

import psutil
import pytest

from dropml.azureml.serving import answers
from dropml.azureml.serving.connection import Connection, Hub
from dropml.azureml.serving.messages import ConnectionLimits
from tests.support.serving_support import (
    PRIMARY,
    Endpoint,
    deployment,
    payload,
    read_all,
    running,
    settings,
    statuses,
    tiny_model,
)

_KNOWN = f"POST /score HTTP/1.1\r\nAuthorization: Bearer {PRIMARY}\r\n".encode()
BODY = json.dumps(payload(50)).encode()


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    folder = tmp_path_factory.mktemp("http")
    model = tiny_model(folder, "young")
    document = settings({"m1": deployment(model, folder / "m1.log")}, {"m1": 100})
    flags = ("--head-seconds", "0.6", "--body-seconds", "0.8", "--idle-seconds", "1.5")
    with running(folder, document, *flags) as endpoint:
        yield endpoint


def whole(endpoint: Endpoint, body: bytes = BODY, *, extra: str = "", version: str = "1.1") -> bytes:
    head = endpoint.head(version=version) + extra + f"Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def test_pipelined_requests_are_answered_in_order(endpoint: Endpoint) -> None:
    ages = [30, 50] * 40
    requests = b"".join(whole(endpoint, json.dumps(payload(age)).encode()) for age in ages)
    received = endpoint.raw(requests, seconds=1)
    assert re.findall(rb'\["(no|yes)"\]', received) == [b"no" if age == 30 else b"yes" for age in ages]


def test_a_request_may_come_byte_by_byte(endpoint: Endpoint) -> None:
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=2) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in whole(endpoint, extra="Connection: close\r\n"):
            client.sendall(bytes([byte]))
        assert read_all(client).endswith(b'["yes"]')


def test_chunked_bodies_are_read_with_extensions_and_trailers(endpoint: Endpoint) -> None:
    parts = [BODY[:10], BODY[10:11], BODY[11:]]
    chunks = b"".join(b"%x;note=1\r\n%b\r\n" % (len(part), part) for part in parts)
    head = endpoint.head() + "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    received = endpoint.raw(head.encode() + chunks + b"0\r\nAuthorization: Bearer x\r\n\r\n")
    assert received.endswith(b'["yes"]')


def test_expect_continue_is_answered_before_the_body_is_sent(endpoint: Endpoint) -> None:
    request = whole(endpoint, extra="Expect: 100-continue\r\nConnection: close\r\n")
    head, body = request[: -len(BODY)], BODY
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=2) as client:
        client.sendall(head)
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        assert read_all(client).endswith(b'["yes"]')


def test_other_expectations_are_refused(endpoint: Endpoint) -> None:
    assert statuses(endpoint.raw(whole(endpoint, extra="Expect: a-miracle\r\n"))) == [417]


def test_http_1_0_closes_unless_keep_alive_is_asked_for_as_apachebench_does(endpoint: Endpoint) -> None:
    once = endpoint.raw(whole(endpoint, version="1.0"), seconds=1)
    assert statuses(once) == [200]
    assert b"Connection: close" in once
    kept = whole(endpoint, version="1.0", extra="Connection: Keep-Alive\r\n")
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=2) as client:
        for _ in range(3):
            client.sendall(kept)
            assert b"Connection: keep-alive" in client.recv(4096)


def test_a_half_closed_client_still_gets_its_answers(endpoint: Endpoint) -> None:
    received = endpoint.raw(whole(endpoint) + whole(endpoint), half_close=True)
    assert statuses(received) == [200, 200]


def test_a_body_over_the_limit_is_a_413_that_the_client_can_read(endpoint: Endpoint) -> None:
    large = json.dumps(payload(*range(120_000))).encode()
    assert len(large) > 1_572_864
    assert statuses(endpoint.raw(whole(endpoint, large), seconds=5)) == [413]
    head = (endpoint.head() + "Transfer-Encoding: chunked\r\n\r\n").encode()
    chunks = b"".join(b"10000\r\n" + 65536 * b" " + b"\r\n" for _ in range(40))
    assert statuses(endpoint.raw(head + chunks, seconds=5)) == [413]
    expecting = whole(endpoint, large, extra="Expect: 100-continue\r\n")[: -len(large)]
    assert statuses(endpoint.raw(expecting)) == [413]


def test_a_body_just_under_the_limit_is_scored(endpoint: Endpoint) -> None:
    body = BODY[:-1] + (1_572_864 - len(BODY)) * b" " + b"}"
    received = endpoint.raw(whole(endpoint, body, extra="Connection: close\r\n"))
    assert received.endswith(b'["yes"]')


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nX: " + 40_000 * b"a" + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(200)) + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nX: " + 60_000 * b"a", 431),
        (b"GET /" + 9_000 * b"a" + b" HTTP/1.1\r\n\r\n", 414),
        (b"hello\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"POST /score HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST /score HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /score HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400),
        (b"POST /score HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (_KNOWN + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET / HTTP/1.1\r\nBad Header : 1\r\n\r\n", 400),
    ],
)
def test_what_is_not_sound_http_gets_one_4xx_and_a_closed_connection(
    endpoint: Endpoint, request_: bytes, status: int
) -> None:
    received = endpoint.until_closed(request_)
    assert statuses(received) == [status]
    assert b"Connection: close" in received


def test_nothing_is_smuggled_behind_a_refused_request(endpoint: Endpoint) -> None:
    bad = b"POST /score HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert statuses(endpoint.raw(bad + whole(endpoint), seconds=3)) == [400]
    closing = whole(endpoint, extra="Connection: close\r\n")
    assert statuses(endpoint.raw(closing + whole(endpoint), seconds=3)) == [200]


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("http://a.b:1/score?x=1", b"400"),  # scored: its body is missing
        ("http://[::1", b"200"),
        ("http://a.b", b"200"),
        ("*", b"200"),
        ("/%00%ff/..;/score", b"404"),
        ("//score", b"404"),
        ("/swagger.json?version=%ff&version=3", b"404"),
    ],
)
def test_targets_of_every_form_are_answered(endpoint: Endpoint, target: str, found: bytes) -> None:
    method = "POST" if "score?x" in target else "GET"
    head = endpoint.head(target, method=method) + "Connection: close\r\n\r\n"
    received = endpoint.raw(head.encode())
    if statuses(received) == [424]:
        assert b"ms-azureml-model-error-statuscode: " + found in received
    else:
        assert [str(status).encode() for status in statuses(received)] in ([found], [b"400"])


def test_an_upgrade_is_not_taken_and_the_request_is_answered(endpoint: Endpoint) -> None:
    head = endpoint.head("/", method="GET") + "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    received = endpoint.raw(head.encode(), seconds=2)
    assert statuses(received) == [200]
    assert received.endswith(b"Healthy")


@pytest.mark.parametrize("start", [b"POST /sc", b"POST /score HTTP/1.1\r\nHost: x\r\n", "body", b""], ids=str)
def test_a_client_that_dawdles_is_let_go(endpoint: Endpoint, start: bytes | str) -> None:
    data = whole(endpoint)[:-5] if start == "body" else start
    assert isinstance(data, bytes)
    started = time.monotonic()
    received = endpoint.until_closed(data)
    assert statuses(received) == ([408] if data else [])
    assert time.monotonic() - started > 0.4  # not at once


def test_a_trickle_does_not_extend_the_time_for_the_headers(endpoint: Endpoint) -> None:
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=5) as client:
        received = b""
        client.settimeout(0.1)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(b"GET / HTTP/1.1\r\n")
            for _ in range(90):  # a header too many brings a 431, long after the time is up
                client.sendall(b"X: y\r\n")
                with contextlib.suppress(TimeoutError):
                    received = client.recv(4096)
                    break
    assert statuses(received) in ([408], [])


def test_many_idle_and_rude_clients_leave_the_endpoint_serving(endpoint: Endpoint) -> None:
    clients = [socket.create_connection(("127.0.0.1", endpoint.port)) for _ in range(150)]
    for number, client in enumerate(clients):
        client.sendall(whole(endpoint)[: number * 2])
        if number % 3 == 0:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            client.close()
    assert endpoint.score(payload(50)).json() == ["yes"]
    for client in clients:
        client.close()


def test_a_client_that_never_reads_is_cut_off_and_memory_stays(endpoint: Endpoint) -> None:
    assert endpoint.process is not None
    process = psutil.Process(endpoint.process.pid)
    before = process.memory_info().rss
    request = (endpoint.head("/swagger.json", method="GET") + "\r\n").encode() * 500
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=2) as client:
        with pytest.raises((TimeoutError, ConnectionError)):  # the endpoint stops reading, then hangs up
            flood(client, request, times=2000)
        assert process.memory_info().rss - before < 30e6
    assert endpoint.score(payload(50)).json() == ["yes"]


def flood(client: socket.socket, data: bytes, times: int) -> None:
    for _ in range(times):
        client.sendall(data)


def test_the_body_of_a_stranger_is_not_read(endpoint: Endpoint) -> None:
    head = "POST /score HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\n"
    told = endpoint.raw(f"{head}Content-Length: 1000000\r\n\r\n".encode(), seconds=0.5)
    assert statuses(told) == [401]
    chunked = endpoint.raw(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode(), seconds=0.5)
    assert statuses(chunked) == [401]


def test_of_too_many_connections_the_one_goes_that_has_waited_longest_for_nothing() -> None:
    hub = Hub(ConnectionLimits(connections=3), lambda _: None, answers.text, lambda _: None)
    slow = [Connection(hub) for _ in range(3)]
    wires = [mock.Mock() for _ in range(4)]
    for connection, wire in zip(slow, wires, strict=False):
        connection.connection_made(wire)
    slow[0].data_received(b"GET / HTTP/1.1\r\n\r\n")  # a caller who waits for an answer
    Connection(hub).connection_made(wires[3])
    assert [wire.abort.called for wire in wires] == [False, True, False, False]
    assert not wires[3].write.called
