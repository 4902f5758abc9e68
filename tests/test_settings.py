"""What an operator writes into the app settings: taken, or refused with the variable, its value and what may stand there."""

from __future__ import annotations

import logging
from dataclasses import fields

import pytest

from shared.domain.errors import InvalidSetting
from shared.settings import Settings, read, settings


def test_nothing_set_is_the_defaults() -> None:
    assert read({}) == Settings()
    assert read({"CANARY_PERCENT": "  ", "TASK": ""}) == Settings()


@pytest.mark.parametrize(
    ("name", "value", "takes"),
    [
        ("CANARY_PERCENT", "250", "a whole number from 0 to 100"),
        ("CANARY_PERCENT", "-1", "a whole number from 0 to 100"),
        ("CANARY_PERCENT", "ten", "a whole number from 0 to 100"),
        ("CANARY_SKEW", "nan", "a number from 0 to 1"),
        ("OPEN_RUN_HOURS", "inf", "a number of at least 0.001"),
        ("SCORE_MAX_ROWS", "0", "a whole number of at least 1"),
        ("SCORE_TIMEOUT_SECONDS", "600", "a number from 0.05 to 230"),
        ("ENDPOINT_AUTH", "token", "one of key, aad_token"),
        ("PIPELINE_MODE", "v3", "one of batch_endpoint, pipeline_job, v1"),
        ("CREDENTIAL", "password", "one of default, interactive, device_code"),
        ("TASK", "clustering", "one of auto, classification, regression"),
        ("BLOB_SOURCE", "Polling", "one of LogsAndContainerScan, EventGrid"),
        ("PRIMARY_METRIC", "AUC", "one of AUC_weighted, accuracy"),
        ("STATE_CONTAINER", "State", "a container's name"),
        ("AZUREML_DEV_URL_MFE", "localhost", "a URL"),
    ],
)
def test_what_cannot_be_is_refused_with_what_may_stand_there(name: str, value: str, takes: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        read({name: value})
    assert name in caught.value.message
    assert repr(value) in caught.value.message
    assert takes in caught.value.message
    assert name in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "value", "field", "meant"),
    [
        ("ENDPOINT_AUTH", "Key", "endpoint_auth", "key"),
        ("ENDPOINT_AUTH", "AADToken", "endpoint_auth", "aad_token"),
        ("CREDENTIAL", "device-code", "credential", "device_code"),
        ("TASK", "Regression", "task", "regression"),
        ("PRIMARY_METRIC", "auc_weighted", "primary_metric", "AUC_weighted"),
        ("BLOB_SOURCE", "eventgrid", "blob_source", "EventGrid"),
        ("CANARY_PERCENT", " 100 ", "canary_percent", 100),
        ("GATE_MARGIN", "0", "gate_margin", 0.0),
    ],
)
def test_another_spelling_is_what_was_meant(name: str, value: str, field: str, meant: object) -> None:
    assert getattr(read({name: value}), field) == meant


def test_all_wrong_settings_are_told_at_once() -> None:
    wrong = {"CANARY_PERCENT": "250", "ENDPOINT_AUTH": "basic", "DATA_STORAGE__accountName": "acct"}
    with pytest.raises(InvalidSetting, match="3 settings") as caught:
        read(wrong | {"MAX_TRIALS": "10"})
    assert all(name in caught.value.message for name in wrong)
    assert "MAX_TRIALS" not in caught.value.message


@pytest.mark.parametrize("name", ["DATA_STORAGE__accountName", "AzureWebJobsDATA_STORAGE"])
def test_an_account_that_the_blob_trigger_cannot_use_is_refused_without_telling_its_value(name: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        read({name: "AccountKey=secret"})
    assert name in caught.value.message
    assert "DATA_STORAGE__blobServiceUri" in caught.value.remedy
    assert "secret" not in caught.value.message + caught.value.remedy


def test_the_blob_trigger_needs_both_uris() -> None:
    blobs = {"DATA_STORAGE__blobServiceUri": "https://acct.blob.core.windows.net"}
    queues = {"DATA_STORAGE__queueServiceUri": "https://acct.queue.core.windows.net"}
    with pytest.raises(InvalidSetting, match="DATA_STORAGE__queueServiceUri"):
        read(blobs)
    assert read(blobs | queues).data_storage_blob_uri == blobs["DATA_STORAGE__blobServiceUri"]


def test_a_metric_must_be_one_of_the_task() -> None:
    with pytest.raises(InvalidSetting, match="PRIMARY_METRIC is 'r2_score'; for TASK=auto"):
        read({"PRIMARY_METRIC": "r2_score"})
    with pytest.raises(InvalidSetting, match="PRIMARY_METRIC is 'r2_score'; for TASK=classification"):
        read({"PRIMARY_METRIC": "r2_score", "TASK": "classification"})
    assert read({"PRIMARY_METRIC": "r2_score", "TASK": "regression"}).primary_metric == "r2_score"


def test_the_first_read_of_the_process_logs_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CANARY_PERCENT", "250")
    settings.cache_clear()
    with caplog.at_level(logging.ERROR), pytest.raises(InvalidSetting):
        settings()
    assert "CANARY_PERCENT is '250'" in caplog.text
    settings.cache_clear()


@pytest.mark.parametrize("digits", [400, 5000])
def test_a_number_of_any_length_is_refused_by_its_name(digits: int) -> None:
    numbers = [
        known.metadata["name"] or known.name.upper()
        for known in fields(Settings)
        if known.type in ("int", "float")
    ]
    assert len(numbers) > 30
    for name in numbers:
        with pytest.raises(InvalidSetting, match=name):
            read({name: "1" * digits})
