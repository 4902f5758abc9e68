"""Deployments with a scoring script: what is refused, where its code lies, and what its process is told."""

from __future__ import annotations

import asyncio
import posixpath
import shutil
from pathlib import Path, PurePosixPath

from dropml.azureml.assets.codes import Codes
from dropml.azureml.assets.environments import Environments, differing
from dropml.azureml.core.arm import ArmError, bad_request
from dropml.azureml.core.context import Context
from dropml.azureml.core.store import Doc
from dropml.azureml.workspace.storage import DataError

#: Of the service's containers.
_APP = "/var/azureml-app"


def script_properties(given: Doc) -> Doc:
    """`codeConfiguration` and `environmentId` of a deployment's PUT; 400 where one lacks the other."""
    code = given.get("codeConfiguration")
    environment = given.get("environmentId")
    if not code:
        return {"codeConfiguration": None, "environmentId": environment}
    if not code.get("codeId") or not code.get("scoringScript"):
        raise bad_request(
            "The field 'codeConfiguration' needs 'codeId' and 'scoringScript': code inside an image can't be run by the "
            "emulator."
        )
    if not environment:
        raise bad_request("The field 'environmentId' is required with 'codeConfiguration'.")
    entry = PurePosixPath(str(code["scoringScript"]))
    if entry.is_absolute() or ".." in entry.parts:
        raise bad_request(f"codeConfiguration.scoringScript must be a path inside the code, not {entry}.")
    return {
        "codeConfiguration": {"codeId": code["codeId"], "scoringScript": str(entry)},
        "environmentId": environment,
    }


def shown_variables(properties: Doc, model: str | None) -> dict[str, str]:
    """What the service adds to a deployment's environment variables once it has succeeded."""
    found = {} if model is None else {"AZUREML_MODEL_DIR": f"{_APP}/azureml-models/{model.replace(':', '/')}"}
    code = properties["codeConfiguration"]
    if code is None:
        return {
            **found,
            "AZUREML_ENTRY_SCRIPT": "/var/mlflow_resources/mlflow_score_script.py",
            "AML_APP_ROOT": "/var/mlflow_resources",
        }
    return {
        **found,
        "AZUREML_ENTRY_SCRIPT": code["scoringScript"],
        "AML_APP_ROOT": f"{_APP}/{properties['codeName']}",
    }


class Scripts:
    def __init__(self, context: Context, codes: Codes, environments: Environments) -> None:
        self._c, self._codes, self.environments = context, codes, environments

    def code_name(self, code_id: str) -> str:
        """The folder that the code was uploaded from; 404 where there is no such code asset."""
        found = self._codes.by_id(code_id)
        if found is None:
            raise self._codes.missing(code_id.rpartition("/codes/")[2].replace("/versions/", "/"))
        return _last(found["properties"]["codeUri"]) or "code"

    async def fetch(self, properties: Doc) -> None:
        """Have the code here, whole or not at all; a version of it never changes. Raises DataError."""
        if properties["codeConfiguration"] is None:
            return
        target = self._folder(properties["codeConfiguration"]["codeId"])
        if not target.is_dir():
            await asyncio.to_thread(self._download, properties["codeConfiguration"]["codeId"], target)

    def _download(self, code_id: str, target: Path) -> None:
        scratch = target.with_name(f"{target.name}.part")
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        self._codes.download(code_id, scratch)
        scratch.rename(target)

    def _folder(self, code_id: str) -> Path:
        found = self._codes.by_id(code_id)
        if found is None:
            raise DataError(f"The code asset {code_id} does not exist.")
        return self._c.folder("codes", found["name"], found["version"])

    def _lacking(self, model: Doc | None) -> list[str]:
        """Packages that a model of another tool's making was saved with."""
        folder = self._c.folder("models", model["name"], model["version"]) if model else None
        if folder is None or (folder / "dropml").is_dir() or not (folder / "conda.yaml").is_file():
            return []
        try:
            return differing((folder / "conda.yaml").read_text("utf-8-sig"))
        except (ArmError, UnicodeDecodeError) as error:
            return [f"The model's conda.yaml can't be read: {error}"]

    def served(self, properties: Doc, model: Doc | None, mounts: Path) -> Doc:
        """The part of `endpoint.json` that a scoring script or an environment adds."""
        notes = self.environments.said(properties["environmentId"])
        code = properties["codeConfiguration"]
        if code is None:
            return {"notes": [*notes, *self._lacking(model)]}
        if properties["modelMountPath"]:
            notes.append("modelMountPath isn't mounted here: AZUREML_MODEL_DIR says where the model is.")
        return {
            "notes": notes,
            "script": {
                "code_dir": str(self._folder(code["codeId"])),
                "code_name": properties["codeName"],
                "entry": code["scoringScript"],
                "model_as": (_last(model["properties"]["modelUri"]) if model else None) or "model",
                "mounts": str(mounts),
                "variables": properties["environmentVariables"],
            },
        }


def _last(uri: str) -> str:
    """The last part of a path's address: the name under which the service mounts it."""
    name = posixpath.basename(uri.partition("?")[0].rstrip("/"))
    return name if name.strip(".") else ""
