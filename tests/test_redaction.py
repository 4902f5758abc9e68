"""Secrets stay out of logs, telemetry and answers, whoever put them into a message."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from functions import runs
from shared import bootstrap, redaction
from shared.adapters import telemetry_envelopes as telemetry
from shared.adapters.online_endpoints import OnlineEndpoints
from shared.domain.errors import Upstream
from shared.redaction import HIDDEN, redact
from tests.support.scoring_support import call, request

CANARY = "canary-0a1b2c3d4e5f+/=="
STRING = f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={CANARY};EndpointSuffix=core.windows.net"


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(redaction, "_known", {})
    monkeypatch.setattr(redaction, "_lasting", {})
    before = logging.getLogRecordFactory()
    redaction.install({"DATA_STORAGE": STRING, "AZURE_CLIENT_SECRET": "hunter2-hunter2", "LABEL_COLUMN": "y"})
    yield
    logging.setLogRecordFactory(before)


@pytest.mark.parametrize(
    "text",
    [
        STRING,
        f"https://a.blob.core.windows.net/c/b?sv=2024&sig={CANARY}&se=1",
        f"GET /api/runs?code={CANARY} HTTP/1.1",
        f"Authorization: Bearer {CANARY}",
        f"'Authorization': 'SharedKey account:{CANARY}'",
        json.dumps({"primaryKey": CANARY, "other": 1}),
        f"x-functions-key: {CANARY}",
        f"https://user:{CANARY}@host/x",
        f"the key is {CANARY}, and in a URL canary-0a1b2c3d4e5f%2B%2F%3D%3D",
        "client said hunter2-hunter2",
    ],
)
def test_a_secret_is_hidden_whatever_it_stands_in(text: str) -> None:
    shown = redact(text)
    assert HIDDEN in shown
    assert "0a1b2c3d4e5f" not in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "POST /api/score/bank?shape=list",
        'Field "job" must be a string, not 3.',
        "https://host:8443/x@y",
        "token of the run: none yet",
        "code: invalid-rows; key columns: 3",
    ],
)
def test_other_words_stay(text: str) -> None:
    assert redact(text) == text


def test_a_log_line_and_its_trace_show_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("some.library")
    try:
        raise requests.ConnectionError(f"https://a.blob/c?sig={CANARY}")
    except requests.ConnectionError:
        log.exception("sending to %s failed", f"https://a.blob/c?sig={CANARY}")
    shown = "\n".join(logging.Formatter().format(record) for record in caplog.records)
    assert "ConnectionError" in shown
    assert "0a1b2c3d4e5f" not in shown


def test_telemetry_shows_no_secret() -> None:
    envelopes = telemetry.Envelopes("key")
    item = telemetry.Item(
        "request",
        {
            "name": "POST /api/score",
            "url": f"https://host/api/score?code={CANARY}",
            "success": True,
            "duration": 1.0,
            "response_code": 200,
            "http_method": "POST",
            "properties": {"error": f"Bearer {CANARY}", "dataset": "bank"},
            "measurements": None,
        },
        "r1",
    )
    sent = json.dumps(envelopes.make(item))
    assert "0a1b2c3d4e5f" not in sent
    assert "bank" in sent


def test_an_answer_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> Any:
        raise Upstream(f"Storage said: sig={CANARY} is wrong for ?sig={CANARY}&x=1")

    monkeypatch.setattr(bootstrap, "store", fails)
    body = call(runs.show_run, request(method="GET", route={"id": "bank-1-a1"})).get_body().decode()
    assert "0a1b2c3d4e5f" not in body
    assert "upstream-error" in body


def test_a_secret_of_the_settings_is_hidden_however_many_keys_were_met_since() -> None:
    """An app with tokens meets a new one an hour, one with 300 endpoints 600 keys at its start."""
    redaction.learn_url("https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXX")
    redaction.learn("key-in-use-0123")
    for at in range(3 * redaction.MOST):
        redaction.learn(f"token-{at:08}", "key-in-use-0123")
    assert redact("client said hunter2-hunter2") == f"client said {HIDDEN}"
    assert "0a1b2c3d4e5f" not in redact(f"signed with {CANARY}")
    assert "XXXX" not in redact(
        "Max retries exceeded with url: /services/T00000000/B00000000/XXXXXXXXXXXXXXXX"
    )
    assert redact("met again and again: key-in-use-0123") == f"met again and again: {HIDDEN}"


def test_a_signature_in_a_setting_is_hidden_in_the_form_that_a_library_decodes() -> None:
    redaction.learn_environment({"PARTNER_URL": "https://a.blob/c?sv=1&sig=Zm9v%2BYmFy%2FZm9v%3D&se=2"})
    assert "Zm9v" not in redact("{'sig': ['Zm9v+YmFy/Zm9v=']}")
    redaction.learn_environment(
        {"SOME_PWD": "opensesame-1", "PARTNER_SAS": "abcdefghijkl", "PWD": "/home/somebody"}
    )
    assert redact("opensesame-1 abcdefghijkl in /home/somebody") == f"{HIDDEN} {HIDDEN} in /home/somebody"


def test_what_is_remembered_is_bounded() -> None:
    redaction.learn(*(f"secret-{at:08}" for at in range(2000)))
    assert len(redaction._known) == redaction.MOST
    assert redact("secret-00001999") == HIDDEN


def test_a_deployments_log_is_shown_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script prints its variables and its calls; whoever may read a log may not read a key."""
    line = f"{STRING}\nAuthorization: Bearer {CANARY}\nscored 2 rows"

    def get_logs(*_: object, container_type: str = "") -> str:
        return line if container_type else ""

    client = SimpleNamespace(online_deployments=SimpleNamespace(get_logs=get_logs))
    monkeypatch.setattr(OnlineEndpoints, "client", client)
    found = object.__new__(OnlineEndpoints).logs("bank-ep", "m1-a1")
    assert CANARY not in found
    assert found.count(HIDDEN) == 2
    assert found.endswith("scored 2 rows")
