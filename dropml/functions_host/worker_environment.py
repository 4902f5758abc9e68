"""The variables that the host sets for its worker, beside the app's settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from dropml.functions_host.config import WORKER_THREADS
from dropml.functions_host.errors import ConfigError

THREADS_SETTING = "PYTHON_THREADPOOL_THREAD_COUNT"


def variables(app_dir: Path, port: int, settings: Mapping[str, str]) -> dict[str, str]:
    """What the app finds in its environment besides its settings.

    As RpcWorkerProcess and DefaultWorkerProcessFactory of the host, and App Service, set them; the app's own values of
    the last three win.
    """
    theirs = {
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "FUNCTIONS_EXTENSION_VERSION": "~4",
        THREADS_SETTING: str(WORKER_THREADS),
    }
    return {
        "FUNCTIONS_WORKER_RUNTIME_VERSION": f"{sys.version_info.major}.{sys.version_info.minor}",
        "FUNCTIONS_WORKER_DIRECTORY": str(Path(__file__).parent),
        "FUNCTIONS_APPLICATION_DIRECTORY": str(app_dir),
        "AzureWebJobsScriptRoot": str(app_dir),
        "WEBSITE_HOSTNAME": f"localhost:{port}",
    } | {name: settings.get(name) or value for name, value in theirs.items()}


def thread_count() -> int:
    """How many sync functions may run at once. Raises ConfigError if the setting is no positive number."""
    text = os.environ.get(THREADS_SETTING) or str(WORKER_THREADS)
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ConfigError(f"{THREADS_SETTING} is {text!r}: write a whole number from 1.")
    return int(text)
