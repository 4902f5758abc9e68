"""Track training runs with MLflow in Azure Machine Learning, register the best one's model, serve it without a script.

Written for the real service. Set AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP and AZUREML_WORKSPACE; to run it against
the emulator, nothing but environment variables: docs/emulator.md.

    pip install azure-ai-ml azureml-mlflow scikit-learn pandas
    python samples/mlflow_tracking.py
"""

from __future__ import annotations

import os
import time

import mlflow
import requests
from azure.ai.ml import MLClient
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint, Model
from azure.identity import DefaultAzureCredential
from mlflow.models import infer_signature
from sklearn.datasets import load_iris
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier


def train(depth: int) -> None:
    """One tracked run: parameters, a metric for each step, a note, the model with its signature."""
    x, y = load_iris(return_X_y=True, as_frame=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=0, stratify=y)
    with mlflow.start_run(run_name=f"depth-{depth}"):
        mlflow.log_param("depth", depth)
        for leaves in (2, 4, 8):
            model = DecisionTreeClassifier(max_depth=depth, max_leaf_nodes=leaves, random_state=0)
            model.fit(x_train, y_train)
            mlflow.log_metric("accuracy", accuracy_score(y_test, model.predict(x_test)), step=leaves)
        mlflow.log_text(f"{len(x_train)} rows\n", "notes/data.txt")
        mlflow.sklearn.log_model(
            model, "model", signature=infer_signature(x_test, y_test), pip_requirements=["scikit-learn"]
        )


def main() -> None:
    ml = MLClient(
        DefaultAzureCredential(),
        os.environ["AZURE_SUBSCRIPTION_ID"],
        os.environ["AZURE_RESOURCE_GROUP"],
        os.environ["AZUREML_WORKSPACE"],
    )
    mlflow.set_tracking_uri(ml.workspaces.get(ml.workspace_name).mlflow_tracking_uri)
    # Endpoint names are unique in a region.
    tag = f"{int(time.time()):x}"
    mlflow.set_experiment(f"iris-{tag}")
    for depth in (1, 3):
        train(depth)

    runs = mlflow.search_runs(
        experiment_names=[f"iris-{tag}"], order_by=["metrics.accuracy DESC"], output_format="list"
    )
    best = runs[0]
    print("best run", best.data.params, best.data.metrics)
    loaded = mlflow.pyfunc.load_model(f"runs:/{best.info.run_id}/model")
    rows = load_iris(as_frame=True).data.iloc[[0, 60, 120]]
    expected = loaded.predict(rows).tolist()
    print("loaded", expected)

    model = ml.models.create_or_update(
        Model(
            name=f"iris-{tag}",
            type=AssetTypes.MLFLOW_MODEL,
            path=f"azureml://jobs/{best.info.run_id}/outputs/artifacts/paths/model/",
        )
    )
    endpoint = ml.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name=f"iris-{tag}", auth_mode="key")
    ).result()
    ml.online_deployments.begin_create_or_update(
        ManagedOnlineDeployment(
            name="blue",
            endpoint_name=endpoint.name,
            model=model.id,
            instance_type="Standard_D2as_v4",
            instance_count=1,
        )
    ).result()
    answer = requests.post(
        endpoint.scoring_uri,
        json={
            "input_data": {
                "columns": list(rows.columns),
                "index": [0, 1, 2],
                "data": rows.to_numpy().tolist(),
            }
        },
        headers={
            "Authorization": f"Bearer {ml.online_endpoints.get_keys(endpoint.name).primary_key}",
            "azureml-model-deployment": "blue",
        },
        timeout=60,
    )
    answer.raise_for_status()
    print("served", answer.json(), "as loaded" if answer.json() == expected else "otherwise")

    # A deployment costs money for as long as it stands.
    ml.online_endpoints.begin_delete(endpoint.name).result()


if __name__ == "__main__":
    main()
