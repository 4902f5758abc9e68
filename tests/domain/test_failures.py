"""Errors as the service is known to write them get their own code, sentence and remedy; what is unknown gets none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shared.domain.failures import explained, instead_of
from shared.domain.run.parts import RunProblem

#: Messages as people quote them, and those of the emulator's engine.
TOLD = [
    (
        "quota-exceeded",
        "Job submission to AzureML Compute encountered an Exception with status code JobNodeCountExceedsCoreQuota",
    ),
    (
        "quota-exceeded",
        "The specified subscription has a total vCPU quota of 0 and cannot accomodate for at least 1 requested managed compute",
    ),
    (
        "quota-exceeded",
        "OutOfQuota: Not enough cluster CPU quota. The amount of additional CPU quota requested is 8, and you are using 14.",
    ),
    (
        "quota-exceeded",
        "Operation results in exceeding quota limits of Core. Maximum allowed: 100, Current in use: 99",
    ),
    ("quota-exceeded", "Endpoint Quota reached for subscription ***.Current usage/limit: 300/300."),
    ("no-capacity", "OutOfCapacity: The specified VM Size failed to provision due to a lack of capacity."),
    ("compute-missing", "ScriptTask failed with: Unknown compute target 'cluster001'."),
    ("compute-missing", "The compute target 'cpu-cluster' was not found in the workspace."),
    (
        "image-build-failed",
        "Image build failed. For more details, check log file azureml-logs/20_image_build_log.txt.",
    ),
    ("image-build-failed", "ImageBuildFailure: Failed building environment image"),
    ("single-class", "The label column 'y' has one class only ('no'): there is nothing to tell apart."),
    ("single-class", "The least populated class in y has only 1 member, which is too few."),
    (
        "out-of-memory",
        "The job used 9,000 MiB of memory and its node has 8,192 MiB: use a larger VM size or less data.",
    ),
    ("out-of-memory", "The data does not fit into this compute's memory."),
    ("disk-full", "OSError: [Errno 28] No space left on device"),
    (
        "storage-forbidden",
        "StreamAccessException was caused by AuthenticationException. AuthorizationPermissionMismatch",
    ),
    ("data-unreadable", "The training data can't be read. The folder at x holds no file named MLTable"),
    ("training-timeout", "The training process did not end at the job's timeout and was stopped."),
    ("no-trial-completed", "No trial completed. ValueError: whatever it was"),
]


@pytest.mark.parametrize(("code", "text"), TOLD)
def test_what_the_service_is_known_to_write_is_explained(code: str, text: str) -> None:
    found = explained(text)
    assert found is not None
    assert found.code == code
    assert found.message.endswith(".")
    assert found.remedy.endswith(".")


@pytest.mark.parametrize("text", ["", "The job failed and the service gave no reason.", "KeyError: 'age'"])
def test_what_is_not_known_is_not_guessed(text: str) -> None:
    assert explained(text) is None
    problem = RunProblem("upstream-error", text, "Look there.")
    assert instead_of(problem) == problem


def test_the_first_text_that_is_known_explains() -> None:
    found = explained("KeyError: 'age'", "No space left on device", "OutOfQuota")
    assert found is not None
    assert found.code == "disk-full"


def test_long_messages_cost_no_time_to_speak_of() -> None:
    for text in ("compute " * 100_000, "no " * 100_000, "experiment" * 100_000, "exceeded " * 100_000):
        assert explained(text) is None


def test_each_code_stands_on_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
    assert {code for code, _ in TOLD} <= set(re.findall(r"`([a-z-]+)`", page))
