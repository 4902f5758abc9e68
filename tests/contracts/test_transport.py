"""The transport over plain HTTP and over TLS."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.adapters.endpoint import EndpointHttp
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
