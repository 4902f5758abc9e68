"""What jobs leave behind: the stand-in of the lifecycle's tests, and run history of the emulator over Azurite."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
import requests

from shared.adapters.arm import Arm
from shared.adapters.identity import credential
from shared.adapters.run_files import RunFiles as StoredRunFiles
from shared.adapters.tracking import Tracking
from shared.services.run.ports import RunFiles
from tests.contracts.run_files import RunFilesContract
from tests.support.emulator_support import WS, Emulator, emulator, sdk_environment
from tests.support.memory import MemoryRunFiles

MLFLOW = f"/mlflow/v2.0{WS}/api/2.0/mlflow"


class TestMemoryRunFiles(RunFilesContract):
    @pytest.fixture
    def files(self) -> RunFiles:
        return MemoryRunFiles()

    @pytest.fixture
    def run(self) -> str:
        return "bank-1-a1_1"

    def leave(self, files: RunFiles, run: str, path: str, text: str) -> None:
        assert isinstance(files, MemoryRunFiles)
        files.texts.setdefault(run, {})[path] = text


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, azurite: str) -> Iterator[Emulator]:
    with emulator(tmp_path_factory.mktemp("run-files"), azurite) as found, sdk_environment(found):
        yield found


class TestStoredRunFiles(RunFilesContract):
    @pytest.fixture
    def files(self, running: Emulator) -> RunFiles:
        self.running = running
        return StoredRunFiles(Tracking(Arm(running.url, credential()), WS))

    @pytest.fixture
    def run(self, running: Emulator) -> str:
        self.experiment = uuid.uuid4().hex
        made = running.call("POST", f"{MLFLOW}/experiments/create", {"name": self.experiment}).json()
        answer = running.call("POST", f"{MLFLOW}/runs/create", {"experiment_id": made["experiment_id"]})
        return str(answer.json()["run"]["info"]["run_id"])

    def leave(self, files: RunFiles, run: str, path: str, text: str) -> None:
        url = f"/history/v1.0{WS}/experiments/{self.experiment}/runs/{run}/artifacts/batch/metadata"
        told = self.running.call("POST", url, {"paths": [{"path": path}]}).json()
        address = told["artifactContentInformation"][path]["contentUri"]
        headers = {"x-ms-blob-type": "BlockBlob"}
        answer = requests.put(address, text.encode(), headers=headers, timeout=30)
        assert answer.status_code == 201, answer.text
