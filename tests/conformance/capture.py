"""Writes down what the SDK really sends and gets: around azure-core's own transport, which stays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from azure.core.pipeline.transport import RequestsTransport

from tests.conformance.exchange import Exchange, parsed


@contextmanager
def captured(base_url: str) -> Iterator[list[Exchange]]:
    """Exchanges with the emulator while the block runs."""
    exchanges: list[Exchange] = []
    send = RequestsTransport.send

    def recording(self: RequestsTransport, request: Any, **more: Any) -> Any:
        response = send(self, request, **more)
        if request.url.startswith(base_url) and "/_storage/" not in request.url:
            internal = response.internal_response
            exchanges.append(
                Exchange(
                    request.method,
                    request.url,
                    parsed(_text(request)),
                    internal.status_code,
                    internal.headers,
                    parsed(internal.content),
                    "azure-ai-ml",
                )
            )
        return response

    with mock.patch.object(RequestsTransport, "send", recording):
        yield exchanges


def _text(request: Any) -> Any:
    body = (
        getattr(request, "content", None) or getattr(request, "body", None) or getattr(request, "data", None)
    )
    return body if isinstance(body, str | bytes) else None
