"""Code and environment of script deployments, registered once per content."""

from __future__ import annotations

from typing import Any

from azure.storage.blob import BlobClient, ContainerClient, ExponentialRetry

from shared.adapters.resource import Resource, mapping
from shared.adapters.scoring_code import (
    CODE,
    CONDA,
    ENVIRONMENT,
    code_files,
    code_version,
    environment_version,
    first,
    packages,
)
from shared.adapters.sdk import translated
from shared.adapters.storage import CONNECT, READ, RETRIES, TIMEOUT
from shared.adapters.storage_errors import translated as storage_translated
from shared.adapters.workspace import Workspace
from shared.domain.errors import Conflict, NotFound, Transient, Upstream

ASSET_API = "2023-10-01"
#: The folder inside the code's container, under which a deployment mounts it.
_MOUNTED = "scorer"
#: Most bytes of a conda file that are read.
_LARGEST = 1 << 20


class ScoringAssets(Workspace):
    """The part of `shared.services.run.ports.AzureML` that script deployments are made of."""

    def register_code(self) -> str:
        """Uploaded by plain REST: the SDK names code only by a version of its own counting.

        https://learn.microsoft.com/rest/api/azureml/code-versions/create-or-get-start-pending-upload
        """
        files = code_files()
        asset = f"codes/{CODE}/versions/{code_version(files)}"
        found = self.find(asset, ASSET_API)
        if found is not None:
            return found.id
        what, api = f"upload the scoring script {asset}", {"api-version": ASSET_API}
        upload = self.arm.call(
            "POST",
            self.url(f"{asset}/startPendingUpload"),
            what,
            json={"pendingUploadType": "TemporaryBlobReference"},
            params=api,
        )
        reference = mapping(mapping(upload).get("blobReferenceForConsumption"))
        address = str(reference.get("blobUri") or "")
        signed = str(mapping(reference.get("credential")).get("sasUri") or "")
        if not address or not signed:
            raise Transient(f"{what}: the answer names no place to upload to.")
        self._upload(signed, files, what)
        body = {"properties": {"codeUri": f"{address.rstrip('/')}/{_MOUNTED}", "isAnonymous": False}}
        try:
            return Resource.of(self.arm.call("PUT", self.url(asset), what, json=body, params=api)).id
        except (Conflict, Upstream):
            # Another host has registered the very same from its own upload, whose address can't be changed.
            other = self.find(asset, ASSET_API)
            if other is None:
                raise
            return other.id

    def _upload(self, signed: str, files: dict[str, bytes], what: str) -> None:
        with (
            storage_translated(what),
            ContainerClient.from_container_url(signed, **_patience()) as container,
        ):
            for name, raw in files.items():
                container.upload_blob(f"{_MOUNTED}/{name}", raw, overwrite=True, timeout=TIMEOUT)

    def register_environment(self, child: str) -> str:
        """The packages of the child on the image of the setting; equal ones of other runs are the same environment.

        https://learn.microsoft.com/azure/machine-learning/concept-prebuilt-docker-images-inference
        """
        from azure.ai.ml.entities import Environment

        conda = packages(first((self._artifact(child, path) for path in CONDA), child), child)
        image = self.settings.inference_image
        version = environment_version(image, conda)
        found = self.find(f"environments/{ENVIRONMENT}/versions/{version}", ASSET_API)
        if found is not None:
            return found.id
        with translated(f"register environment {ENVIRONMENT}:{version}"):
            entity = Environment(
                name=ENVIRONMENT,
                version=version,
                image=image,
                conda_file=conda,
                description="DropML: packages of a trained model",
            )
            return str(self.client.environments.create_or_update(entity).id)

    def _artifact(self, child: str, path: str) -> str | None:
        """A small text among a job's artifacts; None where there is none."""
        signed = self.tracking.artifact_address(child, path)
        if signed is None:
            return None
        try:
            with (
                storage_translated(f"{path} of {child}"),
                BlobClient.from_blob_url(signed, **_patience()) as blob,
            ):
                raw = blob.download_blob(offset=0, length=_LARGEST, timeout=TIMEOUT).readall()
        except NotFound:
            return None
        return raw.decode("utf-8", "replace")


def _patience() -> dict[str, Any]:
    return {
        "connection_timeout": CONNECT,
        "read_timeout": READ,
        "retry_policy": ExponentialRetry(1, 2, RETRIES, random_jitter_range=1),
    }
