"""What a job's outputs become when it has ended well: versions of data and of models, where the job names them."""

from __future__ import annotations

from dropml.azureml.assets.data import Data
from dropml.azureml.assets.models import Models
from dropml.azureml.core.arm import ArmError
from dropml.azureml.core.store import Doc
from dropml.azureml.jobs.outputs import MODEL_TYPES, JobOutputs


class OutputAssets:
    def __init__(self, outputs: JobOutputs, data: Data, models: Models) -> None:
        self._outputs, self._data, self._models = outputs, data, models

    async def register(self, run: Doc) -> str:
        """Every output with an `assetName`; why one can't be, empty where all are."""
        for output, told in (run["properties"].get("outputs") or {}).items():
            name = (told or {}).get("assetName")
            if not name:
                continue
            try:
                await self._register(run["name"], output, str(name), told)
            except ArmError as error:
                return f"The output '{output}' can't be registered as {name}: {error.message}"
        return ""

    async def _register(self, job: str, output: str, name: str, told: Doc) -> None:
        kind, uri = told["jobOutputType"], f"azureml://jobs/{job}/outputs/{output}"
        assets = self._models if kind in MODEL_TYPES else self._data
        version = str(told.get("assetVersion") or assets.containers.next_version(name))
        if kind in MODEL_TYPES:
            given = {"modelUri": uri, "modelType": kind, "jobName": job}
            await self._models.register(name, version, given)
        else:
            self._data.register(name, version, {"dataUri": self._outputs.stored_uri(uri), "dataType": kind})
