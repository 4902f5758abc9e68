"""Train, register, deploy and score with Azure Machine Learning.

Written for the real service. Set AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP and AZUREML_WORKSPACE; to run it against
the emulator, nothing but environment variables: docs/emulator.md.

    python samples/azureml_quickstart.py data.csv label_column
"""

from __future__ import annotations

import csv
import os
import sys
import tempfile
import time
from pathlib import Path

import requests
from azure.ai.ml import Input, MLClient, automl
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import (
    Data,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
    OnlineRequestSettings,
)
from azure.identity import DefaultAzureCredential

MLTABLE = """type: mltable
paths:
  - file: ./data.csv
transformations:
  - read_delimited:
      delimiter: ','
      encoding: utf8
      header: all_files_same_headers
"""


def main(path: Path, label: str) -> None:
    ml = MLClient(
        DefaultAzureCredential(),
        os.environ["AZURE_SUBSCRIPTION_ID"],
        os.environ["AZURE_RESOURCE_GROUP"],
        os.environ["AZUREML_WORKSPACE"],
    )
    # Endpoint names are unique in a region; a job's name is used once.
    tag = f"{int(time.time()):x}"

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "MLTable").write_text(MLTABLE)
        Path(folder, "data.csv").write_text(path.read_text())
        data = ml.data.create_or_update(
            Data(name=f"quickstart-{tag}", version="1", type="mltable", path=folder)
        )
    print("data", data.path)

    job = automl.classification(
        training_data=Input(type=AssetTypes.MLTABLE, path=f"azureml:{data.name}:{data.version}"),
        target_column_name=label,
        primary_metric="AUC_weighted",
        compute=os.environ.get("AZUREML_COMPUTE", "cpu-cluster"),
        experiment_name="quickstart",
    )
    minutes = int(os.environ.get("MINUTES", "30"))
    job.set_limits(
        timeout_minutes=minutes, trial_timeout_minutes=minutes, max_trials=int(os.environ.get("TRIALS", "5"))
    )
    job = ml.jobs.create_or_update(job)
    ml.jobs.stream(job.name)
    best = ml.jobs.get(job.name).tags["automl_best_child_run_id"]
    print("best child", best)

    model = ml.models.create_or_update(
        Model(
            name=f"quickstart-{tag}",
            version="1",
            type=AssetTypes.MLFLOW_MODEL,
            path=f"azureml://jobs/{best}/outputs/artifacts/paths/outputs/mlflow-model/",
        )
    )

    endpoint = ml.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name=f"quickstart-{tag}", auth_mode="key")
    ).result()
    ml.online_deployments.begin_create_or_update(
        ManagedOnlineDeployment(
            name="blue",
            endpoint_name=endpoint.name,
            model=model.id,
            instance_type="Standard_D2as_v4",
            instance_count=1,
            app_insights_enabled=True,
            request_settings=OnlineRequestSettings(request_timeout_ms=90_000),
        )
    ).result()
    endpoint.traffic = {"blue": 100}
    endpoint = ml.online_endpoints.begin_create_or_update(endpoint).result()
    print("endpoint", endpoint.scoring_uri)

    with path.open(newline="") as file:
        rows = [row for row, _ in zip(csv.DictReader(file), range(2), strict=False)]
    columns = [name for name in rows[0] if name != label]
    cells = [[_value(row[name]) for name in columns] for row in rows]
    answer = requests.post(
        endpoint.scoring_uri,
        json={"input_data": {"columns": columns, "index": list(range(len(cells))), "data": cells}},
        headers={"Authorization": f"Bearer {ml.online_endpoints.get_keys(endpoint.name).primary_key}"},
        timeout=60,
    )
    answer.raise_for_status()
    print("labels", answer.json())

    # A deployment costs money for as long as it stands.
    ml.online_endpoints.begin_delete(endpoint.name).result()


def _value(text: str) -> float | int | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
