"""Environments as a resource, and what is said where they can't be built."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.storage.blob import BlobServiceClient, ContainerClient

from dropml.azureml.assets.environments import differing
from tests.support.emulator_sdk import client
from tests.support.emulator_support import WS, Emulator, emulator, no_schema_download, sdk_environment

CONDA = {
    "channels": ["conda-forge"],
    "dependencies": ["python=3.9", {"pip": ["scikit-learn==0.23.2", "no-such-package", "psutil"]}],
}
IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04"
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, azurite: str) -> Iterator[Emulator]:
    with emulator(tmp_path_factory.mktemp("emulator"), azurite) as found:
        yield found


@pytest.fixture(scope="module")
def ml(running: Emulator) -> Iterator[Any]:
    with sdk_environment(running), no_schema_download():
        yield client()


def test_an_environment_is_registered_listed_found_and_archived(ml: Any) -> None:
    from azure.ai.ml.entities import Environment

    made = ml.environments.create_or_update(Environment(name="mine", image=IMAGE, conda_file=CONDA))
    assert (made.name, made.version, made.image) == ("mine", "1", IMAGE)
    found = ml.environments.get("mine", label="latest")
    assert found.conda_file["dependencies"] == CONDA["dependencies"]
    ml.environments.create_or_update(Environment(name="mine", version="2", image=IMAGE, description="d"))
    assert [e.version for e in ml.environments.list("mine")] == ["2", "1"]
    assert "mine" in [e.name for e in ml.environments.list()]
    ml.environments.archive("mine", version="2")
    assert [e.version for e in ml.environments.list("mine")] == ["1"]


@pytest.mark.parametrize(
    ("dependencies", "told"),
    [
        (None, None),
        ("numpy", None),
        ({"pip": ["no-such-package"]}, None),
        (["python=3.9", {"pip": "no-such-package"}, {"pip": None}, {"conda": 1}, None, 5], None),
        (
            [{"pip": ["git+https://example.com/x", "https://example.com/a.whl", "-r more.txt", "./b.whl"]}],
            None,
        ),
        ([{"pip": ["numpy==0.*", "numpy>=0.1,<99", "numpy @ https://example.com/n.whl"]}], None),
        ([{"pip": ["numpy [dev] == 0.1 ; python_version < '4'"]}], "numpy 0.1 ("),
        ([{"pip": ["no-such-package~=1.0", "numpy===0.1"]}], "no-such-package (not installed), numpy 0.1 ("),
    ],
)
def test_a_conda_file_of_any_shape_is_read_for_the_log(dependencies: Any, told: str | None) -> None:
    found = differing(yaml.safe_dump({"name": "x", "dependencies": dependencies}))
    assert len(found) == (told is not None)
    assert (told or "") in "".join(found)


@pytest.mark.parametrize(
    ("name", "properties"),
    [
        ("AzureML-own", {"image": IMAGE}),
        ("nothing", {}),
        ("both", {"image": IMAGE, "build": {"contextUri": "https://x/y"}}),
        ("yaml", {"image": IMAGE, "condaFile": "a: [b"}),
        ("mapping", {"image": IMAGE, "condaFile": {"dependencies": ["numpy"]}}),
    ],
)
def test_an_environment_that_the_service_refuses_is_refused(
    running: Emulator, name: str, properties: dict[str, Any]
) -> None:
    answer = running.arm("PUT", f"/environments/{name}/versions/1", {"properties": properties})
    assert answer.status_code == 400, answer.text


def test_a_changed_environment_without_a_version_is_the_next_version(ml: Any, running: Emulator) -> None:
    from azure.ai.ml.entities import Environment

    made = [
        ml.environments.create_or_update(Environment(name="grows", image=i)).version for i in "aab"
    ]  # the latest version is tried first: 409 has azure-ai-ml take the next one
    assert made == ["1", "1", "2"]
    kept = {"properties": {"image": "another"}}
    answer = running.arm("PUT", "/environments/grows/versions/1", kept)
    assert (answer.status_code, "already exists" in answer.text) == (409, True)


def test_a_whole_environment_is_archived_and_restored_but_none_of_the_services(
    ml: Any, running: Emulator
) -> None:
    from azure.ai.ml.entities import Environment

    ml.environments.create_or_update(Environment(name="whole", image=IMAGE))
    ml.environments.archive("whole")
    assert "whole" not in [e.name for e in ml.environments.list()]
    ml.environments.restore("whole")
    assert "whole" in [e.name for e in ml.environments.list()]
    archived = {"properties": {"isArchived": True}}
    assert running.arm("PUT", "/environments/AzureML-sklearn-1.5", archived).status_code == 400


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ("azureml:nope:4", "name: nope, version: 4, label: "),
        ("azureml:nope@latest", "name: nope, version: , label: latest"),
        (f"{WS}/environments/nope/versions/4", "name: nope, version: 4, label: "),
        (f"{WS}/environments/nope/labels/new", "name: nope, version: , label: new"),
        ("nope", "name: nope, version: , label: "),
        (4, None),
    ],
)
def test_an_environment_that_is_not_there_is_refused_by_jobs_and_components(
    running: Emulator, environment: Any, told: str | None
) -> None:
    sentence = f"No environment exists for {told}" if told else "must be named as azureml:NAME:VERSION"
    job = {"jobType": "Command", "command": "true", "environmentId": environment}
    spec = {"componentSpec": {"type": "command", "command": "true", "environment": environment}}
    for path, properties in (("/jobs/refused", job), ("/components/refused/versions/1", spec)):
        answer = running.arm("PUT", path, {"properties": properties})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "UserError")
        assert sentence in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "environment",
    [
        "azureml:gone:1",
        "azureml:gone@latest",
        f"{WS}/environments/gone/labels/latest",
        "azureml:AzureML-sklearn-1.5@latest",
        "azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
    ],
)
def test_a_pipelines_node_takes_an_environment_for_as_long_as_it_is_there(
    running: Emulator, environment: str
) -> None:
    running.arm("PUT", "/environments/gone/versions/1", {"properties": {"image": IMAGE}})
    spec = {"type": "command", "command": "true", "environment": environment}
    name = f"c{abs(hash(environment))}"
    made = running.arm("PUT", f"/components/{name}/versions/1", {"properties": {"componentSpec": spec}})
    assert made.status_code == 201, made.text
    nodes = {"a": {"type": "command", "componentId": made.json()["id"]}}
    body = {"properties": {"jobType": "Pipeline", "jobs": nodes}}
    assert running.arm("PUT", f"/jobs/{name}-1", body).status_code == 201
    assert running.wait_job(f"{name}-1") == "Completed"
    running.arm("DELETE", "/environments/gone/versions/1")
    assert running.arm("PUT", f"/jobs/{name}-2", body).status_code == (400 if "gone" in environment else 201)


def test_an_inline_environment_is_kept_with_its_job_whose_log_says_what_is_missing_here(
    ml: Any, running: Emulator
) -> None:
    from azure.ai.ml import command
    from azure.ai.ml.entities import Environment

    job = command(
        name="inline",
        command="echo done",
        environment=Environment(image=IMAGE, conda_file=CONDA),
        compute="cpu-cluster",
    )
    submitted = ml.jobs.create_or_update(job)
    assert "CliV2AnonymousEnvironment" in submitted.environment
    name, _, version = (
        submitted.environment.removeprefix("azureml:").rpartition("/environments/")[2].partition("/versions/")
    )
    name, version = (name, version) if version else tuple(name.split(":"))
    assert ml.environments.get(name, version).image == IMAGE
    assert running.wait_job("inline") == "Completed"
    logs = running.history("runs/inline/details")["logFiles"]
    log = running.call("GET", logs["azureml-logs/20_image_build_log.txt"]).text
    assert "isn't built here" in log
    assert "scikit-learn 0.23.2 (" in log
    assert "no-such-package (not installed)" in log
    assert "psutil" not in log
    assert running.call("GET", logs["user_logs/std_log.txt"]).text.strip() == "done"


def test_every_answer_carries_the_resource_managers_headers(running: Emulator) -> None:
    asked = "11111111-2222-3333-4444-555555555555"
    for path, status in (("/jobs", 200), ("/jobs/none", 404)):
        answer = running.arm("GET", path, headers={"x-ms-correlation-request-id": asked})
        assert answer.status_code == status
        assert answer.headers["x-ms-correlation-request-id"] == asked
        assert answer.headers["x-ms-routing-request-id"].startswith("WESTEUROPE:")
        assert float(answer.headers["x-request-time"]) >= 0
    first, second = (running.arm("GET", "/jobs").headers["x-ms-correlation-request-id"] for _ in range(2))
    assert first != second


def test_a_data_container_that_nobody_described_answers_null(running: Emulator) -> None:
    running.arm(
        "PUT", "/data/d/versions/1", {"properties": {"dataType": "uri_file", "dataUri": "https://e.org/a"}}
    )
    found = running.properties("/data/d")
    assert (found["tags"], found["properties"], found["description"]) == (None, None, None)


def test_an_upload_signed_with_the_accounts_key_is_taken_and_a_forged_one_refused(
    running: Emulator, ml: Any, tmp_path: Path
) -> None:
    from azure.core.exceptions import ClientAuthenticationError

    store = running.properties("/datastores/workspaceblobstore")
    key = running.arm("POST", "/datastores/workspaceblobstore/listSecrets", api="2022-05-01").json()["key"]
    url = f"https://{store['accountName']}.blob.{store['endpoint']}"
    with BlobServiceClient(url, credential=key) as service:
        blob = service.get_blob_client(store["containerName"], "LocalUpload/a b+c.txt")
        blob.upload_blob(b"content", overwrite=True, metadata={"name": "x"})
        assert blob.download_blob().readall() == b"content"
        listed = service.get_container_client(store["containerName"]).list_blobs(
            name_starts_with="LocalUpload/a b"
        )
        assert [b.name for b in listed] == ["LocalUpload/a b+c.txt"]
    wrong = key[:10] + ("A" if key[10] != "A" else "B") + key[11:]
    with (
        BlobServiceClient(url, credential=wrong, retry_total=0) as service,
        pytest.raises(ClientAuthenticationError),
    ):
        service.get_blob_client(store["containerName"], "LocalUpload/a b+c.txt").download_blob()


@pytest.mark.usefixtures("ml")  # whose environment has clients trust the emulator's certificate
def test_a_datastores_files_are_reached_by_clients_of_the_data_plane(running: Emulator, azurite: str) -> None:
    """As mltable does: what opens the datastore first, then a list below a prefix that names the container, too."""
    described = running.call("GET", f"/datastore/v1.0{WS}/datastores/workspaceblobstore").json()
    section = described["azureStorageSection"]
    assert (described["dataStoreType"], section["credentialType"]) == ("AzureBlob", "AccountKey")
    own = f"https://{section['accountName']}.blob.{section['endpoint']}"
    with BlobServiceClient(own, credential=section["accountKey"]) as service:
        service.get_blob_client(section["containerName"], "listed/a.txt").upload_blob(b"a", overwrite=True)
    url, _, host = own.rpartition("/")
    credential = {
        "account_name": url.removeprefix("https://").partition("/")[0],
        "account_key": section["accountKey"],
    }
    with ContainerClient(url.rpartition("/")[0], "_storage", credential=credential) as mistaken:
        prefix = f"{host}/{section['containerName']}/listed/"
        assert [b.name for b in mistaken.list_blobs(name_starts_with=prefix)] == [f"{prefix}a.txt"]
    missing = running.call("GET", f"/datastore/v1.0{WS}/datastores/none")
    assert (missing.status_code, "none" in missing.text) == (404, True)
