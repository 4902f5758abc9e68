"""The workspace: the stand-in of the lifecycle's tests, and the SDK's adapter against the emulator."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest
import requests

from shared.adapters.arm import Arm
from shared.adapters.azureml import AzureMLAdapter
from shared.adapters.identity import credential
from shared.adapters.pipelines import PipelinesAdapter
from shared.adapters.preflight import Place, Preflight
from shared.domain.errors import DropMLError, Transient
from shared.domain.failures import explained
from shared.domain.run.cost import Compute, missing
from shared.redaction import HIDDEN
from shared.services.run.ports import AzureML, DeploymentSpec, Pipelines
from shared.settings import Settings
from tests.contracts.azureml import AzureMLContract, until
from tests.contracts.pipelines import PipelinesContract
from tests.support.emulator_support import (
    STANDIN,
    WS,
    Emulator,
    emulator,
    no_schema_download,
    sdk_environment,
    trained_model,
    upload_folder,
    upload_table,
)
from tests.support.memory import MemoryAzureML
from tests.support.memory_pipelines import MemoryPipelines


class TestMemoryAzureML(AzureMLContract):
    @pytest.fixture
    def azureml(self) -> AzureML:
        return MemoryAzureML()

    @pytest.fixture
    def folders(self) -> tuple[str, str]:
        return "bank/one/train", "bank/two/train"

    @pytest.fixture
    def model(self) -> str:
        return "bank:1"

    @contextmanager
    def held_up(self, azureml: AzureML) -> Iterator[None]:
        assert isinstance(azureml, MemoryAzureML)
        before, azureml.patience = azureml.patience, 1000
        yield
        azureml.patience = before


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, azurite: str) -> Iterator[Emulator]:
    """An emulator whose jobs don't train; one model, trained once a session, can be deployed."""
    upload_folder(azurite, "contract-data", "model", trained_model())
    for name in ("one", "two"):
        upload_table(azurite, "contract-data", f"bank/{name}/train")
    options = ["--automl-command", STANDIN, "--datastore", "dropml_data=contract-data"]
    options += ["--operation-seconds", "0.1", "--max-nodes", "2"]
    with emulator(tmp_path_factory.mktemp("contract"), azurite, *options) as found:
        body = {"modelType": "mlflow_model", "modelUri": "azureml://datastores/dropml_data/paths/model"}
        answer = found.arm("PUT", "/models/small/versions/1", {"properties": body})
        assert answer.status_code == 201, answer.text
        with sdk_environment(found), no_schema_download():
            yield found


@pytest.fixture(scope="module")
def adapter(running: Emulator) -> AzureMLAdapter:
    settings = Settings(
        azure_subscription_id="00000000-0000-0000-0000-000000000001",
        azure_resource_group="dropml",
        azureml_workspace="dropml-local",
        azureml_dev_url_mfe=running.url,
        azureml_compute="cpu-cluster",
    )
    identity = credential()
    return AzureMLAdapter(settings, identity, Arm(settings.arm_endpoint, identity))


@pytest.mark.filterwarnings("ignore")
class TestEmulatedAzureML(AzureMLContract):
    @pytest.fixture
    def azureml(self, adapter: AzureMLAdapter) -> AzureML:
        return adapter

    @pytest.fixture
    def folders(self) -> tuple[str, str]:
        return "bank/one/train", "bank/two/train"

    @pytest.fixture
    def model(self) -> str:
        return f"{WS}/models/small/versions/1"

    @pytest.fixture(autouse=True)
    def _clock(self, running: Emulator) -> None:
        self.running = running

    @contextmanager
    def held_up(self, azureml: AzureML) -> Iterator[None]:
        self.running.call("POST", "/_emulator/clock", {"freeze": True})
        yield
        self.running.call("POST", "/_emulator/clock", {"resume": True})

    def answers(self, azureml: AzureML, endpoint: str) -> None:
        azureml.begin_traffic(endpoint, {"m1-a1": 100})
        until(lambda: self.ready(azureml, endpoint).traffic, lambda found: found == {"m1-a1": 100})
        keys = self.running.arm("POST", f"/onlineEndpoints/{endpoint}/listKeys").json()
        example = json.loads((trained_model() / "input_example.json").read_text())
        row = dict(zip(example["columns"], example["data"][0], strict=True))
        answer = requests.post(
            self.ready(azureml, endpoint).scoring_uri,
            json={"input_data": [row]},
            headers={"Authorization": f"Bearer {keys['primaryKey']}"},
            timeout=30,
        )
        found = answer.json()
        assert (answer.status_code, found["model"], found["threshold"]) == (200, "small:1", 0.5), found
        assert [len(shares) for shares in found["probabilities"]] == [len(found["classes"])]

    @pytest.mark.parametrize(
        ("said", "code", "log"),
        [
            ("OutOfQuota: Not enough cluster CPU quota.", "quota-exceeded", ""),
            ("Unknown compute target 'cluster001'.", "compute-missing", ""),
            (
                "Image build failed. For more details, check log file azureml-logs/20_image_build_log.txt.",
                "image-build-failed",
                "pip failed; https://x.blob.core.windows.net/a?sig=abcdefgh12345678",
            ),
            ("The label column 'y' has one class only ('no').", "single-class", "the last line"),
            ("The training process did not end at the job's timeout.", "training-timeout", "the last line"),
        ],
    )
    def test_a_failure_comes_with_its_reason_and_the_end_of_its_log(
        self, azureml: AzureML, folders: tuple[str, str], slug: str, said: str, code: str, log: str
    ) -> None:
        name = f"{slug}-1-a1"
        order = {"message": said, "log": log, "image_build": code == "image-build-failed"}
        assert self.running.call("PUT", f"/_emulator/jobs/{name}/failure", order).status_code == 201
        azureml.register_data(slug, "1", folders[0], {}, {})
        azureml.submit(self.job(slug))
        job = until(lambda: azureml.job(name), lambda j: j is not None and j.status == "Failed")
        assert job is not None
        assert job.error == said
        found = explained(job.error)
        assert found is not None
        assert found.code == code
        assert azureml.job_log(name) == log.replace("abcdefgh12345678", HIDDEN)

    def test_a_cluster_that_is_not_there_is_refused_in_words_that_explain(
        self, adapter: AzureMLAdapter, folders: tuple[str, str], slug: str
    ) -> None:
        adapter.register_data(slug, "1", folders[0], {}, {})
        elsewhere = AzureMLAdapter(
            replace(adapter.settings, azureml_compute="nowhere"), credential(), adapter.arm
        )
        with pytest.raises(DropMLError) as raised:
            elsewhere.submit(self.job(slug))
        found = explained(raised.value.message)
        assert found is not None
        assert found.code == "compute-missing"

    def test_hosts_that_register_at_once_find_one_code_and_one_environment(
        self, azureml: AzureML, running: Emulator, trained: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("shared.adapters.scoring_assets.CODE", f"code-{uuid.uuid4().hex[:8]}")
        job = azureml.job(trained)
        assert job is not None
        child = str(job.best_child)
        azureml.register_environment(child)  # imports the SDK
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda _: azureml.register_code(), range(8)))
            environments = list(pool.map(lambda _: azureml.register_environment(child), range(8)))
        assert (len(set(made)), len(set(environments))) == (1, 1)
        listed = running.arm("GET", made[0].partition("/workspaces/dropml-local")[2].rpartition("/")[0])
        assert len(listed.json()["value"]) == 1

    def test_why_a_deployment_failed_is_told_by_its_operation(
        self, azureml: AzureML, running: Emulator, endpoint: str, model: str, trained: str
    ) -> None:
        job = azureml.job(trained)
        assert job is not None
        environment = azureml.register_environment(str(job.best_child))
        spec = DeploymentSpec(endpoint, "m1-a1", model, "small:1", mode="script", environment=environment)
        azureml.begin_deployment(replace(spec, code=azureml.register_code(), threshold=7.0))
        found = until(
            lambda: azureml.deployment(endpoint, "m1-a1"), lambda d: d is not None and d.state == "Failed"
        )
        assert found is not None
        assert "DROPML_THRESHOLD is '7.0'" in found.error
        assert azureml.logs(endpoint, "m1-a1")

    def test_a_service_that_asks_for_an_hour_s_wait_is_told_at_once(
        self, azureml: AzureML, running: Emulator, slug: str
    ) -> None:
        """Through the SDK: its own policy would have slept for the hour, inside a tick."""
        fault: dict[str, object] = {"action": "status", "path": f"/onlineEndpoints/{slug}", "method": "PUT"}
        fault |= {"status": 429, "headers": {"Retry-After": "3600"}}
        running.call("POST", "/_emulator/faults", fault)
        try:
            with pytest.raises(Transient):
                azureml.begin_endpoint(slug, "a test's", {})
        finally:
            running.call("DELETE", "/_emulator/faults")


class TestMemoryPipelines(PipelinesContract):
    @pytest.fixture
    def azureml(self) -> AzureML:
        return MemoryAzureML()

    @pytest.fixture
    def pipelines(self, azureml: AzureML) -> Pipelines:
        assert isinstance(azureml, MemoryAzureML)
        return MemoryPipelines(azureml)

    @pytest.fixture
    def folder(self) -> str:
        return "bank/one/train"


@pytest.mark.filterwarnings("ignore")
class TestEmulatedPipelines(PipelinesContract):
    @pytest.fixture
    def azureml(self, adapter: AzureMLAdapter) -> AzureML:
        return adapter

    @pytest.fixture
    def pipelines(self, adapter: AzureMLAdapter) -> Pipelines:
        return PipelinesAdapter(adapter.settings, adapter, adapter.arm)

    @pytest.fixture
    def folder(self) -> str:
        return "bank/one/train"


class TestPreflightAgainstTheEmulator:
    """What is asked before a job is begun, in the service's own shape."""

    def looked(self, adapter: AzureMLAdapter, compute: str) -> Compute:
        place = Place(adapter.settings.workspace_id, adapter.settings.azure_subscription_id, compute)
        found = Preflight(adapter.arm, place, 300, lambda *_, **__: None).look()
        assert found is not None
        return found

    def test_the_cluster_its_size_and_the_quota_of_its_family_are_told(
        self, adapter: AzureMLAdapter, running: Emulator
    ) -> None:
        found = self.looked(adapter, "cpu-cluster")
        assert (found.exists, found.state, found.nodes, found.hourly) == (True, "Succeeded", 2, None)
        assert found.vcpus > 0
        assert found.quota is not None
        assert missing(found) is None
        limits = {found.family: found.vcpus - 1}
        assert running.call("PUT", "/_emulator/quota", limits).status_code == 204
        scarce = missing(self.looked(adapter, "cpu-cluster"))
        assert running.call("PUT", "/_emulator/quota", {}).status_code == 204
        assert scarce is not None
        assert scarce.code == "quota-missing"

    def test_one_that_is_not_there_is_told(self, adapter: AzureMLAdapter) -> None:
        held = missing(self.looked(adapter, "no-such-cluster"))
        assert held is not None
        assert held.code == "compute-missing"

    def test_serverless_compute_is_taken_as_it_is(self, adapter: AzureMLAdapter) -> None:
        assert self.looked(adapter, "") == Compute("")
