"""What the recordings found when they began: the assets, endpoints and jobs that a replay puts there first."""

from __future__ import annotations

from typing import Any

from tests.support.emulator_support import WS, Emulator, automl


class Stage:
    """`operations` maps a recorded operation to the URL of ours."""

    def __init__(self, running: Emulator) -> None:
        self.running = running
        self.operations: dict[str, str] = {}

    def _put(self, path: str, properties: dict[str, Any], **more: Any) -> None:
        answer = self.running.arm("PUT", path, {"location": "westeurope", "properties": properties} | more)
        assert answer.status_code in (200, 201), answer.text
        self._clock(step=5)

    def _clock(self, **change: Any) -> None:
        self.running.call("POST", "/_emulator/clock", change)

    def _nested_component(self) -> None:
        self._component("2c437327-f707-4c0d-8af2-eae19d1999b5", {"command": "echo hi"})

    def _component(self, version: str, spec: dict[str, Any]) -> None:
        whole = {
            "name": "azureml_anonymous",
            "type": "command",
            "environment": "azureml:AzureML-any:1",
        } | spec
        self._put(
            f"/components/azureml_anonymous/versions/{version}",
            {"componentSpec": whole, "isAnonymous": False},
        )

    def _schedule_components(self) -> None:
        text = {"type": "string"}
        for version, spec in {
            "44dd8506-1b0f-4391-b739-1643ab136b93": {"inputs": {"hello_string": text}},
            "8edac7a1-b3be-44cb-9397-b12f0141804f": {"outputs": {"world_output": {"type": "uri_folder"}}},
            "7a4b33d6-278c-4497-86cf-38522fd72b18": {"inputs": {"world_input": {"type": "uri_folder"}}},
        }.items():
            self._component(version, {"command": "echo hi"} | spec)

    def _batch_endpoint(self) -> None:
        self._put("/batchEndpoints/batch-ept-11a618d470304b2", {"authMode": "AADToken"})

    def _batch_endpoint_of_the_error(self) -> None:
        self._put("/batchEndpoints/batch-ept-bc5ca7b453ae4ce", {"authMode": "AADToken"})

    def _two_versions(self) -> None:
        for version, uri in (("1", "https://bla"), ("2", "http://bla")):
            self._put(
                f"/data/list_data_v2_test/versions/{version}", {"dataType": "uri_folder", "dataUri": uri}
            )

    def _training_data(self) -> None:
        """`LocalUpload/000.../train` is filled by whoever starts the emulator."""
        self._clock(resume=True)

    def _until(self, job: str, status: str) -> None:
        self.running.wait_job(job, status, "Failed")

    def _completed_job(self) -> None:
        """The recorded one had validation data and a blocked algorithm."""
        table = {"jobInputType": "mltable", "uri": "azureml://datastores/data/paths/bank/train"}
        details = {
            "validationData": table,
            "trainingSettings": {"blockedTrainingAlgorithms": ["LightGBM"], "enableVoteEnsemble": False},
        }
        self.running.arm("PUT", "/jobs/completed", automl(table["uri"], details=details))
        self._until("completed", "Completed")

    def _model_files(self) -> None:
        """`LocalUpload/000.../lightgbm_mlflow_model` is filled by whoever starts the emulator."""

    def _deployment_parents(self) -> None:
        uri = "azureml://datastores/data/paths/model"
        self._put(
            "/models/1498425f064ef007b4f000a85a5f4645/versions/1",
            {"modelType": "mlflow_model", "modelUri": uri},
        )
        self._put("/onlineEndpoints/online-ept-a2eef48db44f4a9", {"authMode": "Key"})
        self.running.wait_state("/onlineEndpoints/online-ept-a2eef48db44f4a9")

    def _traffic_parents(self) -> None:
        """The endpoint with its deployment, as it stood before its traffic was moved."""
        self._clock(step=5)
        path = "/onlineEndpoints/online-ept-a2eef48db44f4a9/deployments/online-dpm-b0249d5411f7413"
        self.running.wait_state(path)

    def _second_traffic(self) -> None:
        """Another endpoint of the recording, whose traffic has just been moved."""
        path, name = "/onlineEndpoints/online-ept-5ce3da3806e04e3", "online-dpm-1a5183914317445"
        self._clock(step=5)
        self.running.wait_state(path)
        model = f"{WS}/models/1498425f064ef007b4f000a85a5f4645/versions/1"
        properties = {"endpointComputeType": "Managed", "model": model, "instanceType": "Standard_F2s_v2"}
        self._put(f"{path}/deployments/{name}", properties)
        self.running.wait_state(f"{path}/deployments/{name}")
        body = {"location": "eastus", "properties": {"authMode": "Key", "traffic": {name: 100}}}
        answer = self.running.arm("PUT", path, body, api="2022-02-01-preview")
        key = "oeidp:5881e5dc-6e3e-408e-b99e-754026b4a07b:9bbf58d2-110e-43bf-ae91-11175782261a"
        self.operations[key] = answer.headers["Azure-AsyncOperation"]
