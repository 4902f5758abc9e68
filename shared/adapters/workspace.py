"""The workspace: its REST resources by path, and the SDK's client, built at first use."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.adapters.arm import Arm
from shared.adapters.resource import Resource
from shared.adapters.run_files import RunFiles
from shared.adapters.tracking import Tracking
from shared.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


class Workspace:
    """What the adapters of Azure ML share."""

    def __init__(self, settings: Settings, credential: TokenCredential, arm: Arm) -> None:
        self.settings = settings
        self.arm = arm
        self._credential = credential

    @cached_property
    def client(self) -> Any:
        """The MLClient. Building it imports the SDK, which takes seconds, and sends nothing."""
        from shared.adapters.sdk import ml_client

        return ml_client(self.settings, self._credential)

    @cached_property
    def tracking(self) -> Tracking:
        """What the workspace's jobs have left behind."""
        return Tracking(self.arm, self.settings.workspace_id)

    @cached_property
    def files(self) -> RunFiles:
        """What they have left behind as files."""
        return RunFiles(self.tracking)

    def url(self, path: str) -> str:
        """The ARM path of a resource of the workspace."""
        return f"{self.settings.workspace_id}/{path}"

    def find(self, path: str, api: str) -> Resource | None:
        """The resource at `path` as ARM has it; None when there is none."""
        found = self.arm.find(self.url(path), f"read {path}", {"api-version": api})
        return None if found is None else Resource.of(found)
