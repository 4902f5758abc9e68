"""Fixtures for pytest: `pytest_plugins = ["dropml.azureml.testing"]` in a conftest.py, or `-p dropml.azureml.testing`.

`azureml_workspace` is an emulated workspace of the test session, with every variable set that the SDKs ask for;
`azureml_client` is an `MLClient` of it. Overriding the fixture `azureml_options` changes how it is started.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from dropml.azureml import alone
from dropml.azureml.command import wanted_by
from dropml.azureml.shell import HOME_VARIABLE, OTHER_IDENTITIES, Running, load

_SECONDS = 30.0


@dataclass(frozen=True)
class Workspace:
    """An emulated workspace that runs; `running` says where."""

    running: Running

    @property
    def subscription_id(self) -> str:
        return self.running.subscription

    @property
    def resource_group(self) -> str:
        return self.running.resource_group

    @property
    def name(self) -> str:
        return self.running.workspace

    @property
    def url(self) -> str:
        """Of the control plane, in place of https://management.azure.com."""
        return self.running.url

    @property
    def mlflow_tracking_uri(self) -> str:
        """For `mlflow.set_tracking_uri`, where azureml-mlflow is installed."""
        return self.running.mlflow_tracking_uri

    @property
    def storage(self) -> str:
        """The connection string of the workspace's blob account; empty where there is none."""
        return self.running.storage

    @property
    def log(self) -> str:
        """What the emulator has written since its start."""
        return (self.running.home / "logs" / "emulator.log").read_text(errors="replace")

    def client(self, credential: Any = None) -> Any:
        """A new `MLClient`; by the session's DefaultAzureCredential unless another is given."""
        from azure.ai.ml import MLClient
        from azure.identity import DefaultAzureCredential

        return MLClient(
            credential or DefaultAzureCredential(), self.subscription_id, self.resource_group, self.name
        )

    def advance(self, seconds: float) -> None:
        """Move the clock by which operations, tokens and schedules go; processes live in real time."""
        self.own("POST", "clock", {"step": seconds})

    @contextlib.contextmanager
    def fault(self, **rule: Any) -> Iterator[None]:
        """Order a fault while the block runs: `action`, `method`, `path`, `count` as the emulator's README lists them."""
        self.own("POST", "faults", rule)
        try:
            yield
        finally:
            self.own("DELETE", "faults")

    def own(self, method: str, path: str, body: Any = None) -> requests.Response:
        """A call of one of the emulator's own routes (`/_emulator/...`). Raises requests.HTTPError."""
        answer = requests.request(
            method,
            f"{self.url}/_emulator/{path}",
            json=body,
            headers={"x-emulator-secret": self.running.secret},
            verify=str(self.running.certificate),
            timeout=_SECONDS,
        )
        answer.raise_for_status()
        return answer


@pytest.fixture(scope="session")
def azureml_options() -> list[str]:
    """Options of `python -m dropml.azureml run`; override it to have others."""
    return ["--operation-seconds", "0.1"]


@pytest.fixture(scope="session")
def azureml_workspace(
    azureml_options: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workspace]:
    """The workspace, its variables set in this process (and so in all that it starts) until the session's end.

    Inside `python -m dropml.azureml run -- pytest` it is the one that was started there.
    """
    found = load(Path(os.environ[HOME_VARIABLE])) if HOME_VARIABLE in os.environ else None
    if found and found.alive():
        yield Workspace(found)
        return
    folder = tmp_path_factory.mktemp("azureml")
    try:
        running = alone.start(folder, wanted_by(azureml_options))
        with pytest.MonkeyPatch.context() as patch:
            for name in OTHER_IDENTITIES:
                patch.delenv(name, raising=False)
            for name, value in running.variables().items():
                patch.setenv(name, value)
            yield Workspace(running)
    finally:
        alone.stop(folder)


@pytest.fixture(scope="session")
def azureml_client(azureml_workspace: Workspace) -> Any:
    """An MLClient of the session's workspace."""
    return azureml_workspace.client()
