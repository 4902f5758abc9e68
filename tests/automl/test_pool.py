"""A job's processes: what they may use, and the server that they are forked from."""

from __future__ import annotations

import importlib.util
import os
import sys

import pytest

from dropml.azureml.automl.__main__ import _cap_processors
from dropml.azureml.automl.lifeline import die_with_parent
from dropml.azureml.automl.search.pool import PRELOADED


@pytest.mark.parametrize("name", PRELOADED)
def test_what_the_fork_server_is_told_to_import_is_there(name: str) -> None:
    # It passes over modules it cannot find without a word, and then every trial imports its libraries anew.
    assert importlib.util.find_spec(name) is not None


def test_a_job_starts_where_processes_cannot_be_bound_as_on_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(os, "environ", {})
    _cap_processors(1)
    die_with_parent()
    assert os.environ["OMP_NUM_THREADS"] == "1"
