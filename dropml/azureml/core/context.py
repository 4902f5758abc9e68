"""What every resource's module needs."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from dropml.azureml.core import orphans
from dropml.azureml.core.clock import Clock
from dropml.azureml.core.config import Settings
from dropml.azureml.core.identity import Identity
from dropml.azureml.core.operations import Operations
from dropml.azureml.core.secret import Secret
from dropml.azureml.core.store import Store


def workspace_guid(store: Store) -> str:
    return store.meta_once("workspace.guid", lambda: str(uuid.uuid4()))


@dataclass
class Context:
    settings: Settings
    store: Store
    clock: Clock
    identity: Identity
    operations: Operations
    secret: Secret

    def arm_id(self, *parts: str) -> str:
        """`{ws}/part/part`."""
        return "/".join([self.settings.workspace_id, *parts])

    def arm_name(self, arm_id: str, collection: str) -> str | None:
        """The last name of `{ws}/{collection}/{name}`, or a bare `azureml:name`; None if it is something else."""
        text = arm_id.removeprefix("azureml:")
        prefix = f"{self.settings.workspace_id}/{collection}/".lower()
        if text.lower().startswith(prefix):
            return text[len(prefix) :]
        return text if text and "/" not in text else None

    def location_header(self, request: Request) -> str:
        """The requested resource's absolute URL, with its api-version."""
        version = request.query_params.get("api-version", "")
        return f"{self.settings.base_url}{request.scope['original_path']}?api-version={version}"

    @property
    def guid(self) -> str:
        return workspace_guid(self.store)

    @property
    def mark(self) -> dict[str, str]:
        """For the environment of every process that is started."""
        return orphans.mark(self.settings.data)

    def folder(self, *parts: str) -> Path:
        return self.settings.data.joinpath(*parts)
