"""Attacks on what stands in for Azure: the emulator's own routes, its ingestion, an endpoint asked directly."""

from __future__ import annotations

import requests

from tests.attack import http, http_cases
from tests.attack.bombs import gzip_bomb
from tests.attack.stand import Stand, workspace
from tests.attack.tally import Tally
from tests.attack.wire import REFUSED, SILENT, send

OWN_ROUTES = [
    ("GET", "/_emulator/clock"), ("POST", "/_emulator/clock"), ("GET", "/_emulator/api-versions"),
    ("GET", "/_emulator/faults"), ("POST", "/_emulator/faults"), ("DELETE", "/_emulator/faults"),
    ("GET", "/_emulator/telemetry"), ("GET", "/msi/token?resource=x"), ("GET", "/metadata/identity/oauth2/token?resource=x"),
]  # fmt: skip
NO_TELEMETRY = [
    b"", b"[", b"[" * 50_000, b"null", b"[null]", b'[{"data":1}]', b"\x00" * 1000, b'{"name":"x","data":{"baseData":[]}}',
    b"\xff" * 50,
]  # fmt: skip
#: A model that fails on its rows is told as 424 by an endpoint.
ENDPOINT_ANSWERS = REFUSED | http_cases.OK | {424}


def own_routes(stand: Stand) -> None:
    """They steer the emulator, so a stranger on the machine gets nothing from them; nor does ARM answer without its token."""
    arm = workspace()
    routes = [
        *OWN_ROUTES,
        ("GET", f"{arm}?api-version=2025-06-01"),
        ("GET", f"{arm}/jobs?api-version=2025-06-01"),
    ]
    for method, path in routes:
        for headers in (
            {},
            {"Authorization": "Bearer x"},
            {"X-IDENTITY-HEADER": "wrong"},
            {"Metadata": "true"},
        ):
            answer = requests.request(
                method,
                f"{stand.emulator}{path}",
                headers=headers,
                verify=stand.live.running.places.ca,
                timeout=20,
            )
            stand.tally.answered(
                "emulator", f"{method} {path} {headers}", answer.status_code, {400, 401, 403, 404, 405}
            )


def emulator_port(stand: Stand) -> None:
    """Oddities and large bodies on its https port."""
    url, tally = stand.emulator, stand.tally
    http.try_all("emulator", url, http_cases.protocol("/msi/token", "x"), tally)
    http.large(
        "emulator",
        url,
        [("POST", "/_emulator/clock"), ("POST", "/msi/token"), ("PUT", f"{workspace()}/jobs/x")],
        tally,
    )


def ingestion(stand: Stand) -> None:
    """What unpacks to a gigabyte, what is too large as it is, what is no telemetry."""
    tally, url = stand.tally, f"{stand.ingestion}/v2.1/track"
    refused = {400, 401, 413, 415}
    for mib in (300, 1200):
        for path in ("/v2.1/track", "/v2/track"):
            _posted(
                tally,
                f"{stand.ingestion}{path}",
                gzip_bomb(mib),
                {"Content-Encoding": "gzip"},
                refused | {404},
            )
    for body in NO_TELEMETRY:
        _posted(tally, url, body, {}, refused | {200, 206})
        _posted(tally, url, body, {"Content-Encoding": "gzip"}, refused | {200, 206})
    http.try_all("ingestion", stand.ingestion, http_cases.protocol("/v2.1/track", "x"), tally)
    http.large("ingestion", stand.ingestion, [("POST", "/v2.1/track")], tally)


def _posted(tally: Tally, url: str, body: bytes, headers: dict[str, str], allowed: set[int]) -> None:
    what = f"{url.rpartition('/')[2]} {body[:30]!r} of {len(body)} bytes {headers}"
    try:
        found = requests.post(url, data=body, headers=headers, timeout=60).status_code
    except requests.Timeout:
        found = SILENT
    except requests.ConnectionError:
        found = 413  # hung up on while it was still sending
    tally.answered("ingestion", what, found, allowed)


def endpoint(stand: Stand, uri: str, key: str) -> None:
    """A deployment's port, with its own key and without."""
    tally = stand.tally
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Basic {key}"},
    ):
        found = requests.post(uri, json={"data": stand.rows}, headers=headers, timeout=20)
        tally.answered("endpoint", f"{headers}", found.status_code, {401, 403})
    cases = [*http_cases.protocol("/score", key), *http_cases.bodies("/score", key)]
    for raw in cases:
        tally.answered("endpoint", raw.name, send(uri, raw), set(ENDPOINT_ANSWERS | raw.allowed))
    http.large("endpoint", uri, [("POST", "/score"), ("POST", "/swagger.json")], tally)
