"""What a connection passes to the app, and what it gets back."""

from dataclasses import dataclass
from typing import Protocol

Answer = tuple[bytes, bytes]  # status line and headers, each ended by CRLF; body


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a client may cost. Sizes in bytes, times in seconds."""

    body: int = 1_572_864
    head: int = 32_768
    url: int = 8_192
    header_count: int = 100
    head_seconds: float = 10.0
    body_seconds: float = 60.0
    idle_seconds: float = 180.0
    linger_seconds: float = 2.0
    linger_bytes: int = 16_777_216
    pipelined: int = 16
    connections: int = 2048


@dataclass(slots=True, eq=False)
class Request:
    """One parsed request. Header names are lower case; of a repeated header the last value counts."""

    method: str
    target: bytes
    headers: dict[bytes, bytes]
    body: bytes
    connection: "Channel"
    keep_alive: bool
    http10: bool
    received: float
    gone: bool = False  # the client has closed: nobody reads the answer


class Channel(Protocol):
    """Where a request came from."""

    def send(self, request: Request, answer: Answer) -> None:
        """Write the answer to a request that was not answered at once."""
