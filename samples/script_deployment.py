"""Serve a model of one's own with a scoring script in Azure Machine Learning.

Written for the real service. Set AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP and AZUREML_WORKSPACE; to run it against
the emulator, nothing but environment variables: docs/emulator.md.

    python samples/script_deployment.py
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import joblib
from azure.ai.ml import MLClient
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import (
    CodeConfiguration,
    Environment,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
    OnlineRequestSettings,
    ProbeSettings,
)
from azure.identity import DefaultAzureCredential
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
#: The versions that pickled the model are those that unpickle it.
CONDA = {
    "name": "scoring",
    "channels": ["conda-forge"],
    "dependencies": [
        "python=3.11",
        "pip",
        {
            "pip": [
                "azureml-inference-server-http",
                f"scikit-learn=={version('scikit-learn')}",
                f"joblib=={version('joblib')}",
            ]
        },
    ],
}


def main() -> None:
    ml = MLClient(
        DefaultAzureCredential(),
        os.environ["AZURE_SUBSCRIPTION_ID"],
        os.environ["AZURE_RESOURCE_GROUP"],
        os.environ["AZUREML_WORKSPACE"],
    )
    # Endpoint names are unique in a region.
    tag = f"{int(time.time()):x}"

    x, y = load_iris(return_X_y=True)
    fitted = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(x, y)
    with tempfile.TemporaryDirectory() as folder:
        joblib.dump(fitted, Path(folder, "model.pkl"))
        model = ml.models.create_or_update(
            Model(name=f"scripted-{tag}", version="1", type=AssetTypes.CUSTOM_MODEL, path=folder)
        )
    environment = ml.environments.create_or_update(
        Environment(name=f"scripted-{tag}", version="1", image=IMAGE, conda_file=CONDA)
    )

    endpoint = ml.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name=f"scripted-{tag}", auth_mode="key")
    ).result()
    ml.online_deployments.begin_create_or_update(
        ManagedOnlineDeployment(
            name="blue",
            endpoint_name=endpoint.name,
            model=model.id,
            environment=environment.id,
            code_configuration=CodeConfiguration(
                code=str(Path(__file__).with_name("onlinescoring")), scoring_script="score.py"
            ),
            instance_type="Standard_D2as_v4",
            instance_count=1,
            request_settings=OnlineRequestSettings(
                request_timeout_ms=10_000, max_concurrent_requests_per_instance=2
            ),
            liveness_probe=ProbeSettings(initial_delay=10, period=10),
        )
    ).result()
    endpoint.traffic = {"blue": 100}
    ml.online_endpoints.begin_create_or_update(endpoint).result()

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "request.json")
        file.write_text(json.dumps({"data": x[[0, 60, 120]].tolist()}))
        print("answer", ml.online_endpoints.invoke(endpoint.name, request_file=str(file)))
    print("log", ml.online_deployments.get_logs("blue", endpoint.name, lines=50))

    # A deployment costs money for as long as it stands.
    ml.online_endpoints.begin_delete(endpoint.name).result()


if __name__ == "__main__":
    main()
