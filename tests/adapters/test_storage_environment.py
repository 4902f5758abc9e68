"""The storage account is reached as the environment says: through its proxy, by its certificates."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests

from shared.adapters.storage import Patience, blob_service_client
from tests.conftest import StorageAccount

KEY = "a2V5"
PLACE = (
    f"DefaultEndpointsProtocol=http;AccountName=a;AccountKey={KEY};BlobEndpoint=http://account.example:1/a;"
)


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[str]]]:
    """An HTTP proxy that answers everything itself with 404, and what it was asked for."""
    asked: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(404)
            self.send_header("x-ms-error-code", "BlobNotFound")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Nothing is printed."""

    server = HTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_goes_through_the_proxy_that_the_environment_names(
    proxy: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, asked = proxy
    monkeypatch.setenv("HTTP_PROXY", address)
    client = blob_service_client({"DATA_STORAGE": PLACE}, lambda: None, patience=Patience(2, 2, 0))
    with client, pytest.raises(Exception, match="BlobNotFound"):
        client.get_blob_client("state", "runs/a.json").download_blob().readall()
    assert asked == ["http://account.example:1/a/state/runs/a.json"]


def test_without_a_proxy_no_call_looks_into_the_environment(
    storage_account: StorageAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    name = storage_account.container("state").container_name
    client = blob_service_client({"DATA_STORAGE": storage_account.connection_string}, lambda: None)
    looked: list[str] = []
    real = requests.sessions.get_environ_proxies

    def counted(url: str, no_proxy: str | None = None) -> dict[str, str]:
        looked.append(url)
        found: dict[str, str] = real(url, no_proxy)
        return found

    monkeypatch.setattr(requests.sessions, "get_environ_proxies", counted)
    with client:
        client.get_blob_client(name, "a").upload_blob(b"1")
        assert client.get_blob_client(name, "a").download_blob().readall() == b"1"
    assert looked == []
