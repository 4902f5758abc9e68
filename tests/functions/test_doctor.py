"""The doctor's door: what it answers is what the document says."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from functions import doctor
from shared import bootstrap, checkup
from shared.adapters.telemetry import NoTelemetry
from shared.services.doctor.report import Finding, ReportView
from tests.functions.test_openapi import DOCUMENT, resolved
from tests.support.scoring_support import body_of, call, request


def ask(monkeypatch: pytest.MonkeyPatch, **params: str) -> Any:
    report = ReportView(False, (Finding("queues", "failed", "No.", "az role assignment create"),), 0.1)
    monkeypatch.setattr(bootstrap, "telemetry", NoTelemetry)
    monkeypatch.setattr(checkup, "examine", lambda version, *, quota: report)
    return call(doctor.show_doctor, request(None, params=params))


def test_findings_are_an_answer_also_where_something_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = ask(monkeypatch, quota="true")
    assert answer.status_code == 200
    schema = resolved(DOCUMENT["components"]["schemas"]["Report"])
    jsonschema.Draft202012Validator(schema).validate(body_of(answer))


def test_a_word_that_is_neither_true_nor_false_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = ask(monkeypatch, quota="yes")
    assert answer.status_code == 400
    assert "quota" in body_of(answer)["detail"]
