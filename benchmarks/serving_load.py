"""A load client on raw sockets, run as a process of its own: `python -m benchmarks.serving_load < order.json`.

The order: {"host", "port", "request" (latin-1 text), "connections", "seconds", "warm_up"}. The answer, one
JSON line: {"count", "seconds", "rate", "p50_ms", "p90_ms", "p99_ms", "errors", "body"}. Each connection keeps
one request in flight (closed loop, keep-alive). It must not be the bottleneck: `python -m benchmarks.serving`
measures it against a server that answers constant bytes, and reports that rate beside the others.
"""

import asyncio
import json
import select
import socket
import sys
import time
from typing import Any


class _Client:
    """One connection with one request in flight."""

    def __init__(self, host: str, port: int, request: bytes) -> None:
        self._address, self._request = (host, port), request
        self.latencies: list[float] = []
        self.errors = 0
        self.body = b""
        self.connect()

    def connect(self) -> None:
        self.socket = socket.create_connection(self._address, timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self._closed = False
        self.fresh = True  # not yet known to the poll

    def send(self) -> None:
        # A server that closes after each answer costs its callers a connection for each: that counts.
        self._started = time.perf_counter()
        if self._closed:
            self.connect()
        self.socket.sendall(self._request)

    def receive(self) -> bool:
        """Read what is there; True when the answer is complete."""
        data = self.socket.recv(262_144)
        if not data:
            self.errors += 1
            self._close()
            return True
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = self._buffer[:end].lower()
        place = head.find(b"content-length:")
        length = int(head[place + 15 :].split(b"\r\n", 1)[0])
        if len(self._buffer) < end + 4 + length:
            return False
        self.latencies.append(time.perf_counter() - self._started)
        if not head.startswith(b"http/1.1 200"):
            self.errors += 1
        self.body = self._buffer[end + 4 :]
        self._buffer = b""
        if b"connection: close" in head:
            self._close()
        return True

    def _close(self) -> None:
        # At once: some servers wait for that before they turn to the next caller.
        self.socket.close()
        self._closed = True


def run(order: dict[str, Any]) -> dict[str, Any]:
    """Carry the order out."""
    request = order["request"].encode("latin-1")
    clients = [_Client(order["host"], order["port"], request) for _ in range(order["connections"])]
    _for(clients, float(order.get("warm_up", 0.3)))
    for client in clients:
        client.latencies.clear()
    seconds = _for(clients, float(order["seconds"]))
    latencies = sorted(latency for client in clients for latency in client.latencies)
    count = len(latencies)
    return {
        "count": count,
        "seconds": seconds,
        "rate": count / seconds,
        **{f"p{share}_ms": 1000 * latencies[min(count - 1, count * share // 100)] for share in (50, 90, 99)},
        "errors": sum(client.errors for client in clients),
        "body": clients[0].body.decode("utf-8", "replace")[:2000],
    }


def _for(clients: list[_Client], seconds: float) -> float:
    """Keep every client busy so long; the seconds it really took until the last answer."""
    started = time.perf_counter()
    end = started + seconds
    if len(clients) == 1:
        client = clients[0]
        while time.perf_counter() < end:
            client.send()
            while not client.receive():
                pass
        return time.perf_counter() - started
    poll = select.epoll()
    by_number: dict[int, _Client] = {}
    for client in clients:
        client.fresh = True
        _send(client, poll, by_number)
    busy = len(clients)
    while busy:
        events = poll.poll(30)
        if not events:
            raise TimeoutError("no answer for 30 s")
        for number, _ in events:
            client = by_number[number]
            if not client.receive():
                continue
            if time.perf_counter() < end:
                _send(client, poll, by_number)
            else:
                busy -= 1
                by_number.pop(number)
    poll.close()
    return time.perf_counter() - started


def _send(client: _Client, poll: select.epoll, by_number: dict[int, _Client]) -> None:
    client.send()
    if client.fresh:  # a closed socket has left the poll by itself, and its number may be given again
        number = client.socket.fileno()
        client.fresh = False
        by_number[number] = client
        poll.register(number, select.EPOLLIN)


class _Constant(asyncio.Protocol):
    """Answers every segment it receives with the same bytes."""

    ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n" + b'["yes","no"]'

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(self.ANSWER)


async def _serve_constant() -> None:
    server = await asyncio.get_running_loop().create_server(_Constant, "127.0.0.1", 0)
    print(f"ready http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1:] == ["--constant-server"]:
        asyncio.run(_serve_constant())
    else:
        print(json.dumps(run(json.load(sys.stdin))))
