"""What strangers' programs count on: outputs become assets and go where they are sent, curated environments are there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.storage.blob import BlobSasPermissions, BlobServiceClient, generate_blob_sas

from tests.support.emulator_support import Emulator, emulator, eventually

ANY = "azureml:AzureML-any:1"
HERE = "azureml://datastores/workspaceblobstore/paths/own"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, azurite: str) -> Iterator[Emulator]:
    folder = tmp_path_factory.mktemp("emulator")
    with emulator(folder, azurite, "--operation-seconds", "0.1", "--max-nodes", "2") as found:
        yield found


def run(running: Emulator, name: str, kind: str = "uri_folder", code: int = 0, **output: Any) -> str:
    """A job that writes one file; how it ends."""
    properties = {
        "jobType": "Command",
        "command": f"echo made > ${{{{outputs.o}}}}/made.txt; exit {code}",
        "environmentId": ANY,
        "outputs": {"o": {"jobOutputType": kind, **output}},
    }
    assert running.arm("PUT", f"/jobs/{name}", {"properties": properties}).status_code == 201
    return running.wait_job(name)


def test_a_named_output_is_a_version_of_data_at_its_place(running: Emulator) -> None:
    assert run(running, "first", assetName="made") == "Completed"
    assert (
        run(running, "second", assetName="made", assetVersion="7", uri=f"{HERE}/${{{{name}}}}/")
        == "Completed"
    )
    assert running.properties("/data/made/versions/1")["dataUri"].endswith("/paths/azureml/first/o/")
    assert running.properties("/data/made/versions/7")["dataUri"].endswith("/paths/own/second/")
    assert running.properties("/data/made")["latestVersion"] == "7"


def test_a_model_is_registered_with_its_files_and_its_job(running: Emulator) -> None:
    assert run(running, "model", "custom_model", assetName="made-model") == "Completed"
    found = running.properties("/models/made-model/versions/1")
    assert (found["modelType"], found["jobName"]) == ("custom_model", "model")
    assert (running.folder / "models" / "made-model" / "1" / "made.txt").read_text() == "made\n"


def test_another_job_reads_where_the_output_was_sent(running: Emulator, azurite: str) -> None:
    assert run(running, "sent", uri=f"{HERE}/sent") == "Completed"
    container = running.arm("GET", "/datastores/workspaceblobstore").json()["properties"]["containerName"]
    with BlobServiceClient.from_connection_string(azurite) as service:
        there = service.get_blob_client(container, "own/sent/made.txt")
        assert there.download_blob().readall() == b"made\n"
        there.close()
    properties = {
        "jobType": "Command",
        "command": "grep made ${{inputs.i}}/made.txt",
        "environmentId": ANY,
        "inputs": {"i": {"jobInputType": "uri_folder", "uri": "azureml://jobs/sent/outputs/o"}},
    }
    running.arm("PUT", "/jobs/reads", {"properties": properties})
    assert running.wait_job("reads") == "Completed"


@pytest.mark.parametrize(
    ("name", "output", "sentence"),
    [
        ("taken", {"assetName": "fixed", "assetVersion": "1"}, "can't be registered as fixed: Asset paths"),
        ("nowhere", {"uri": "azureml://datastores/nowhere/paths/x"}, "Could not find datastore: nowhere"),
        ("no-place", {"uri": "/dev/null"}, "'o' can't be written to /dev/null: a datastore's path is needed"),
    ],
)
def test_an_output_that_can_not_be_kept_fails_its_job_in_words(
    running: Emulator, name: str, output: dict[str, Any], sentence: str
) -> None:
    fixed = {"properties": {"dataType": "uri_file", "dataUri": "https://example.org/a"}}
    running.arm("PUT", "/data/fixed/versions/1", fixed)
    assert run(running, name, **output) == "Failed"
    assert sentence in running.history(f"runs/{name}")["error"]["error"]["message"]


def test_a_job_that_fails_registers_nothing(running: Emulator) -> None:
    assert run(running, "fails", code=3, assetName="never") == "Failed"
    assert running.arm("GET", "/data/never").status_code == 404


def test_run_history_names_types_of_outputs_as_the_service(running: Emulator) -> None:
    run(running, "typed")
    assert running.history("runs/typed")["outputs"]["o"]["type"] == "UriFolder"
    assert running.history("runs/typed/serviceinstances/0") == {"instances": {}}


def test_a_component_without_a_version_is_its_latest(running: Emulator) -> None:
    for version, text in (("1", "echo old"), ("2", "echo new")):
        spec = {"type": "command", "command": text, "environment": ANY, "name": "said"}
        running.arm("PUT", f"/components/said/versions/{version}", {"properties": {"componentSpec": spec}})
    found = running.properties("/components/said/versions/azureml_default")["componentSpec"]
    assert (found["version"], found["command"]) == ("2", "echo new")
    assert running.arm("GET", "/components/unsaid/versions/azureml_default").status_code == 404


def test_the_services_own_environments_are_there(running: Emulator) -> None:
    name = "AzureML-sklearn-1.5"
    assert running.properties(f"/environments/{name}")["latestVersion"] == "1"
    (latest,) = running.arm("GET", f"/environments/{name}/versions").json()["value"]
    assert latest["name"] == "1"
    found = running.properties(f"/environments/{name}/versions/21")
    image = "mcr.microsoft.com/azureml/curated/sklearn-1.5:21"
    assert (found["environmentType"], found["image"]) == ("Curated", image)
    assert running.arm("GET", "/environments/sklearn-1.5").status_code == 404


def test_a_region_offers_sizes_and_cores(running: Emulator) -> None:
    place = "/subscriptions/00000000-0000-0000-0000-000000000001/providers/Microsoft.MachineLearningServices/locations/x"
    sizes = running.call("GET", f"{place}/vmSizes?api-version=2023-08-01-preview").json()["value"]
    assert {"name": "Standard_DS3_V2", "vCPUs": 4, "memoryGB": 14.0}.items() <= sizes[2].items()
    usages = f"{place}/usages?api-version=2023-08-01-preview"
    cores = {u["name"]["value"]: u["limit"] for u in running.call("GET", usages).json()["value"]}
    family = "Standard DSv2 Family Cluster Dedicated vCPUs"
    assert cores[family] == 28, "those of the cluster's one node beside those that nobody uses"
    assert running.call("PUT", "/_emulator/quota", {"standardDSv2Family": 2}).status_code == 204
    found = running.call("GET", usages).json()["value"]
    assert next(u["limit"] for u in found if u["name"]["value"] == family) == 2
    assert running.arm("GET", "/connections").json() == {"value": []}
    assert running.arm("POST", "/listKeys").status_code == 200


@pytest.mark.parametrize(
    ("audience", "status"), [("https://storage.azure.com/", 200), ("https://ml.azure.com", 403)]
)
def test_storage_takes_a_token_that_is_for_it(
    running: Emulator, audience: str, status: int, tmp_path: Path
) -> None:
    store = running.arm("GET", "/datastores/workspaceblobstore").json()["properties"]
    url = f"https://{store['accountName']}.blob.core.windows.net/{store['containerName']}"
    headers = {"Authorization": f"Bearer {running.token(audience)}", "x-ms-version": "2021-12-02"}
    answer = requests.get(
        f"{url}?restype=container&comp=list",
        headers=headers,
        verify=str(running.folder / "ca.pem"),
        timeout=30,
    )
    assert answer.status_code == status


def blob_sas(running: Emulator, key: str, blob: str, **more: Any) -> str:
    """The address that a client makes of what the datastore tells, signed with what it takes for the account's key."""
    store = running.arm("GET", "/datastores/workspaceartifactstore").json()["properties"]
    account, container = store["accountName"], store["containerName"]
    how = {
        "permission": BlobSasPermissions(read=True),
        "expiry": datetime.now(UTC) + timedelta(minutes=5),
        **more,
    }
    token = generate_blob_sas(account, container, blob, account_key=key, **how)
    return f"https://{account}.blob.core.windows.net/{container}/{blob}?{token}"


def test_a_blob_opens_with_a_signature_of_the_secret_that_its_datastore_gave(running: Emulator) -> None:
    assert run(running, "logged") == "Completed"
    blob = "ExperimentRun/dcid.logged/user_logs/std_log.txt"
    path = "/datastores/workspaceartifactstore/listSecrets"
    key = running.arm("POST", path, {}).json()["key"]
    token = running.arm("POST", path, {"expirableSecret": True}).json()["sasToken"]

    def status(*words: Any, **more: Any) -> int:
        address = blob_sas(running, *words, **more)
        answer = requests.get(address, verify=str(running.folder / "ca.pem"), timeout=30)
        return answer.status_code

    past = datetime.now(UTC) - timedelta(minutes=1)
    writes = BlobSasPermissions(write=True)
    assert (status(key, blob), status(token, blob)) == (200, 200)
    assert status("bm9ib2R5J3M=", blob) == 403
    assert status(key, blob, expiry=past) == 403
    assert status(key, blob, permission=writes) == 403


def test_the_log_of_a_job_can_be_read_from_storage_while_it_runs(running: Emulator) -> None:
    properties = {"jobType": "Command", "command": "echo said; sleep 100", "environmentId": ANY}
    running.arm("PUT", "/jobs/talks", {"properties": properties})
    key = running.arm("POST", "/datastores/workspaceartifactstore/listSecrets", {}).json()["key"]
    address = blob_sas(running, key, "ExperimentRun/dcid.talks/user_logs/std_log.txt")

    def said() -> str:
        running.history("runs/talks/details")
        return requests.get(address, verify=str(running.folder / "ca.pem"), timeout=30).text

    eventually(lambda: said() == "said\n", what="the log in storage")
    running.arm("POST", "/jobs/talks/cancel")
    assert running.wait_job("talks") == "Canceled"
