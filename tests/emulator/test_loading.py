"""An endpoint's process that is killed while it loads a model is started again, as the service restarts a container."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from dropml.azureml.core.operations import OperationFailedError
from dropml.azureml.core.store import Doc
from dropml.azureml.front.app import Emulator
from dropml.azureml.online import deployments
from dropml.azureml.online.deployments import OnlineDeployments
from dropml.azureml.online.process import EndpointDownError
from tests.support.emulator_loops import without_sockets

OPERATION = {"target": "bank-ep/m1"}
READY = {"deployments": {"m1": {"status": "ready"}}}
LOADING = {"deployments": {"m1": {"status": "loading"}}}
FAILED = {"deployments": {"m1": {"status": "failed", "error": "the model is broken"}}}


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    with without_sockets(tmp_path) as found:
        yield found


def load(emulator: Emulator, monkeypatch: pytest.MonkeyPatch, *tells: Doc | None) -> int:
    """Put a deployment in place; `tells` is what its process says at each call, None that it has been killed."""
    calls: list[str] = []

    async def tell(_name: str) -> Doc:
        calls.append(_name)
        said = tells[min(len(calls), len(tells)) - 1]
        if said is None:
            raise EndpointDownError("The endpoint's process does not answer")
        return said

    processes = emulator.endpoints.processes
    monkeypatch.setattr(processes, "reload", tell)
    monkeypatch.setattr(processes, "status", tell)
    monkeypatch.setattr(deployments, "_PAUSE_SECONDS", 0.001)
    asyncio.run(OnlineDeployments(emulator.endpoints, emulator.endpoints._models).work_put(OPERATION))
    return len(calls)


def test_killed_once_it_comes_back_and_the_deployment_succeeds(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load(emulator, monkeypatch, LOADING, None, LOADING, READY) == 4


def test_killed_again_and_again_the_deployment_fails_and_says_so(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OperationFailedError, match="does not answer"):
        load(emulator, monkeypatch, None)


def test_a_model_that_is_broken_is_not_tried_again(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OperationFailedError, match="the model is broken"):
        load(emulator, monkeypatch, FAILED, READY)
