"""Canaries in every setting that can hold a secret, through a life of the app: none is seen where people look."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import pytest
import requests

from dropml.azurite import process
from shared.domain.errors import InvalidSetting
from shared.domain.problems import problem
from shared.settings import read
from tests.attack.secrets import forms
from tests.support.host_harness import wait_for
from tests.support.scoring_cloud import Cloud, running
from tests.support.scoring_support import ROW, SCHEMA


def canary() -> str:
    return f"canary-{secrets.token_hex(12)}"


@dataclass
class Life:
    """A running app, and every secret of it by where it was planted."""

    cloud: Cloud
    planted: dict[str, str]


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    process.install()
    folder = tmp_path_factory.mktemp("canaries")
    azurite = process.start(folder / "azurite", die_with_parent=True)
    planted = {
        name: canary() for name in ("IDENTITY_HEADER", "AZURE_CLIENT_SECRET", "SOME_API_KEY", "WEBHOOK_TOKEN")
    }
    key, code = canary(), canary()
    settings = planted | {
        "APPLICATIONINSIGHTS_CONNECTION_STRING": f"InstrumentationKey={key};IngestionEndpoint=http://127.0.0.1:9/",
        "PIPELINE_V1_URL": f"https://example.invalid/run?code={code}",
    }
    planted |= {"APPLICATIONINSIGHTS_CONNECTION_STRING": key, "PIPELINE_V1_URL": code}
    try:
        started = running(folder / "app", azurite.connection_string, external=None, schema=SCHEMA, **settings)
        with started as cloud:
            yield Life(cloud, planted)
    finally:
        azurite.stop()


def asked(cloud: Cloud) -> list[requests.Response]:
    """What callers do, rightly and wrongly."""
    score = f"{cloud.api}/score/bank"
    calls = [
        requests.post(score, json=[ROW], headers=cloud.headers, timeout=30),
        requests.post(score, json=[{"no": "such"}], headers=cloud.headers, timeout=30),
        requests.post(f"{cloud.api}/endpoints/bank-abc123/rotate-key", headers=cloud.headers, timeout=30),
        requests.post(f"{cloud.api}/pipelines/bank/runs", headers=cloud.headers, timeout=60),
        requests.post(f"{cloud.api}/runs/bank-1-a1/retry", headers=cloud.headers, timeout=60),
    ]
    for path in (
        "swagger.json",
        "docs",
        "health",
        "runs",
        "datasets",
        "runs/bank-1-a1",
        "runs/bank-1-a1/ledger",
        "runs/x",
        "nowhere",
    ):
        calls.append(requests.get(f"{cloud.api}/{path}", headers=cloud.headers, timeout=30))
    return calls


def test_none_is_in_an_answer_the_log_the_state_or_an_argument(life: Life) -> None:
    cloud = life.cloud
    wrong = {
        "a wrong key": canary(),
        "a bearer token": canary(),
        "a cookie": canary(),
        "a key in a query": canary(),
    }
    used = {"x-functions-key": wrong["a wrong key"], "Authorization": f"Bearer {wrong['a bearer token']}"}
    used["Cookie"] = wrong["a cookie"]
    requests.post(f"{cloud.api}/score/bank", json=[ROW], headers=used, timeout=30)
    requests.get(f"{cloud.api}/runs?code={wrong['a key in a query']}", timeout=30)
    answers = asked(cloud)
    assert answers[0].status_code == 200
    before = cloud.endpoint.keys("")
    url = f"{cloud.api}/endpoints/bank-abc123/rotation"

    def rotated() -> bool:
        found = requests.get(url, headers=cloud.headers, timeout=20).json()
        return found["status"] not in ("queued", "running")

    wait_for(rotated, timeout=90)
    keys = {
        f"endpoint key {i}": key for i, key in enumerate((*before, *cloud.endpoint.keys(""))) if len(key) > 8
    }
    storage = {"storage key": cloud.storage.split("AccountKey=")[1].split(";")[0]}
    places = {f"answer {answer.url}": answer.content + str(answer.headers).encode() for answer in answers}
    places["log"] = cloud.host.log.encode()
    places |= {blob.name: cloud.state.download_blob(blob.name).readall() for blob in cloud.state.list_blobs()}
    places["arguments"] = json.dumps(
        [one.info["cmdline"] for one in psutil.process_iter(["cmdline"])]
    ).encode()
    for what, secret in (life.planted | wrong | keys | storage).items():
        for place, content in places.items():
            assert not any(form in content for form in forms(secret)), f"{what} in {place}"
    assert len(places) > 15


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PIPELINE_V1_URL", "ftp://example.org/run?code=CANARY"),
        ("DATA_STORAGE__blobServiceUri", "example.org?sig=CANARY"),
        ("DATA_STORAGE__blobServiceUri", "ftp://someone:CANARY@example.org"),
        ("MAX_TRIALS", "AccountKey=CANARY"),
        ("BLOB_SOURCE", "password=CANARY"),
    ],
)
def test_a_setting_that_cannot_be_taken_is_told_without_the_secret_in_it(
    name: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    secret = canary()
    with pytest.raises(InvalidSetting) as raised:
        read({name: value.replace("CANARY", secret)})
    told = json.dumps(problem(raised.value))
    assert name in told
    assert secret not in told
