"""The worker processes: they are forked from a server that has imported everything already."""

from __future__ import annotations

import importlib.util

import pytest

from dropml.azureml.automl.search.pool import PRELOADED


@pytest.mark.parametrize("name", PRELOADED)
def test_what_the_fork_server_is_told_to_import_is_there(name: str) -> None:
    # It passes over modules it cannot find without a word, and then every trial imports its libraries anew.
    assert importlib.util.find_spec(name) is not None
