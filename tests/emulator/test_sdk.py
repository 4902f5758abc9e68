"""The real azure-ai-ml, with the real DefaultAzureCredential, against the emulator: only environment variables differ."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.emulator_sdk import client, quick, register_table, sdk_emulator
from tests.support.emulator_support import MLTABLE, Emulator, eventually, table

ROWS = {
    "input_data": {
        "columns": ["age", "balance", "job"],
        "index": [0, 1],
        "data": [[65, 800, "student"], [20, 0, "admin"]],
    }
}
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, azurite: str) -> Iterator[Emulator]:
    with sdk_emulator(tmp_path_factory.mktemp("emulator"), azurite, "emulator-sdk") as found:
        yield found


@pytest.fixture(scope="module")
def ml(running: Emulator) -> Any:
    return client()


@pytest.fixture(scope="module")
def data(ml: Any) -> Any:
    return register_table(ml)


@pytest.fixture(scope="module")
def trained(ml: Any, data: Any, running: Emulator) -> Any:
    """A finished AutoML job, really trained."""
    from azure.ai.ml import Input, automl

    job = quick(
        automl.classification(
            training_data=Input(type="mltable", path="azureml:bank:1"),
            target_column_name="y",
            primary_metric="AUC_weighted",
            compute="cpu-cluster",
            n_cross_validations=3,
            name="bank-1-a1",
            experiment_name="bank",
            tags={"source": "blob"},
        )
    )
    submitted = ml.jobs.create_or_update(job)
    assert submitted.status == "NotStarted"
    assert running.wait_job("bank-1-a1") == "Completed"
    return ml.jobs.get("bank-1-a1")


@pytest.fixture(scope="module")
def model(ml: Any, trained: Any) -> Any:
    from azure.ai.ml.entities import Model

    best = trained.tags["automl_best_child_run_id"]
    path = f"azureml://jobs/{best}/outputs/artifacts/paths/outputs/mlflow-model/"
    return ml.models.create_or_update(Model(name="bank", version="1", type="mlflow_model", path=path))


@pytest.fixture(scope="module")
def endpoint(ml: Any, model: Any) -> Any:
    """A Succeeded endpoint with one deployment that takes all traffic."""
    from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint, OnlineRequestSettings

    made = ml.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name="bank-ep", auth_mode="key", tags={"a": "b"})
    ).result()
    deployment = ml.online_deployments.begin_create_or_update(
        ManagedOnlineDeployment(
            name="m1-a1",
            endpoint_name="bank-ep",
            model="azureml:bank:1",
            instance_type="Standard_D2as_v4",
            instance_count=1,
            app_insights_enabled=True,
            request_settings=OnlineRequestSettings(request_timeout_ms=90000),
        )
    ).result()
    assert deployment.provisioning_state == "Succeeded"
    made.traffic = {"m1-a1": 100}
    return ml.online_endpoints.begin_create_or_update(made).result()


def test_the_workspace_is_found_with_its_tracking_and_place(ml: Any, running: Emulator) -> None:
    found = ml.workspaces.get("dropml-local")
    assert found.location == "westeurope"
    assert found.mlflow_tracking_uri.startswith(
        f"azureml://localhost:{running.port}/mlflow/v1.0/subscriptions/"
    )
    assert [w.name for w in ml.workspaces.list()] == ["dropml-local"]


def test_data_of_every_kind_is_registered_and_found_again(ml: Any, data: Any) -> None:
    from azure.ai.ml.entities import Data

    url = Data(
        name="titanic",
        version="1",
        type="uri_file",
        path="https://example.org/train.csv",
        tags={"etag": "0x8"},
    )
    assert ml.data.create_or_update(url).path == "https://example.org/train.csv"
    folder = Data(name="f", version="1", type="uri_folder", path="azureml://datastores/data/paths/bank")
    assert ml.data.create_or_update(folder).path.endswith("/datastores/data/paths/bank/")
    unversioned = Data(name="auto", type="uri_file", path="https://example.org/train.csv")
    assert [ml.data.create_or_update(unversioned).version for _ in range(2)] == ["1", "2"]
    assert ml.data.get("auto", label="latest").version == "2"
    assert ml.data.get("bank", "1").path == data.path
    assert {d.name for d in ml.data.list()} >= {"bank", "titanic", "f", "auto"}
    ml.data.archive("auto", version="1")
    assert [d.version for d in ml.data.list("auto")] == ["2"]


def test_a_local_folder_is_uploaded_through_the_datastore(ml: Any, tmp_path: Path, azurite: str) -> None:
    from azure.ai.ml.entities import Data
    from azure.storage.blob import BlobServiceClient

    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "MLTable").write_text(MLTABLE)
    (tmp_path / "train" / "data.csv").write_text(table(60))
    asset = Data(
        name="uploaded", version="1", type="mltable", path=str(tmp_path / "train"), skip_validation=True
    )
    made = ml.data.create_or_update(asset)
    path = made.path.partition("/paths/")[2]
    container = ml.datastores.get_default().container_name
    with BlobServiceClient.from_connection_string(azurite) as service:
        blobs = {b.name for b in service.get_container_client(container).list_blobs(name_starts_with=path)}
    assert {f"{path}MLTable", f"{path}data.csv"} <= blobs


def test_an_automl_job_is_followed_to_its_best_child(ml: Any, trained: Any, running: Emulator) -> None:
    assert trained.status == "Completed"
    assert trained.tags["source"] == "blob"
    best = trained.tags["automl_best_child_run_id"]
    assert best == "bank-1-a1_0"
    children = list(ml.jobs.list(parent_job_name="bank-1-a1"))
    assert [c.name for c in children] == [best]
    assert children[0].properties["run_algorithm"] == "LogisticRegression"
    assert ml.jobs.get(best).status == "Completed"
    metrics = {
        m["key"]: m["value"] for m in running.mlflow("runs/get", run_id=best)["run"]["data"]["metrics"]
    }
    assert metrics["AUC_weighted"] > 0.8
    assert "bank-1-a1" in [j.name for j in ml.jobs.list()]


def test_a_fetched_jobs_tags_are_changed_through_run_history(ml: Any, trained: Any) -> None:
    fetched = ml.jobs.get("bank-1-a1")
    fetched.tags["registered"] = "bank:1"
    ml.jobs.create_or_update(fetched)
    assert ml.jobs.get("bank-1-a1").tags["registered"] == "bank:1"


def test_a_running_job_is_cancelled(ml: Any, data: Any, running: Emulator) -> None:
    from azure.ai.ml import Input, automl

    job = automl.classification(
        training_data=Input(type="mltable", path="azureml:bank:1"),
        target_column_name="y",
        compute="cpu-cluster",
    )
    job.set_limits(timeout_minutes=5, max_trials=20)
    name = ml.jobs.create_or_update(job).name
    eventually(lambda: running.status(name) == "Running", what="the job to run")
    ml.jobs.begin_cancel(name).result()
    assert ml.jobs.get(name).status == "Canceled"


def test_a_missing_job_is_resource_not_found(ml: Any) -> None:
    from azure.core.exceptions import ResourceNotFoundError

    with pytest.raises(ResourceNotFoundError, match="Job nope not found"):
        ml.jobs.get("nope")


def test_a_model_is_registered_from_the_best_child(ml: Any, model: Any, trained: Any) -> None:
    from azure.ai.ml.entities import Model

    assert set(model.flavors) == {"python_function", "sklearn"}
    path = f"azureml://jobs/{trained.tags['automl_best_child_run_id']}/outputs/artifacts/paths/outputs/mlflow-model/"
    second = ml.models.create_or_update(Model(name="bank2", type="mlflow_model", path=path))
    assert second.version == "1"
    assert [m.version for m in ml.models.list("bank")] == ["1"]
    assert ml.models.get("bank", label="latest").version == "1"


def test_an_endpoint_scores_with_its_key_and_refuses_without(ml: Any, endpoint: Any) -> None:
    assert endpoint.provisioning_state == "Succeeded"
    assert endpoint.traffic == {"m1-a1": 100}
    keys = ml.online_endpoints.get_keys("bank-ep")
    headers = {"Authorization": f"Bearer {keys.primary_key}"}
    answer = requests.post(endpoint.scoring_uri, json=ROWS, headers=headers, timeout=10)
    assert answer.json() == ["yes", "no"]
    assert answer.headers["azureml-model-deployment"] == "m1-a1"
    wrong = requests.post(endpoint.scoring_uri, json=ROWS, headers={"Authorization": "Bearer no"}, timeout=10)
    assert wrong.status_code == 401
    assert "bank:1" in ml.online_deployments.get_logs("m1-a1", "bank-ep", lines=50)
    assert [e.name for e in ml.online_endpoints.list()] == ["bank-ep"]
    assert [d.name for d in ml.online_deployments.list("bank-ep")] == ["m1-a1"]


def test_the_sdk_invokes_the_endpoint(ml: Any, endpoint: Any, tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    file.write_text(json.dumps(ROWS))
    assert json.loads(ml.online_endpoints.invoke("bank-ep", request_file=str(file))) == ["yes", "no"]


def test_regenerating_a_key_ends_the_old_one_and_spares_the_other(ml: Any, endpoint: Any) -> None:
    before = ml.online_endpoints.get_keys("bank-ep")
    ml.online_endpoints.begin_regenerate_keys("bank-ep", key_type="secondary").result()
    after = ml.online_endpoints.get_keys("bank-ep")
    assert after.primary_key == before.primary_key
    assert after.secondary_key != before.secondary_key
    codes = [
        requests.post(
            endpoint.scoring_uri, json=ROWS, headers={"Authorization": f"Bearer {key}"}, timeout=10
        ).status_code
        for key in (before.secondary_key, after.secondary_key, after.primary_key)
    ]
    assert codes == [401, 200, 200]


def test_a_deployment_with_traffic_stays_and_without_goes(ml: Any, endpoint: Any) -> None:
    from azure.ai.ml.entities import ManagedOnlineDeployment
    from azure.core.exceptions import HttpResponseError

    with pytest.raises(HttpResponseError, match="100 percent"):
        ml.online_deployments.begin_delete("m1-a1", "bank-ep")
    ml.online_deployments.begin_create_or_update(
        ManagedOnlineDeployment(
            name="m2-a1", endpoint_name="bank-ep", model="azureml:bank:1", instance_type="Standard_D2as_v4"
        )
    ).result()
    ml.online_deployments.begin_delete("m2-a1", "bank-ep").result()
    assert [d.name for d in ml.online_deployments.list("bank-ep")] == ["m1-a1"]
