"""Ordered faults, the steppable clock, telemetry, certificates."""

from __future__ import annotations

import contextlib
import gzip
import json
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509

from dropml.azureml.front import tls
from dropml.azureml.front.tls import ensure_certificates
from tests.support.emulator_support import Emulator, emulator, eventually

DATA = {"properties": {"dataType": "uri_file", "dataUri": "https://example.org/a.csv"}}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with emulator(tmp_path_factory.mktemp("emulator"), None, "--operation-seconds", "1") as found:
        yield found


@pytest.fixture
def running(shared: Emulator) -> Iterator[Emulator]:
    yield shared
    shared.call("DELETE", "/_emulator/faults")
    shared.call("POST", "/_emulator/clock", {"resume": True})


def order(running: Emulator, action: str, path: str, method: str = ".*", **more: Any) -> int:
    answer = running.call(
        "POST", "/_emulator/faults", {"action": action, "path": path, "method": method, **more}
    )
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def test_a_status_is_answered_as_often_as_ordered_and_only_where_ordered(running: Emulator) -> None:
    order(running, "status", "/computes/", "GET", count=2, status=503, headers={"Retry-After": "1"})
    answers = [running.arm("GET", "/computes/cpu-cluster") for _ in range(3)]
    assert [a.status_code for a in answers] == [503, 503, 200]
    assert answers[0].headers["Retry-After"] == "1"
    assert running.arm("GET", "/datastores").status_code == 200
    rule = running.call("GET", "/_emulator/faults").json()["value"][-1]
    assert (rule["hits"], rule["count"]) == (2, 0)


def test_answers_are_delayed_or_never_come_or_the_connection_drops(running: Emulator) -> None:
    order(running, "delay", "/computes/", seconds=0.4)
    began = time.monotonic()
    assert running.arm("GET", "/computes/cpu-cluster").status_code == 200
    assert time.monotonic() - began >= 0.4
    order(running, "hang", "/computes/")
    with pytest.raises(requests.ReadTimeout):
        running.arm("GET", "/computes/cpu-cluster", timeout=0.5)
    order(running, "drop", "/computes/")
    with pytest.raises(requests.ConnectionError):
        running.arm("GET", "/computes/cpu-cluster")
    assert running.arm("GET", "/computes/cpu-cluster").status_code == 200


def test_a_half_write_happens_although_its_caller_never_learns(running: Emulator) -> None:
    order(running, "half_write", "/data/half/", "PUT")
    with pytest.raises(requests.ConnectionError):
        running.arm("PUT", "/data/half/versions/1", DATA)
    assert running.arm("GET", "/data/half/versions/1").status_code == 200


def test_a_truncated_answer_ends_in_the_middle_of_its_body(running: Emulator) -> None:
    order(running, "truncate", "/computes/")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        running.arm("GET", "/computes/cpu-cluster")
    assert running.arm("GET", "/computes/cpu-cluster").status_code == 200


def test_a_rule_may_strike_now_and_then_and_alike_for_a_seed(running: Emulator) -> None:
    def drawn() -> list[int]:
        rule = order(running, "status", "/computes/", count=1000, status=503, chance=0.5, seed=7)
        found = [running.arm("GET", "/computes/cpu-cluster").status_code for _ in range(20)]
        running.call("DELETE", f"/_emulator/faults/{rule}")
        return found

    first = drawn()
    assert set(first) == {200, 503}
    assert drawn() == first


def test_a_stale_read_answers_as_before_the_write(running: Emulator) -> None:
    order(running, "stale_read", "/data/stale/versions/1", count=2)
    assert running.arm("PUT", "/data/stale/versions/1", DATA).status_code == 201
    codes = [running.arm("GET", "/data/stale/versions/1").status_code for _ in range(3)]
    assert codes == [404, 404, 200]


def test_a_wrong_rule_is_refused(running: Emulator) -> None:
    for rule in ({"action": "explode"}, {"path": "/x"}, {"action": "drop", "path": "("}):
        assert running.call("POST", "/_emulator/faults", rule).status_code == 400


def test_operations_wait_for_a_frozen_clock_and_end_when_it_is_stepped(running: Emulator) -> None:
    running.call("POST", "/_emulator/clock", {"freeze": True})
    body = {"location": "westeurope", "properties": {"authMode": "AADToken"}}
    url = running.arm("PUT", "/batchEndpoints/frozen", body).headers["Azure-AsyncOperation"]
    time.sleep(1.2)
    assert running.call("GET", url).json()["status"] == "Updating"
    busy = running.arm("PUT", "/batchEndpoints/frozen", body)
    assert busy.status_code == 409
    running.call("POST", "/_emulator/clock", {"step": 2})
    eventually(lambda: running.call("GET", url).json()["status"] == "Succeeded", 2)
    backwards = running.call("POST", "/_emulator/clock", {"step": -5})
    assert backwards.status_code == 400


def test_a_polling_url_whose_signature_was_cut_is_refused(running: Emulator) -> None:
    body = {
        "properties": {"computeType": "AmlCompute", "properties": {"vmSize": "STANDARD_DS2_V2"}},
    }
    url = running.arm("PUT", "/computes/signed", body).headers["Azure-AsyncOperation"]
    assert len(url) > 2500
    assert running.call("GET", url).status_code == 200
    cut = url.partition("&s=")[0] + "&s=" + url.partition("&s=")[2][:40]
    assert running.call("GET", cut).status_code == 403


def envelope(kind: str, base: dict[str, Any], operation: str = "op-1") -> dict[str, Any]:
    return {
        "name": "Microsoft.ApplicationInsights.Test",
        "time": "2026-03-01T10:00:00Z",
        "iKey": "00000000-0000-0000-0000-00000000abcd",
        "tags": {"ai.operation.id": operation, "ai.cloud.role": "dropml"},
        "data": {"baseType": kind, "baseData": base},
    }


def test_telemetry_comes_in_by_plain_http_and_can_be_looked_through(tmp_path: Path) -> None:
    with emulator(tmp_path) as own:
        # `ready` names the https address; the ingestion's is told by the endpoint configuration, so ask for a port.
        own.stop()
        own.options = ("--http-port", str(own.port + 1))
        own.start(own.port)
        track = f"http://127.0.0.1:{own.port + 1}/v2.1/track"
        items = [
            envelope("RequestData", {"name": "POST score", "duration": "00:00:00.004"}),
            envelope("MessageData", {"message": "hello"}, "op-2"),
        ]
        answer = requests.post(track, json=items, timeout=5)
        assert answer.json() == {"itemsReceived": 2, "itemsAccepted": 2, "errors": []}
        lines = "\n".join(json.dumps(envelope("EventData", {"name": f"e{i}"}, "op-3")) for i in range(3))
        packed = gzip.compress(lines.encode())
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/x-json-stream"}
        assert requests.post(track, data=packed, headers=headers, timeout=5).json()["itemsAccepted"] == 3
        partly = requests.post(track, json=[items[0], {"data": {}}], timeout=5)
        assert (partly.status_code, partly.json()["errors"][0]["index"]) == (206, 1)
        assert requests.post(track, data=b"{", timeout=5).status_code == 400

        def shown(**filters: str) -> list[dict[str, Any]]:
            return list(own.call("GET", "/_emulator/telemetry", params=filters).json()["items"])

        assert [i["item"]["data"]["baseData"]["name"] for i in shown(type="EventData")] == ["e2", "e1", "e0"]
        assert len(shown(operation_id="op-1")) == 2
        assert len(shown(contains="hello")) == 1
        own.kill()
        own.start()
        assert own.call("GET", "/_emulator/telemetry").json()["total"] == 6


def test_the_certificates_are_kept_and_renewed_before_they_end(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    certificate, _ = ensure_certificates(tmp_path, now)
    authority, first = (tmp_path / "ca.pem").read_bytes(), certificate.read_bytes()
    ensure_certificates(tmp_path, now + timedelta(days=300))
    assert certificate.read_bytes() == first
    ensure_certificates(tmp_path, now + timedelta(days=340))
    assert certificate.read_bytes() != first
    assert (tmp_path / "ca.pem").read_bytes() == authority
    names = x509.load_pem_x509_certificate(first).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert "localhost" in names.value.get_values_for_type(x509.DNSName)
    assert "127.0.0.1" in [str(a) for a in names.value.get_values_for_type(x509.IPAddress)]
    assert (tmp_path / "ca.key").stat().st_mode & 0o077 == 0


def test_a_renewal_that_dies_halfway_leaves_no_pair_that_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, write = datetime.now(UTC), tls._write
    for days, lost in ((340, "server.pem"), (0, "ca.key")):  # the leaf alone, and the authority with it
        for nth in range(4):
            later, written = now + timedelta(days=days), 0
            folder = tmp_path / f"{days}-{nth}"
            ensure_certificates(folder, now)
            (folder / lost).unlink()

            def dying(path: Path, data: bytes, mode: int = 0o644, nth: int = nth) -> None:
                nonlocal written
                if written == nth:
                    raise KeyboardInterrupt
                written += 1
                write(path, data, mode)

            with monkeypatch.context() as patch:
                patch.setattr(tls, "_write", dying)
                with contextlib.suppress(KeyboardInterrupt):
                    ensure_certificates(folder, later)
            certificate, key = ensure_certificates(folder, later)
            ssl.create_default_context().load_cert_chain(certificate, key)
            leaf = x509.load_pem_x509_certificate(certificate.read_bytes())
            leaf.verify_directly_issued_by(x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes()))
